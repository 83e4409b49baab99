-- Start a generation with the day as the ledger knows it. Argument: token (of the rebuild), gen (the new one; missing:
-- give up, the ledger is away), recent (were there calls moments ago?), minutes: list of {microseconds, calls}.
-- Replies: ok | later wait (someone else rebuilds, or this took too long)
if redis.call('GET', REBUILD) ~= args.token or known() then return {'later', now, SECOND / 5} end
redis.call('DEL', REBUILD)
if not args.gen then return {'ok', now} end
redis.call('DEL', DAY, SENT, RETURNED)
local total = 0
for _, minute in ipairs(args.minutes) do
  -- A clock that runs ahead of Redis's must not make calls that are forgotten late only.
  local number = math.floor(math.min(minute[1], now) / BUCKET)
  if number * BUCKET + BUCKET_LIFE > now then
    if minute[1] > now + 60 * SECOND then set('moved_at', now) end
    redis.call('HINCRBY', DAY, string.format('%.0f', number), minute[2])
    total = total + minute[2]
  end
end
redis.call('HSET', DAY, 'gen', args.gen)
set('gen', args.gen)
set('day_total', total)
set('day_swept', math.floor((now - 60 * SECOND) / BUCKET))
clear('probe_slot')
clear('probe_until')
-- When the last calls were written is forgotten: wait until none of them can share a window with the next.
local _, window = law()
if args.recent then set('next', math.max(get('next'), now + window + unknown() + SECOND / 5)) end
save()
return {'ok', now}
