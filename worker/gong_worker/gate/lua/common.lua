-- The gate's scripts. This file is put before each of the others; the rest of it is what they share.
--
-- KEYS, the same eight for every script, all with the hash tag {gong-views.gate}:
--   1 state     hash    gen, epoch, seq, next, bulk_next, bump_seq        the line of slots
--                       not_before, backoff, rate, rate_at, decreased_at  Retry-After and the adaptive rate
--                       open_until, opens, probe_seq, probe_until         breaker and the one leased probe
--                       day_total, day_swept                              the rolling day
--                       reply_lo, reply_over, jitter_at, jitter_n, margin  measured jitter
--                       operator_note, operator_by, operator_at, operator_until, rejections_at
--   2 limits    hash    one field per setting, plus env: what the environment of the last starter said
--   3 day       hash    five-minute bucket number -> calls, plus gen
--   4 sent      zset    slot number -> when its call will have arrived at the latest; the last few seconds
--   5 failing   set     digests of the events that failed in a row
--   6 rejected  set     digests of the events that Gong refused in a row
--   7 holds     hash    "unauthorized:<credential>" or "misconfigured:<target>" -> "probe_at interval since"
--   8 rebuild   string  who is counting the day from the ledger right now (expires)
--
-- ARGV of every script: 1 the time (tests only; empty in production: Redis's TIME), 2 fingerprint of the
-- credential, 3 fingerprint of the target, 4... the script's own. Times are integer microseconds.
-- A reply is {verb, now, ...}.

local STATE, LIMITS, DAY, SENT, FAILING, REJECTED, HOLDS, REBUILD = unpack(KEYS)
local SECOND = 1000000
local BUCKET = 300 * SECOND
-- A bucket counts until its last call is 24 h old, and a minute more: a call arrives after it was counted.
local BUCKET_LIFE = BUCKET + (86400 + 60) * SECOND
local MIN_RETRY, MAX_RETRY = SECOND, 86700 * SECOND

local now
if ARGV[1] ~= '' then
  now = tonumber(ARGV[1])
else
  local time = redis.call('TIME')
  now = tonumber(time[1]) * SECOND + tonumber(time[2])
end
local credential, target = ARGV[2], ARGV[3]

local function hash(key)
  local flat, fields = redis.call('HGETALL', key), {}
  for i = 1, #flat, 2 do fields[flat[i]] = flat[i + 1] end
  return fields
end

local state, limits = hash(STATE), hash(LIMITS)
if not limits.env then return {'unregistered', now} end

local changed, cleared = {}, {}
local function get(field) return tonumber(state[field] or 0) end
local function set(field, value)
  if type(value) == 'number' then value = string.format('%.17g', value) end
  state[field], changed[field], cleared[field] = value, value, nil
end
local function clear(field)
  if state[field] then state[field], changed[field], cleared[field] = nil, nil, true end
end
local function save()
  local put, del = {}, {}
  for field, value in pairs(changed) do put[#put + 1] = field; put[#put + 1] = value end
  for field in pairs(cleared) do del[#del + 1] = field end
  if #put > 0 then redis.call('HSET', STATE, unpack(put)) end
  if #del > 0 then redis.call('HDEL', STATE, unpack(del)) end
end
local function setting(name) return tonumber(limits[name]) end
local function micros(name) return math.floor(setting(name) * SECOND + 0.5) end

-- A wipe, or an eviction of either half, leaves no day that could be trusted.
local function known()
  return state.gen and state.gen == redis.call('HGET', DAY, 'gen')
end

-- Rate -------------------------------------------------------------------------------------------

-- What others leave us: halved by a 429, growing again since then (but not while held), up to the limit.
local function current_rate()
  local limit = setting('calls_per_second')
  if not state.rate then return limit end
  local waited = math.max(0, now - math.max(get('rate_at'), get('not_before')))
  return math.min(limit, get('rate') + setting('adaptive_increase') * limit / 3 * waited / SECOND)
end

-- The longest a call is taken to be on its way to Gong beyond the quickest way.
local function widest() return micros('margin_max_seconds') end
-- So many answers are needed to know the quickest way.
local ENOUGH = 8
-- What a call counts with until it is answered; at first with what is added for what nobody measures.
local function unknown()
  return widest() + (get('jitter_n') < ENOUGH and micros('margin_min_seconds') or 0)
end

-- The law: no N + 1 arrivals within `window`. A call is planned one window after the latest moment at which the
-- call N before it can have arrived (see confirm); slots are spaced so that this is on average just when they come.
local function law()
  local rate = setting('calls_per_second')
  local count, window = 1, math.ceil(SECOND / rate)
  if rate >= 1 then count, window = math.floor(rate), SECOND end
  local margin = get('jitter_n') >= ENOUGH and get('margin') or unknown()
  return count, window, math.ceil(math.max((window + margin) / count, SECOND / current_rate())), margin
end

-- Day --------------------------------------------------------------------------------------------

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

-- Holds ------------------------------------------------------------------------------------------

local function soft_hold(field)
  local text = redis.call('HGET', HOLDS, field)
  if not text then return nil end
  local probe_at, interval, since = string.match(text, '^(%d+) (%d+) (%d+)$')
  return tonumber(probe_at), tonumber(interval), tonumber(since)
end

local function put_soft_hold(field)
  local _, interval, since = soft_hold(field)
  interval = interval and math.min(2 * interval, micros('hold_probe_ceiling_seconds')) or micros('hold_probe_seconds')
  redis.call('HSET', HOLDS, field, string.format('%.0f %.0f %.0f', now + interval, interval, since or now))
  set('epoch', get('epoch') + 1)
end

-- Every hold that keeps a call planned for `at` from being made: {reason, until (0: open end), needs a probe}.
-- The first one is what people are told: the operator's, then rejections, then the one that lasts longest.
local function standing(at)
  local found, first = {}, {}
  local function add(list, reason, ends, soft) list[#list + 1] = {reason, ends, soft} end
  if state.operator_at and (get('operator_until') == 0 or get('operator_until') > now) then
    add(first, 'operator', get('operator_until'), false)
  end
  if state.rejections_at then add(first, 'rejections', 0, false) end
  local refused = soft_hold('unauthorized:' .. credential)
  if refused then add(found, 'unauthorized', refused, true) end
  local astray = soft_hold('misconfigured:' .. target)
  if astray then add(found, 'misconfigured', astray, true) end
  if state.open_until then add(found, 'breaker', get('open_until'), true) end
  if get('not_before') > at then add(found, 'retry_after', get('not_before'), false) end
  if known() and day_total() >= day_cap() then add(found, 'daily_quota', day_frees_at(), false) end
  table.sort(found, function(a, b) return a[2] > b[2] end)
  for _, hold in ipairs(found) do first[#first + 1] = hold end
  return first
end

-- nil: free to call. 'probe': one call may try. Otherwise the reason, and until when.
local function verdict(at)
  local holds = standing(at)
  if #holds == 0 then return nil end
  local hard, due = false, true
  for _, hold in ipairs(holds) do
    if not hold[3] then hard = true elseif hold[2] > now then due = false end
  end
  if hard or not due then return holds[1][1], holds[1][2] end
  if get('probe_until') > now then return holds[1][1], get('probe_until') end
  return 'probe'
end

-- A slot that nobody has reserved behind goes back; one in the middle lapses.
local function give_back(at, after)
  if get('next') == after then set('next', at) end
end
