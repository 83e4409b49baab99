#!lua flags=allow-oom
-- Requeue at the head of their lanes the messages whose visibility timeout ran out without a renewal.
-- KEYS 1 unacked, 2 unacked_index, 3 delayed, 4 clock; ARGV 1 visibility timeout in seconds, 2 how many at most
-- returns how many were put back
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000

-- The clock was set back since a worker last looked, or a failover ended on a host that is behind: what waits, waits
-- as long as it had left, not longer by the step.
local back = tonumber(redis.call('GET', KEYS[4]) or 0) - now
redis.call('SET', KEYS[4], string.format('%.6f', now))
if back > 1 then
  for _, key in ipairs({KEYS[2], KEYS[3]}) do
    local waiting = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')
    for i = 1, #waiting, 2 do
      redis.call('ZADD', key, string.format('%.6f', tonumber(waiting[i + 1]) - back), waiting[i])
    end
  end
end

local tags = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now - tonumber(ARGV[1]), 'LIMIT', 0, tonumber(ARGV[2]))
for i = #tags, 1, -1 do
  local entry = redis.call('HGET', KEYS[1], tags[i])
  if entry then
    local cut = string.find(entry, '\n', 1, true)
    redis.call('RPUSH', string.sub(entry, 1, cut - 1), string.sub(entry, cut + 1))
    redis.call('HDEL', KEYS[1], tags[i])
  end
  redis.call('ZREM', KEYS[2], tags[i])
end
return #tags
