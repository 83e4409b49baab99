#!lua flags=allow-oom
-- Put messages of a part that is held no longer back into their lanes, the oldest first, behind what waits there.
-- KEYS 1 part_holds (hash), 2 held (hash), 3 the part's list; ARGV 1 the part's name, 2 how many at most
-- returns how many
local hold = redis.call('HGET', KEYS[1], ARGV[1])
if hold then
  local ends = cjson.decode(hold)['until']
  if not ends or ends == cjson.null or ends > tonumber(redis.call('TIME')[1]) then return 0 end
  redis.call('HDEL', KEYS[1], ARGV[1])
end
local moved = 0
while moved < tonumber(ARGV[2]) do
  local entry = redis.call('RPOP', KEYS[3])
  if not entry then break end
  local cut = string.find(entry, '\n', 1, true)
  redis.call('LPUSH', string.sub(entry, 1, cut - 1), string.sub(entry, cut + 1))
  moved = moved + 1
end
if redis.call('HINCRBY', KEYS[2], ARGV[1], -moved) <= 0 then redis.call('HDEL', KEYS[2], ARGV[1]) end
return moved
