#!lua flags=allow-oom
-- Count in a message that no producer of ours counted, and note when, in one step: whoever gets it later sees both.
-- KEYS 1 unacked (hash), 2 intake (hash); ARGV 1 tag, 2 its entry as read, 3 its entry with the note, 4 intake field
-- returns 1, or 0 when the entry is not what was read
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then
  return 0
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
redis.call('HINCRBY', KEYS[2], ARGV[4], 1)
return 1
