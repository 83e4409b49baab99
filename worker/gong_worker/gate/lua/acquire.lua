-- Reserve the next slot. Argument: lane, event, token (for the rebuild, should one be due).
-- Replies: slot number at after gen probe bulk_wait | held reason until gives_way | later wait | rebuild
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
-- A probe does not queue behind slots whose owners are held; the window is kept when it is confirmed.
local at = reason == 'probe' and now or math.max(get('next'), now)
-- Bulk stays about one slot ahead, so that a live event never finds more than that before it. Who has to come
-- back is told a moment of its own, one spacing after the last one told: no crowd asks for the same slot.
local horizon = math.max(spacing, SECOND / 20)
if args.lane == 'bulk' and at > now + horizon + SECOND / 1000 then
  local turn = math.max(get('bulk_next') + spacing, at - horizon)
  set('bulk_next', turn)
  save()
  return {'later', now, turn - now}
end

local number = get('seq') + 1
set('seq', number)
set('next', math.max(get('next'), at + spacing))
if reason == 'probe' then
  set('probe_seq', number)
  set('probe_until', now + micros('probe_lease_seconds'))
end
save()
local bulk_wait = math.max(0, at + spacing - horizon - now)
return {'slot', now, number, at, at + spacing, state.gen, reason == 'probe' and 1 or 0, bulk_wait}
