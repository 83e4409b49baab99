-- The pace: how far apart calls are, and how much of the limit is used.

-- What others leave us: halved by a 429, growing again since then (but not while held), up to the limit.
local function current_rate()
  local limit = setting('calls_per_second')
  if not state.rate then return limit end
  local waited = math.max(0, now - math.max(get('rate_at'), get('not_before')))
  return math.min(limit, get('rate') + setting('adaptive_increase') * limit / 3 * waited / SECOND)
end

-- The longest a call is taken to be on its way to Gong beyond the quickest way.
local function widest() return micros('margin_max_seconds') end
-- So many answers are needed to know the quickest way.
local ENOUGH = 8
-- What a call counts with until it is answered; at first with what is added for what nobody measures.
local function unknown()
  return widest() + (get('jitter_n') < ENOUGH and micros('margin_min_seconds') or 0)
end

-- The law: no N + 1 arrivals within `window`. A call is planned one window after the latest moment at which the
-- call N before it can have arrived (see confirm); slots are spaced so that this is on average just when they come.
local function law()
  local rate = setting('calls_per_second')
  local count, window = 1, math.ceil(SECOND / rate)
  if rate >= 1 then count, window = math.floor(rate), SECOND end
  local margin = get('jitter_n') >= ENOUGH and get('margin') or unknown()
  return count, window, math.ceil(math.max((window + margin) / count, SECOND / current_rate())), margin
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
  elseif not slot.probe and slot.at > now and slot.at < get('next') then
    redis.call('ZADD', RETURNED, slot.at, string.format('%.0f', slot.at))
  end
end
