#!lua flags=allow-oom
-- Decides who tells of an alert, for all processes at once.
-- KEYS: the alerts' hash. ARGV: field, what is the case ('stands' or 'ended'; or what came of
-- telling: 'begun', 'over', 'failed'),
-- seconds it must have stood, seconds until telling counts as given up (or until it is tried again), text.
-- An entry: since, text; `telling` the time until which one process is telling; `told` once the begin was told.
-- Returns 'begin' or 'end' and since: the caller tells this; '' when there is nothing to tell.
local field, what = ARGV[1], ARGV[2]
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1e6
local raw = redis.call('HGET', KEYS[1], field)
local entry = raw and cjson.decode(raw)

local function keep()
  redis.call('HSET', KEYS[1], field, cjson.encode(entry))
end

if what == 'begun' or what == 'over' or what == 'failed' then
  if entry and what == 'failed' then
    entry.telling = now + tonumber(ARGV[4])
    keep()
  elseif entry and what == 'begun' then
    if not entry.told then entry.told, entry.telling = true, 0 end
    keep()
  elseif entry and entry.told then
    redis.call('HDEL', KEYS[1], field)
  end
  return {'', '0'}
end

if what == 'stands' then
  entry = entry or {since = now, telling = 0, told = false}
  entry.text = ARGV[5]
  local due = not entry.told and entry.telling < now and now - entry.since >= tonumber(ARGV[3])
  if due then entry.telling = now + tonumber(ARGV[4]) end
  keep()
  return {due and 'begin' or '', string.format('%.3f', entry.since)}
end

if not entry or entry.telling >= now then return {'', '0'} end
if not entry.told then
  redis.call('HDEL', KEYS[1], field)
  return {'', '0'}
end
entry.telling = now + tonumber(ARGV[4])
keep()
return {'end', string.format('%.3f', entry.since)}
