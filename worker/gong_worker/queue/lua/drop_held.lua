#!lua flags=allow-oom
-- Hand what is set aside of a part to the workers, which write it as dead letters.
-- KEYS 1 held (hash), 2 the part's list, 3 dropping (list); ARGV 1 the part's name
-- returns how many
local count = redis.call('LLEN', KEYS[2])
if count > 0 then
  if redis.call('EXISTS', KEYS[3]) == 0 then
    redis.call('RENAME', KEYS[2], KEYS[3])
  else
    while redis.call('LMOVE', KEYS[2], KEYS[3], 'RIGHT', 'LEFT') do end
  end
end
redis.call('HDEL', KEYS[1], ARGV[1])
return count
