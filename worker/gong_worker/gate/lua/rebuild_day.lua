-- Start a generation with the day as the ledger knows it. ARGV: 4 the rebuild's token, 5 the new generation,
-- (empty: give up, the ledger is away), 6 whether there were calls moments ago, then pairs of minute (microseconds) and calls.
-- Replies: ok | later wait (someone else rebuilds, or this took too long)
local token, gen, recent = ARGV[4], ARGV[5], ARGV[6] == '1'
if redis.call('GET', REBUILD) ~= token or known() then return {'later', now, SECOND / 5} end
redis.call('DEL', REBUILD)
if gen == '' then return {'ok', now} end
redis.call('DEL', DAY, SENT)
local total = 0
for i = 7, #ARGV, 2 do
  -- A clock that runs ahead of Redis's must not make calls that are forgotten late only.
  local minute = math.min(tonumber(ARGV[i]), now)
  local number = math.floor(minute / BUCKET)
  if number * BUCKET + BUCKET_LIFE > now then
    redis.call('HINCRBY', DAY, string.format('%.0f', number), ARGV[i + 1])
    total = total + tonumber(ARGV[i + 1])
  end
end
redis.call('HSET', DAY, 'gen', gen)
set('gen', gen)
set('day_total', total)
set('day_swept', math.floor((now - 60 * SECOND) / BUCKET))
clear('probe_seq')
clear('probe_until')
-- When the last calls were written is forgotten: wait until none of them can share a window with the next.
local _, window = law()
if recent then set('next', math.max(get('next'), now + window + unknown() + SECOND / 5)) end
save()
return {'ok', now}
