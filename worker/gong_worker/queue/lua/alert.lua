#!lua flags=allow-oom
-- Decides who tells of an alert, for all processes at once.
-- KEYS: the alerts' hash. ARGV: field, what is the case ('stands' or 'ended'; or what came of
-- telling: 'begun', 'over', or, when nobody was reached, 'not_begun', 'not_over'),
-- seconds it must have stood, seconds until telling counts as given up (or until it is tried again), text.
-- An entry: since, text; `telling` the time until which one process is telling; `told` once the begin was told;
-- `unsure` how many took up to tell the begin and have not said what came of it: killed, they may have told it;
-- `ending` likewise while one tells the end.
-- Returns 'begin' or 'end' and since: the caller tells this; '' when there is nothing to tell.
local field, what = ARGV[1], ARGV[2]
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1e6
local raw = redis.call('HGET', KEYS[1], field)
local entry = raw and cjson.decode(raw)
if entry then entry.unsure = entry.unsure or 0 end -- of a version before

local function keep()
  redis.call('HSET', KEYS[1], field, cjson.encode(entry))
end

if what == 'begun' or what == 'over' or what == 'not_begun' or what == 'not_over' then
  if not entry then return {'', '0'} end
  if what == 'over' then
    if entry.ending then redis.call('HDEL', KEYS[1], field) end
    return {'', '0'}
  elseif what == 'begun' then
    if not entry.told and not entry.ending then entry.telling = 0 end
    entry.told = true
  else
    entry.telling = now + tonumber(ARGV[4])
    if what == 'not_over' then
      entry.ending = nil
    elseif not entry.told then
      entry.unsure = math.max(0, entry.unsure - 1)
    end
  end
  keep()
  return {'', '0'}
end

if what == 'stands' then
  -- Whoever was telling the end is gone, and may have told it: what stands is told anew.
  if entry and entry.ending and entry.telling < now then entry = nil end
  entry = entry or {since = now, telling = 0, told = false, unsure = 0}
  entry.text = ARGV[5]
  local due = not entry.told and entry.telling < now and now - entry.since >= tonumber(ARGV[3])
  if due then
    entry.telling = now + tonumber(ARGV[4])
    entry.unsure = entry.unsure + 1
  end
  keep()
  return {due and 'begin' or '', string.format('%.3f', entry.since)}
end

if not entry or entry.telling >= now then return {'', '0'} end
if not entry.told and entry.unsure == 0 then
  redis.call('HDEL', KEYS[1], field)
  return {'', '0'}
end
entry.telling, entry.ending = now + tonumber(ARGV[4]), true
keep()
return {'end', string.format('%.3f', entry.since)}
