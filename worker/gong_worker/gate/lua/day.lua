-- The rolling day: calls in five-minute buckets.

local BUCKET = 300 * SECOND
-- A bucket counts until its last call is 24 h old, and a minute more: a call arrives after it was counted.
local BUCKET_LIFE = BUCKET + (86400 + 60) * SECOND

local function day_cap() return setting('calls_per_day') - setting('day_reserve') end

local function live_buckets()
  local buckets, total = {}, 0
  for field, count in pairs(hash(DAY)) do
    local number = tonumber(field)
    if number then
      if number * BUCKET + BUCKET_LIFE > now then
        buckets[#buckets + 1] = {number, tonumber(count)}
        total = total + tonumber(count)
      end
    end
  end
  return buckets, total
end

-- Calls of the last 24 h; the sum is kept, and made again when the first bucket may have run out.
local function day_total()
  local bucket = math.floor((now - 60 * SECOND) / BUCKET)
  if get('day_swept') == bucket then return get('day_total') end
  local _, total = live_buckets()
  return total
end

local function sweep_day()
  local bucket = math.floor((now - 60 * SECOND) / BUCKET)
  if get('day_swept') == bucket then return end
  local total = 0
  for field, count in pairs(hash(DAY)) do
    local number = tonumber(field)
    if number and number * BUCKET + BUCKET_LIFE <= now then
      redis.call('HDEL', DAY, field)
    elseif number then
      total = total + tonumber(count)
    end
  end
  set('day_total', total)
  set('day_swept', bucket)
end

local function count_call(at, by)
  local bucket = string.format('%.0f', math.floor(at / BUCKET))
  if by < 0 and tonumber(redis.call('HGET', DAY, bucket) or 0) <= 0 then return end
  redis.call('HINCRBY', DAY, bucket, by)
  set('day_total', get('day_total') + by)
end

-- When enough buckets have run out for one more call.
local function day_frees_at()
  local buckets, total = live_buckets()
  table.sort(buckets, function(a, b) return a[1] < b[1] end)
  for _, bucket in ipairs(buckets) do
    total = total - bucket[2]
    if total < day_cap() then return bucket[1] * BUCKET + BUCKET_LIFE end
  end
  return 0
end
