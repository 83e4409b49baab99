-- What became of a call. Argument: slot {name, lane, gen, granted, confirmed, epoch}, outcome (an AttemptOutcome),
-- answer (the same for people), retry_after (of the answer, if any), event, late (how late the request was written),
-- reply (how long the answer took), superseded (a refusal of what no call goes out with any more: it says nothing); the
-- last three missing when not known.
-- Reply: ok, the hold this put on (if any), whether the refusal is the event's own fault, the part it holds (if any).
local slot, outcome = args.slot, args.outcome
local worked = outcome == 'delivered' or outcome == 'already_reported' or outcome == 'rejected'
local failed = outcome == 'server_error' or outcome == 'unreachable' or outcome == 'ambiguous'
local mine = known() and state.gen == slot.gen
local was_probe = mine and state.probe_slot == slot.name
-- A call confirmed before the last hold was put on or taken off says nothing about the present.
local current = mine and slot.epoch == get('epoch')
local put = ''

local function hold_until(time)
  if time > get('not_before') then
    set('not_before', time)
    if outcome == 'throttled' then put = 'retry_after' end
  end
  set('next', math.max(get('next'), get('not_before')))
end

local function asked_wait() return math.min(MAX_RETRY, math.max(MIN_RETRY, args.retry_after)) end
local function honour_retry_after() hold_until(now + asked_wait()) end

-- How much of the rate is ours, learned from a refusal: what held before, if more was being tried; no less than now, if
-- the last refusal is long ago; else what we had in the refused call's window, no less than half.
local function learn_share(wait)
  local level, before = stage(slot.granted, slot.lane)
  if before then
    set('share', before)
  elseif since_refusal(slot.granted) > math.max(5 * SECOND, 2 * wait) then
    if state.share then set('share', math.max(get('share'), level)) end
  else
    local _, window = limit()
    local arrived = redis.call('ZSCORE', SENT, slot.name)
    local ours = arrived and redis.call('ZCOUNT', SENT, '(' .. string.format('%.0f', arrived - window),
                                        '(' .. arrived) or 0
    set('share', math.max(1, math.min(level - 1, math.max(math.ceil(level / 2), ours))))
  end
  set('rate_at', now)
end

-- A Retry-After holds everyone whenever it comes in, and is never shortened. Only the first 429 of an episode
-- (one of a call that was confirmed after the last one) says something new about the rate.
local function throttling()
  if state.decreased_at and slot.confirmed <= get('decreased_at') then
    if args.retry_after then honour_retry_after() end
    return
  end
  set('backoff', get('backoff') + 1)
  local longest = micros('backoff_ceiling_seconds')
  local asked = args.retry_after and asked_wait() or micros('backoff_seconds')
  local wait = asked
  -- A server that goes on refusing is left alone for longer than it asks.
  if get('backoff') > 2 then
    wait = math.max(wait, math.min(longest, wait * 2 ^ math.min(get('backoff') - 2, 30)))
  end
  learn_share(wait)
  -- Of a wait of hours nothing can be learned about the second.
  set('dwell', math.max(DWELL, 10 * math.min(asked, longest)))
  set('decreased_at', now)
  hold_until(now + wait)
end

-- When the call must have arrived: as late as it was written, and as much later as its answer took longer than the
-- quickest ones, since that may all have been lost on the way there. Servers are slow for reasons of their own,
-- so this counts up to a bound. What is learned here spaces the call that shares a window with this one.
local function measure_margin(late, reply)
  local low = state.reply_lo and get('reply_lo') or reply
  local rise = 1 - 0.5 ^ (math.max(0, now - get('jitter_at')) / (300 * SECOND))
  low = reply < low and reply or low + math.min(reply - low, 2 * widest()) * rise
  local samples = math.min(1000, get('jitter_n') + 1)
  local least = micros('margin_min_seconds')
  -- On average an answer takes J longer than the quickest there can be (J: the jitter, peak to peak, of a way
  -- that varies evenly), and the quickest of n answers some 1.25 J / sqrt(n), twice that if luck is bad: what is
  -- taken for the quickest is not.
  local part = math.min(0.9, 2.5 / math.sqrt(samples + 1))
  local share = math.max(0.05, 1 / samples)
  local over = get('reply_over') + share * (math.min(reply - low, 2 * widest()) - get('reply_over'))
  local bias = over * part / (1 - part)
  local way = least + math.min(reply - low + bias, widest() - least)
  local margin = get('margin') + share * (math.min(late + way, widest()) - get('margin'))
  if samples < ENOUGH then way = unknown() end
  redis.call('ZADD', SENT, 'XX', string.format('%.0f', slot.granted + late + way), slot.name)
  set('reply_lo', low)
  set('reply_over', over)
  set('jitter_at', now)
  set('jitter_n', samples)
  set('margin', margin)
