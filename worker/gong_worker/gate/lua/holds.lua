-- Holds: why no call is made, until when, and who may probe.

local UNAUTHORIZED, MISCONFIGURED = 'unauthorized:' .. args.credential, 'misconfigured:' .. args.target
local UNGRANTED = 'ungranted:' .. args.credential
local PAIR = args.credential .. ' ' .. args.target
-- Bounds of what a Retry-After may ask for.
local MIN_RETRY, MAX_RETRY = SECOND, 86700 * SECOND

-- Holds have changed: answers to calls confirmed before no longer say anything about them.
local function new_epoch() set('epoch', get('epoch') + 1) end

-- One event under this credential and address.
local function event_digest()
  return args.event and string.sub(redis.sha1hex(PAIR .. ' ' .. args.event), 1, 20)
end

-- By how much a clock that was set back has moved them (see clock.lua), while that is not written yet.
local moved_by = 0
local function soft_hold(field)
  local text = redis.call('HGET', HOLDS, field)
  if not text then return nil end
  local probe_at, interval, since = string.match(text, '^(%d+) (%d+) (%d+)$')
  return tonumber(probe_at) - moved_by, tonumber(interval), tonumber(since) - moved_by
end

-- Put it on, or have the next probe wait: twice as long, unless the last one `says_little`.
local function put_soft_hold(field, says_little)
  local _, interval, since = soft_hold(field)
  local longer = interval and math.min((says_little and 1 or 2) * interval, micros('hold_probe_ceiling_seconds'))
  interval = longer or micros('hold_probe_seconds')
  redis.call('HSET', HOLDS, field, string.format('%.0f %.0f %.0f', now + interval, interval, since or now))
  new_epoch()
end

-- Every hold that keeps a call planned for `at` from being made: {reason, until (0: open end), needs a probe}.
-- The first one is what people are told: the operator's, then rejections, then the one that lasts longest.
local function standing(at)
  local found, first = {}, {}
  local function add(list, reason, ends, soft) list[#list + 1] = {reason, ends, soft} end
  if state.operator_at and (get('operator_until') == 0 or get('operator_until') > now) then
    add(first, 'operator', get('operator_until'), false)
  end
  if state.rejections_at then add(first, 'rejections', 0, false) end
  if state[UNGRANTED] then add(first, 'unauthorized', 0, false) end
  local refused = soft_hold(UNAUTHORIZED)
  if refused then add(found, 'unauthorized', refused, true) end
  local misconfigured_at = soft_hold(MISCONFIGURED)
  if misconfigured_at then add(found, 'misconfigured', misconfigured_at, true) end
  if state.open_until then add(found, 'breaker', get('open_until'), true) end
  if get('not_before') > at then add(found, 'retry_after', get('not_before'), false) end
  if known() and day_total() >= day_cap() then add(found, 'daily_quota', day_frees_at(), false) end
  table.sort(found, function(a, b) return a[2] > b[2] end)
  for _, hold in ipairs(found) do first[#first + 1] = hold end
  return first
end

-- A hold that rests on the refusals of one event, with a credential and an address that have worked before, says
-- little about the others: any of them may probe at once.
local function rests_on_another()
  return state.refused_pair == PAIR and not state.refused_many and state.refused_event ~= event_digest()
    and redis.call('HEXISTS', WORKED, PAIR) == 1
end

-- nil: free to call. 'probe': one call may try. Otherwise the reason, and until when.
local function verdict(at)
  local holds = standing(at)
  if #holds == 0 then return nil end
  local hard, due = false, true
  for _, hold in ipairs(holds) do
    local waits = hold[2] > now and (hold[1] == 'breaker' or not rests_on_another())
    if not hold[3] then hard = true elseif waits then due = false end
  end
  if hard or not due then return holds[1][1], holds[1][2] end
  if get('probe_until') > now then return holds[1][1], get('probe_until') end
  return 'probe'
end

-- Whoever was tried last lets any other event probe first. Until when it has to, or nil.
local GIVE_WAY = 5 * SECOND
local function gives_way_until()
  local tried = state.probe_event == args.event
    or (not state.refused_many and state.refused_event == event_digest())
  if not tried then return nil end
  local last = 0
  for _, hold in ipairs(standing(now)) do
    if not hold[3] then return nil end
    last = math.max(last, hold[2])
  end
  return now < last + GIVE_WAY and last + GIVE_WAY or nil
end

-- The probe is over, if this slot is the one that has it.
local function end_probe(slot)
  if state.probe_slot == slot.name then clear('probe_slot'); clear('probe_until') end
end
