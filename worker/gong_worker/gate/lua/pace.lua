-- The pace: how far apart calls are, and how much of the limit is used. Everything in whole calls: where a server
-- counts in a sliding window, a pacer between two whole numbers is refused for each call of another that passes.

local STEP = 5 * SECOND
local DWELL = 24 * SECOND

-- The limit: so many arrivals in a window.
local function limit()
  local rate = setting('calls_per_second')
  if rate < 1 then return 1, math.ceil(SECOND / rate) end
  return math.floor(rate), SECOND
end

-- What a lane may use of it: what is left to others is left, but for one call.
local function most(lane)
  local calls, left = limit(), setting('reserve_per_second') or 0
  if lane == 'bulk' then left = math.max(left, setting('bulk_reserve_per_second') or (calls >= 2 and 1 or 0)) end
  return math.max(1, calls - left)
end

-- The release before kept a fraction, `rate`, that grew by the second. Its workers, as long as they run beside ours,
-- go on to write it: the whole calls in it are the share, then.
if state.rate then
  local calls, waited = limit(), math.max(0, now - math.max(get('rate_at'), get('not_before')))
  local rate = get('rate') + (setting('adaptive_increase') or 0.03) * calls / 3 * waited / SECOND
  if rate < calls then
    set('share', math.max(1, math.min(state.share and get('share') or calls, math.floor(rate))))
    set('dwell', DWELL)
  end
  clear('rate')
end

-- How long a moment is after the last refusal and its wait.
local function since_refusal(at) return math.max(0, at - math.max(get('rate_at'), get('not_before'))) end

-- What a lane may use at a moment: the level and, while it is tried whether that much is free, the level before.
-- After a dwell at the share that a refusal left, it grows in steps that double.
local function stage(at, lane)
  local top, grown = most(lane), since_refusal(at) - get('dwell')
  local share = state.share and get('share') or top
  if share >= top or grown < 0 then return math.min(share, top) end
  local step, unit = math.min(20, math.floor(grown / STEP) + 1), math.max(1, math.floor(top / 20))
  local before = share + unit * (2 ^ (step - 1) - 1)
  if before >= top then return top end
  return math.min(top, share + unit * (2 ^ step - 1)), before
end

-- The longest a call is taken to be on its way to Gong beyond the quickest way.
local function widest() return micros('margin_max_seconds') end
-- So many answers are needed to know the quickest way.
local ENOUGH = 8
-- What a call counts with until it is answered; at first with what is added for what nobody measures.
local function unknown()
  return widest() + (get('jitter_n') < ENOUGH and micros('margin_min_seconds') or 0)
end

-- The law: no more than `count` arrivals within `window`. A call is planned one window after the latest moment at
-- which the call `count` before it can have arrived (see confirm); slots are spaced so that this is on average just
-- when they come.
-- Whether more is free can only be seen while a call of another finds a place: a trial leaves it a wider gap.
local function law(lane)
  local _, window = limit()
  local count, before = stage(now, lane)
  local margin = get('jitter_n') >= ENOUGH and get('margin') or unknown()
  local gap = before and window / 10 or 0
  return count, window, math.ceil((window + margin + gap) / count), margin
end

-- What the sets know a slot by: numbers repeat after a failover to a replica that is behind.
local function slot_name(number, token) return string.format('%.0f:%s', number, token) end

-- The earliest slot given back by whoever had reserved it, unless it is past.
local function returned_slot()
  while true do
    local first = redis.call('ZRANGE', RETURNED, 0, 0)[1]
    if not first then return nil end
    if tonumber(first) >= now then return tonumber(first) end
    redis.call('ZREM', RETURNED, first)
  end
end

-- Take back a reservation: its moment is reserved again by whoever comes next.
local function cancel_reservation(slot)
  if get('next') == slot.after then
    set('next', slot.at)
    if slot.lane == 'bulk' then set('bulk_from', math.min(get('bulk_from'), slot.at)) end
  elseif not slot.probe and slot.at > now and slot.at < get('next') then
    redis.call('ZADD', RETURNED, slot.at, string.format('%.0f', slot.at))
  end
end
