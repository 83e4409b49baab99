-- Reserve the next slot. Argument: lane, event, token (of this asker, new each time), probe_lease.
-- Replies: slot number at after gen probe wait | held reason until gives_way | later wait | rebuild
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

local _, _, spacing = law()
-- Nobody reserves far ahead: what a killed process had reserved is lost. Bulk stays about one slot ahead, so that a
-- live event never finds more than that before it.
local horizon = math.max(spacing, SECOND / 20)
if args.lane == 'live' then horizon = math.max(2 * spacing, micros('reserve_ahead_seconds')) end

-- Who has to come back is told a moment of its own, one spacing after the last one told, so that no crowd asks for
-- the same slot; or, where many wait already, some moment soon: those told before it may be dead by then.
local function later(at)
  local line, longest = args.lane .. '_next', math.max(3 * SECOND / 2, 2 * spacing)
  local turn = math.max(get(line) + spacing, at - horizon)
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
  at = returned_slot() or math.max(get('next'), now)
  if at > now + horizon + SECOND / 1000 then return later(at) end
  redis.call('ZREM', RETURNED, string.format('%.0f', at))
end
local number = get('seq') + 1
set('seq', number)
set('next', math.max(get('next'), at + spacing))
if probe then
  set('probe_slot', slot_name(number, args.token))
  set('probe_until', now + args.probe_lease)
end
save()
local wait = math.max(0, math.max(get('next'), now) - horizon - now)
return {'slot', now, number, at, at + spacing, state.gen, probe and 1 or 0, wait}
