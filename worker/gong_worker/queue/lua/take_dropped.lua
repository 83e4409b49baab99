#!lua flags=allow-oom
-- Take one dropped message and record it as unacknowledged in the same step.
-- KEYS 1 dropping (list), 2 unacked (hash), 3 unacked_index (zset); ARGV 1 delivery tag
-- returns {queue, raw message} or nil
local entry = redis.call('RPOP', KEYS[1])
if not entry then return nil end
local time = redis.call('TIME')
redis.call('HSET', KEYS[2], ARGV[1], entry)
redis.call('ZADD', KEYS[3], tonumber(time[1]) + tonumber(time[2]) / 1000000, ARGV[1])
local cut = string.find(entry, '\n', 1, true)
return {string.sub(entry, 1, cut - 1), string.sub(entry, cut + 1)}
