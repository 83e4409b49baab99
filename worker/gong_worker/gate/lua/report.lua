-- What became of a call. ARGV: 4 slot number, 5 outcome, 6 Retry-After (or empty), 7 digest of the event,
-- 8 when it was planned, 9 when it was confirmed, 10 epoch, 11 gen, 12 written late (or empty), 13 reply took
-- (or empty). Reply: ok, and the hold this put on, if any.
local number, outcome, retry_after, event = ARGV[4], ARGV[5], tonumber(ARGV[6]), ARGV[7]
local planned, confirmed, epoch, gen = tonumber(ARGV[8]), tonumber(ARGV[9]), tonumber(ARGV[10]), ARGV[11]
local late, reply = tonumber(ARGV[12]), tonumber(ARGV[13])

local worked = outcome == 'delivered' or outcome == 'already_reported' or outcome == 'rejected'
local failed = outcome == 'server_error' or outcome == 'unreachable' or outcome == 'ambiguous'
local mine = known() and state.gen == gen
local put = ''

local function hold_until(time)
  if time > get('not_before') then
    set('not_before', time)
    if outcome == 'throttled' then put = 'retry_after' end
  end
  set('next', math.max(get('next'), get('not_before')))
end

-- A Retry-After holds everyone whenever it comes in, and is never shortened. Only the first 429 of an event
-- (one of a call that was confirmed after the last decrease) says something new about the rate.
if outcome == 'throttled' then
  local news = confirmed > get('decreased_at') or not state.decreased_at
  if news then
    local limit = setting('calls_per_second')
    local floor = math.min(setting('adaptive_floor'), limit / 2)
    set('rate', math.max(floor, current_rate() * setting('adaptive_decrease')))
    set('rate_at', now)
    set('decreased_at', now)
    -- Should it have been our own doing: measure the way anew, and be cautious until then.
    set('jitter_n', 0)
  end
  if retry_after then
    hold_until(now + math.min(MAX_RETRY, math.max(MIN_RETRY, retry_after)))
  elseif news then
    local wait = micros('backoff_seconds') * 2 ^ math.min(get('backoff'), 30)
    hold_until(now + math.min(wait, micros('backoff_ceiling_seconds')))
    set('backoff', get('backoff') + 1)
  end
elseif outcome == 'server_error' and retry_after then
  hold_until(now + math.min(MAX_RETRY, math.max(MIN_RETRY, retry_after)))
end

if mine then
  if outcome == 'unreachable' then sweep_day(); count_call(planned, -1) end
  if worked and confirmed > get('decreased_at') then clear('backoff') end

  -- When it must have arrived: as late as it was written, and as much later as its answer took longer than the
  -- quickest ones, since that may all have been lost on the way there. Servers are slow for reasons of their own,
  -- so this counts up to a bound. What is learned here spaces the call that shares a window with this one.
  if late and reply then
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
    redis.call('ZADD', SENT, 'XX', string.format('%.0f', planned + late + way), number)
    set('reply_lo', low)
    set('reply_over', over)
    set('jitter_at', now)
    set('jitter_n', samples)
    set('margin', margin)
  end
end

local was_probe = state.probe_seq == number
if mine and was_probe then clear('probe_seq'); clear('probe_until') end

-- A call confirmed before the last hold was put on or taken off says nothing about the present.
if mine and epoch == get('epoch') then
  local next_epoch = epoch + 1
  local refused, astray = 'unauthorized:' .. credential, 'misconfigured:' .. target

  local function trip()
    local wait = micros('breaker_cooldown_seconds') * 2 ^ math.min(get('opens'), 30)
    set('open_until', now + math.min(wait, micros('breaker_ceiling_seconds')))
    set('opens', get('opens') + 1)
    set('epoch', next_epoch)
    redis.call('DEL', FAILING)
    put = 'breaker'
  end

  if failed then
    if state.open_until then
      trip()
    else
      redis.call('SADD', FAILING, event)
      if redis.call('SCARD', FAILING) >= setting('breaker_threshold') then trip() end
    end
  elseif state.open_until then
    clear('open_until')
    clear('opens')
    set('epoch', next_epoch)
  end
  if worked then
    redis.call('DEL', FAILING)
    if redis.call('HDEL', HOLDS, refused, astray) > 0 then set('epoch', next_epoch) end
  end
  if outcome == 'rejected' then
    redis.call('SADD', REJECTED, event)
    if redis.call('SCARD', REJECTED) >= setting('rejections_limit') then
      set('rejections_at', now)
      set('epoch', next_epoch)
      redis.call('DEL', REJECTED)
      put = 'rejections'
    end
  elseif worked then
    redis.call('DEL', REJECTED)
  end
  local field = outcome == 'unauthorized' and refused or outcome == 'misconfigured' and astray
  if field then
    -- Said loudly once, not at every probe.
    if not soft_hold(field) then put = outcome end
    put_soft_hold(field)
  end
  -- A probe that proved nothing is not repeated at once.
  if was_probe and not worked then
    for _, standing_hold in ipairs({refused, astray}) do
      local probe_at = soft_hold(standing_hold)
      if probe_at and probe_at <= now then put_soft_hold(standing_hold) end
    end
  end
end
save()
return {'ok', now, put}
