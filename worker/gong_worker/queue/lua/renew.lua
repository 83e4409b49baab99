#!lua flags=allow-oom
-- Renew the visibility timeout of the messages in hand. A tag that is no longer there is not brought back.
-- KEYS 1 unacked_index; ARGV the tags
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
for _, tag in ipairs(ARGV) do
  redis.call('ZADD', KEYS[1], 'XX', now, tag)
end
