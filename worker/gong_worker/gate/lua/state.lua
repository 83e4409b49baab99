-- First part of every gate script: its keys, its argument, the state it works on.
--
-- KEYS, the same for every script, all with the hash tag {gong-views.gate}:
--   1 state     hash    gen, clock (when a script last ran), moved_at (when it was last set back)
--                       epoch, seq, void_seq, next, bump_seq              the line of slots
--                       live_next, bulk_next                              when the last asker told to come back comes
--                       bulk_from, bulk_at                                from when on bulk may call; its latest slot
--                       not_before, backoff                               Retry-After, our own wait
--                       share, rate_at, dwell, decreased_at               what others leave of the rate
--                       open_until, opens, probe_slot, probe_until        circuit breaker and the one leased probe
--                       day_total, day_swept, day_compared                the rolling day
--                       reply_lo, reply_over, jitter_at, jitter_n, margin  measured jitter
--                       operator_note, operator_by, operator_at, operator_until, rejections_at
--                       probe_event, probe_answer, probe_answered         the event that probes, or probed last
--                       refused_pair, refused_event, refused_many         refusals (401, 403, 404 …) since a success
--                       ungranted:<credential>       "since why": no call can be made, see credential.lua
--   2 limits    hash    one field per setting, plus env: what the environment of the last starter said
--   3 day       hash    five-minute bucket number -> calls, plus gen
--   4 sent      zset    slot name -> when its call will have arrived at the latest; the last few seconds
--   5 failing   set     digests of the events that failed in a row
--   6 rejected  set     "<system>:<digest>" of the events that Gong refused in a row
--   7 holds     hash    "unauthorized:<credential>" or "misconfigured:<target>" -> "probe_at interval since"
--   8 rebuild   string  who is counting the day from the ledger right now (expires)
--   9 worked    hash    "<credential> <target>" -> when the latest call that worked was confirmed
--  10 refused   zset    digest of credential, target and event -> when its latest refused call was confirmed
--  11 at_fault  zset    those of them that were refused while other events succeeded -> the same
--  12 returned  zset    slots given back before their time -> when they are
--  13 rejected_by set   the same of those refused since their reporting system had one accepted
--  14 part_holds hash  a part's name -> its hold as JSON
--
-- ARGV 1: one JSON object. Of every script: `credential` and `target` (fingerprints), `now` (tests only; else
-- Redis's TIME). The rest is told at the head of each script. Times are integer microseconds.
-- A reply is {verb, now, ...}.

local STATE, LIMITS, DAY, SENT, FAILING, REJECTED, HOLDS, REBUILD, WORKED, REFUSED, AT_FAULT, RETURNED,
      REJECTED_BY, PART_HOLDS = unpack(KEYS)
local SECOND = 1000000
local args = cjson.decode(ARGV[1])

local now = args.now
if not now then
  local time = redis.call('TIME')
  now = tonumber(time[1]) * SECOND + tonumber(time[2])
end

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
  set('clock', now)
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
