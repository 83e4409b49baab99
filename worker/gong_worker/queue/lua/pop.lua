#!lua flags=allow-oom
-- Take one message and record it as unacknowledged in the same step, so that no moment exists in which a
-- killed worker could take it along. What is due on the delayed set goes back to its lane first.
-- KEYS 1 live queue, 2 bulk queue, 3 unacked (hash), 4 unacked_index (zset), 5 delayed (zset), 6 delayed.messages (hash)
-- ARGV 1 delivery tag, 2 "1" when live may be taken, 3 "1" when bulk may be taken
-- returns {queue, raw message} or nil
if redis.call('EXISTS', KEYS[1], KEYS[2], KEYS[5]) == 0 then
  return nil -- what an idle worker asks every second costs one look
end
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
for _, tag in ipairs(redis.call('ZRANGEBYSCORE', KEYS[5], '-inf', now, 'LIMIT', 0, 50)) do
  local entry = redis.call('HGET', KEYS[6], tag)
  if entry then
    local cut = string.find(entry, '\n', 1, true)
    redis.call('RPUSH', string.sub(entry, 1, cut - 1), string.sub(entry, cut + 1))
    redis.call('HDEL', KEYS[6], tag)
  end
  redis.call('ZREM', KEYS[5], tag)
end
local queue = KEYS[1]
local raw = false
if ARGV[2] == '1' then
  raw = redis.call('RPOP', queue)
end
if not raw and ARGV[3] == '1' then
  queue = KEYS[2]
  raw = redis.call('RPOP', queue)
end
if not raw then
  return nil
end
redis.call('HSET', KEYS[3], ARGV[1], queue .. '\n' .. raw)
redis.call('ZADD', KEYS[4], now, ARGV[1])
return {queue, raw}
