#!lua flags=allow-oom
-- End a delivery: acknowledge it, retry it later, requeue it, count its failure, or quarantine it as unreadable.
-- Only a tag that is still unacknowledged does anything, so every call may be repeated.
-- KEYS 1 unacked, 2 unacked_index, 3 delayed, 4 delayed.messages, 5 unreadable (list), 6 failures (hash)
-- ARGV 1 tag, 2 verb (ack, retry_later, requeue, fail, quarantine), 3 delay in seconds (retry_later; fail: the first),
--      4 message id, or '', 5 longest delay in seconds, 6 failures after which it is quarantined (both for fail)
-- returns 1 when this call ended the delivery, else 0
local entry = redis.call('HGET', KEYS[1], ARGV[1])
redis.call('ZREM', KEYS[2], ARGV[1])
if not entry then
  return 0
end
redis.call('HDEL', KEYS[1], ARGV[1])
local verb, delay, id = ARGV[2], tonumber(ARGV[3]), ARGV[4]
if verb == 'fail' then
  local failures = redis.call('HINCRBY', KEYS[6], id, 1)
  delay = math.min(tonumber(ARGV[5]), delay * 2 ^ (failures - 1))
  verb = failures >= tonumber(ARGV[6]) and 'quarantine' or 'retry_later'
end
local time = redis.call('TIME')
if verb == 'ack' then
  redis.call('HDEL', KEYS[6], id)
elseif verb == 'retry_later' then
  redis.call('HSET', KEYS[4], ARGV[1], entry)
  redis.call('ZADD', KEYS[3], tonumber(time[1]) + tonumber(time[2]) / 1000000 + delay, ARGV[1])
elseif verb == 'requeue' then
  local cut = string.find(entry, '\n', 1, true)
  redis.call('RPUSH', string.sub(entry, 1, cut - 1), string.sub(entry, cut + 1))
elseif verb == 'quarantine' then
  -- With the time, under which it is counted if nobody has counted it.
  redis.call('LPUSH', KEYS[5], ARGV[1] .. '@' .. time[1] .. '\n' .. entry)
  redis.call('HDEL', KEYS[6], id)
else
  return redis.error_reply('gong-views: unknown verb ' .. verb)
end
return 1
