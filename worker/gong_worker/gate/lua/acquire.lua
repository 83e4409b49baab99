-- Reserve the next slot. Argument: lane, event, token (of this asker, new each time), probe_lease.
-- Replies: slot number at after gen probe wait lane | held reason until gives_way | later wait | rebuild
-- The last of a slot, and `later`, tell from when on another one can be had.
if limits.env == '' then return {'unregistered', now} end

if not known() then
  if redis.call('SET', REBUILD, args.token, 'NX', 'PX', 30000) then return {'rebuild', now} end
  return {'later', now, SECOND / 5}
end
sweep_day()
local reason, ends = verdict(now)
local way = reason and gives_way_until()
if way or (reason and reason ~= 'probe') then
  if reason == 'probe' then reason = standing(now)[1][1] end
  save()
  return {'held', now, reason, way or ends, way and 1 or 0}
end

local _, window, spacing, margin = law()
-- Nobody reserves far ahead: what a killed process had reserved is lost. Bulk stays about one slot ahead, so that a
-- live event never finds more than that before it.
local horizon = math.max(spacing, SECOND / 20)
if args.lane == 'live' then horizon = math.max(2 * spacing, micros('reserve_ahead_seconds')) end

-- Bulk calls fill fewer places of a window, whoever's calls are in the others; but live calls never keep bulk from one
-- call in so many windows.
local PATIENCE = 5
local lane, earliest, lane_spacing = args.lane, get('next'), spacing
local _, _, bulk_spacing = law('bulk')
if lane == 'bulk' then
  local waited = get('bulk_at') + PATIENCE * window
  if waited < get('bulk_from') then lane = 'live' end
  earliest, lane_spacing = math.max(earliest, math.min(waited, get('bulk_from'))), bulk_spacing
end

-- Who has to come back is told a moment of its own, one spacing after the last one told, so that no crowd asks for
-- the same slot; or, where many wait already, some moment soon: those told before it may be dead by then.
local function later(at)
  local line, longest = args.lane .. '_next', math.max(3 * SECOND / 2, 2 * lane_spacing)
  local turn = math.max(get(line) + lane_spacing, at - horizon)
  if turn > now + longest then return {'later', now, longest / 2 + now % (longest / 2)} end
  set(line, turn)
  save()
  return {'later', now, turn - now}
end

local probe, at = reason == 'probe', nil
if probe then
  -- A probe does not queue behind slots whose owners are held; the window is kept when it is confirmed.
  at = now
else
  at = returned_slot()
  if not at or (args.lane == 'bulk' and at < earliest) then at = math.max(earliest, now) end
  if at > now + horizon + SECOND / 1000 then return later(at) end
  redis.call('ZREM', RETURNED, string.format('%.0f', at))
end
local number = get('seq') + 1
set('seq', number)
set('next', math.max(get('next'), at + spacing))
-- More live calls than bulk may make are not held against it for longer than they share a window with its own.
set('bulk_from', math.min(math.max(get('bulk_from'), at) + bulk_spacing, at + window + margin))
if args.lane == 'bulk' then set('bulk_at', at) end
if probe then
  set('probe_slot', slot_name(number, args.token))
  set('probe_until', now + args.probe_lease)
end
save()
local next_at = args.lane == 'bulk' and math.max(get('next'), get('bulk_from')) or get('next')
local wait = math.max(0, math.max(next_at, now) - horizon - now)
return {'slot', now, number, at, at + spacing, state.gen, probe and 1 or 0, wait, lane}
