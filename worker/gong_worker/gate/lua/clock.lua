-- Redis's clock may be set back, or a failover may end on a host that is behind. Whatever is kept moves with it:
-- what had so long to run still has, counted from the last moment a script ran. When the latest calls arrived can no
-- longer be told, so the next one waits for a window, and every slot given before is void.

-- Steps smaller than this are waited out.
local TOLERATED = SECOND / 10
local MOVED = {'not_before', 'rate_at', 'decreased_at', 'open_until', 'probe_until', 'probe_answered', 'jitter_at',
               'operator_at', 'rejections_at'}

local function step_back(by)
  for _, field in ipairs(MOVED) do
    if state[field] then set(field, get(field) - by) end
  end
  if get('operator_until') > 0 then set('operator_until', get('operator_until') - by) end
  set('clock', now)
  moved_by = by
  if READ_ONLY then return end
  for field in pairs(hash(HOLDS)) do
    local probe_at, interval, since = soft_hold(field)
    redis.call('HSET', HOLDS, field, string.format('%.0f %.0f %.0f', probe_at, interval, since))
  end
  moved_by = 0
  -- No event was refused, and none worked, in the future.
  for _, key in ipairs({REFUSED, AT_FAULT}) do
    for _, event in ipairs(redis.call('ZRANGEBYSCORE', key, '(' .. string.format('%.0f', now), '+inf')) do
      redis.call('ZADD', key, now, event)
    end
  end
  for pair, at in pairs(hash(WORKED)) do
    if tonumber(at) > now then redis.call('HSET', WORKED, pair, now) end
  end
  local bucket = math.floor(now / BUCKET)
  for field, count in pairs(hash(DAY)) do
    local number = tonumber(field)
    if number and number > bucket then
      redis.call('HDEL', DAY, field)
      redis.call('HINCRBY', DAY, string.format('%.0f', bucket), count)
    end
  end
  clear('day_swept')
  clear('day_compared')
  set('moved_at', now)
  redis.call('DEL', SENT, RETURNED)
  local _, window = law()
  set('next', now + window + unknown() + SECOND / 5)
  for _, field in ipairs({'live_next', 'bulk_next', 'bulk_from', 'bulk_at'}) do clear(field) end
  set('void_seq', get('seq'))
  save()
end

if get('clock') - now > TOLERATED then step_back(get('clock') - now) end