end

-- The circuit breaker: different events that fail in a row open it; the probe that works closes it.
local function breaker()
  local function trip()
    local wait = micros('breaker_cooldown_seconds') * 2 ^ math.min(get('opens'), 30)
    set('open_until', now + math.min(wait, micros('breaker_ceiling_seconds')))
    set('opens', get('opens') + 1)
    new_epoch()
    redis.call('DEL', FAILING)
    put = 'breaker'
  end
  if failed and state.open_until then
    trip()
  elseif failed then
    redis.call('SADD', FAILING, event_digest())
    if redis.call('SCARD', FAILING) >= setting('breaker_threshold') then trip() end
  elseif state.open_until then
    clear('open_until')
    clear('opens')
    new_epoch()
  end
  if worked then redis.call('DEL', FAILING) end
end

-- The events of one reporting system, as far as they are in a set of refused ones.
local function marked(key, mark)
  local found = {}
  for _, member in ipairs(redis.call('SMEMBERS', key)) do
    if string.sub(member, 1, #mark) == mark then found[#found + 1] = member end
  end
  return found
end

local held_part = ''
-- Hold a part until somebody has looked, unless a hold of it stands; one whose end has passed stands no more.
local function hold_part(name, note)
  local before = redis.call('HGET', PART_HOLDS, name)
  local ends = before and cjson.decode(before)['until']
  if before and not (type(ends) == 'number' and ends <= now / SECOND) then return end
  redis.call('HSET', PART_HOLDS, name, cjson.encode({reason = 'rejections', since = now / SECOND, note = note}))
end

-- Different events of one reporting system that Gong refuses, with none of it accepted between, hold that system;
-- those of several, with none accepted at all between, the company: until an operator has looked.
local function rejections()
  if not worked then return end
  local system = string.match(args.event, '^(%Z+)%z')
  local mark = system and string.sub(redis.sha1hex(system), 1, 10) .. ':' or ''
  if outcome ~= 'rejected' then
    redis.call('DEL', REJECTED)
    local over = system and redis.call('SCARD', REJECTED_BY) > 0 and marked(REJECTED_BY, mark) or {}
    if #over > 0 then redis.call('SREM', REJECTED_BY, unpack(over)) end
    return
  end
  local most = setting('rejections_limit')
  redis.call('SADD', REJECTED, mark .. event_digest())
  if system then
    if redis.call('SCARD', REJECTED_BY) > 100 * most then redis.call('DEL', REJECTED_BY) end
    redis.call('SADD', REJECTED_BY, mark .. event_digest())
    local mine = marked(REJECTED_BY, mark)
    if #mine >= most then
      held_part = 'reporting_system:' .. system
      hold_part(held_part, string.format(
        '%d different events of it were refused in a row; see gong-views dead-letters groups, then gong-views release',
        #mine))
      redis.call('SREM', REJECTED_BY, unpack(mine))
      redis.call('SREM', REJECTED, unpack(mine))
      return
    end
  end
  if redis.call('SCARD', REJECTED) >= most then
    set('rejections_at', now)
    new_epoch()
    redis.call('DEL', REJECTED, REJECTED_BY)
    put = 'rejections'
  end
end

local HOLD_OF = {unauthorized = UNAUTHORIZED, misconfigured = MISCONFIGURED}
local REMEMBERED = 100000

local function remember(key, event)
  redis.call('ZADD', key, slot.confirmed, event)
  redis.call('ZREMRANGEBYRANK', key, 0, -REMEMBERED - 1)
end

-- Is a refusal (401, 403, 404 …) the event's own fault? It is when, after this event was refused before, a call for
-- another one with the same credential and address worked; from then on always, but while a hold stands.
local function is_own_fault()
  local event = event_digest()
  local before = tonumber(redis.call('ZSCORE', REFUSED, event) or nil)
  local worked_at = tonumber(redis.call('HGET', WORKED, PAIR) or 0)
  remember(REFUSED, event)
  if soft_hold(UNAUTHORIZED) or soft_hold(MISCONFIGURED) then return false end
  if redis.call('ZSCORE', AT_FAULT, event) or (before and worked_at > before) then
    remember(AT_FAULT, event)
    return true
  end
  return false
end

local function remember_success()
  if redis.call('HSET', WORKED, PAIR, slot.confirmed) == 1 and redis.call('HLEN', WORKED) > 100 then
    local oldest, when
    for pair, at in pairs(hash(WORKED)) do
      if not when or tonumber(at) < when then oldest, when = pair, tonumber(at) end
    end
    redis.call('HDEL', WORKED, oldest)
  end
end

-- A refused credential and a wrong base URL hold whoever has the same one. Where it has worked before, the first
-- refusal may be the event's own fault: only the second in a row, with no success between, puts the hold on.
local function refused(hold)
  local event = event_digest()
  local known_since_success = state.refused_pair == PAIR
  if not known_since_success then
    set('refused_pair', PAIR)
    set('refused_event', event)
    clear('refused_many')
  elseif state.refused_event ~= event then
    set('refused_many', 1)
  end
  if known_since_success or redis.call('HEXISTS', WORKED, PAIR) == 0 then
    -- Said loudly once, not at every probe.
    if not soft_hold(hold) then put = outcome end
    put_soft_hold(hold, redis.call('ZSCORE', AT_FAULT, event))
  end
end

-- A call that works ends both holds.
local function accepted()
  if redis.call('HDEL', HOLDS, UNAUTHORIZED, MISCONFIGURED) > 0 then new_epoch() end
  if state.refused_pair == PAIR then
    for _, field in ipairs({'refused_pair', 'refused_event', 'refused_many'}) do clear(field) end
  end
end

-- A probe that proved nothing is not repeated at once.
local function probe_again_later()
  for _, hold in ipairs({UNAUTHORIZED, MISCONFIGURED}) do
    local probe_at = soft_hold(hold)
    if probe_at and probe_at <= now then put_soft_hold(hold) end
  end
end

local function remember_probe()
  if worked then
    for _, field in ipairs({'probe_event', 'probe_answer', 'probe_answered'}) do clear(field) end
  elseif was_probe or put ~= '' then
    set('probe_event', args.event)
    set('probe_answer', args.answer)
    set('probe_answered', now)
  end
end

local own_fault = false
if outcome == 'throttled' then
  throttling()
elseif outcome == 'server_error' and args.retry_after then
  honour_retry_after()
end
if mine then
  if outcome == 'unreachable' then sweep_day(); count_call(slot.granted, -1) end
  if worked and slot.confirmed > get('decreased_at') then clear('backoff') end
  if args.late and args.reply then measure_margin(args.late, args.reply) end
  if HOLD_OF[outcome] and not args.superseded then own_fault = is_own_fault() end
  end_probe(slot)
end
if current then
  breaker()
  rejections()
  if worked then remember_success(); accepted() end
  if HOLD_OF[outcome] and not own_fault and not args.superseded then refused(HOLD_OF[outcome]) end
  if was_probe and not worked and not args.superseded then probe_again_later() end
  if not args.superseded then remember_probe() end
end
save()
return {'ok', now, put, own_fault and 1 or 0, held_part}
