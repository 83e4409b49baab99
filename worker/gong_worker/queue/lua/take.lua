#!lua flags=allow-oom
-- Take one message from the place where it was seen waiting, and record it as unacknowledged in the same step. One that
-- has moved on meanwhile is left to whoever has it.
-- KEYS 1 its list, or delayed.messages (hash), 2 unacked (hash), 3 unacked_index (zset), 4 delayed (zset), 5 held (hash)
-- ARGV 1 delivery tag, 2 the item as it was seen, 3 its entry "<queue>\n<raw message>", 4 its tag in the delayed set, or
--      '', 5 the name of the held part that it belongs to, or '', 6 -1 to look for it from the list's tail, 1 from its head
-- returns 1, or 0 when it is no longer there
if ARGV[4] ~= '' then
  if redis.call('HGET', KEYS[1], ARGV[4]) ~= ARGV[2] then return 0 end
  redis.call('HDEL', KEYS[1], ARGV[4])
  redis.call('ZREM', KEYS[4], ARGV[4])
elseif redis.call('LREM', KEYS[1], tonumber(ARGV[6]), ARGV[2]) == 0 then
  return 0
elseif ARGV[5] ~= '' and redis.call('HINCRBY', KEYS[5], ARGV[5], -1) <= 0 then
  redis.call('HDEL', KEYS[5], ARGV[5])
end
local time = redis.call('TIME')
redis.call('HSET', KEYS[2], ARGV[1], ARGV[3])
redis.call('ZADD', KEYS[3], tonumber(time[1]) + tonumber(time[2]) / 1000000, ARGV[1])
return 1
