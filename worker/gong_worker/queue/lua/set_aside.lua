#!lua flags=allow-oom
-- Set the message of a held part aside. Only a tag that is still unacknowledged does anything.
-- KEYS 1 unacked, 2 unacked_index, 3 held (hash), 4 the part's list; ARGV 1 tag, 2 the part's name
local entry = redis.call('HGET', KEYS[1], ARGV[1])
redis.call('ZREM', KEYS[2], ARGV[1])
if entry then
  redis.call('HDEL', KEYS[1], ARGV[1])
  redis.call('LPUSH', KEYS[4], entry)
  redis.call('HINCRBY', KEYS[3], ARGV[2], 1)
end
