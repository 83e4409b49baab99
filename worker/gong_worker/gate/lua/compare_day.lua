-- The day against the ledger's: the larger holds. Argument: minutes, list of {microseconds, calls}; missing: is it
-- time for a comparison? (then it is this asker's). Replies: ok | due | unknown (to be rebuilt) | compared, by how much the day was raised
if not known() then return {'unknown', now} end
if not args.minutes then
  if now - get('day_compared') < 55 * SECOND then return {'ok', now} end
  set('day_compared', now)
  save()
  return {'due', now}
end

sweep_day()
local ledger, lacking = {}, -get('day_total')
for _, minute in ipairs(args.minutes) do
  local number = math.floor(math.min(minute[1], now) / BUCKET)
  -- Calls of the future were made before the clock was set right: a day after that they are a day old.
  local ahead = minute[1] > now + 60 * SECOND and state.moved_at and now - get('moved_at') > BUCKET_LIFE
  if not ahead and number * BUCKET + BUCKET_LIFE > now then
    ledger[number] = (ledger[number] or 0) + minute[2]
    lacking = lacking + minute[2]
  end
end
local raised = math.max(0, lacking)
-- Put what is lacking where the ledger has more, the newest first: these are what a stale replica does not have.
local day, numbers = hash(DAY), {}
for number in pairs(ledger) do numbers[#numbers + 1] = number end
table.sort(numbers, function(a, b) return a > b end)
for _, number in ipairs(numbers) do
  local field = string.format('%.0f', number)
  local more = math.min(lacking, ledger[number] - tonumber(day[field] or 0))
  if more > 0 then
    count_call(number * BUCKET, more)
    lacking = lacking - more
  end
end
set('day_compared', now)
save()
return {'compared', now, raised}
