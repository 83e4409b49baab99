#!lua flags=allow-oom
-- Requeue at the head of their lanes the messages whose visibility timeout ran out without a renewal.
-- KEYS 1 unacked, 2 unacked_index; ARGV 1 visibility timeout in seconds, 2 how many at most
-- returns how many were put back
if redis.call('EXISTS', KEYS[2]) == 0 then
  return 0
end
local time = redis.call('TIME')
local limit = tonumber(time[1]) + tonumber(time[2]) / 1000000 - tonumber(ARGV[1])
local tags = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', limit, 'LIMIT', 0, tonumber(ARGV[2]))
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
