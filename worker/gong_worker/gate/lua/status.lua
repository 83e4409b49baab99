-- Everything there is to see; writes nothing. Reply: pairs of name and text after {verb, now}, then the holds
-- as `hold` = "reason until since mine".
local reply = {'status', now}
local function tell(name, value)
  reply[#reply + 1] = name
  if type(value) == 'number' then value = string.format('%.17g', value) end
  reply[#reply + 1] = tostring(value)
end
for _, name in ipairs({'calls_per_second', 'calls_per_day', 'day_reserve', 'adaptive_increase', 'env_by'}) do tell(name, limits[name] or '') end
for _, name in ipairs({'calls_per_second', 'calls_per_day', 'day_reserve'}) do tell('set.' .. name, limits['set.' .. name] or '') end
for _, name in ipairs({'operator_note', 'operator_by', 'probe_event', 'probe_answer', 'probe_answered'}) do tell(name, state[name] or '') end
local _, _, spacing, margin = law()
tell('known', known() and 1 or 0)
tell('current_rate', current_rate())
tell('margin', margin)
tell('spacing', spacing)
tell('last_24h', day_total())
for _, bucket in ipairs((live_buckets())) do tell('bucket', string.format('%.0f %.0f', bucket[1], bucket[2])) end
tell('next_slot', math.max(get('next'), now))
tell('failing', redis.call('SCARD', FAILING))
tell('rejected', redis.call('SCARD', REJECTED))
tell('probe_out', get('probe_until') > now and 1 or 0)
local reason, ends = verdict(now)
if reason == 'probe' then
  local hold = standing(now)[1]
  reason, ends = hold[1], hold[2]
end
tell('reason', reason or '')
tell('until', ends or 0)
local since = {operator = get('operator_at'), rejections = get('rejections_at')}
for _, hold in ipairs(standing(now)) do
  if hold[1] ~= 'unauthorized' and hold[1] ~= 'misconfigured' then
    tell('hold', string.format('%s %.0f %.0f 1', hold[1], hold[2], since[hold[1]] or 0))
  end
end
for field in pairs(hash(HOLDS)) do
  local probe_at, _, began = soft_hold(field)
  local mine = field == UNAUTHORIZED or field == MISCONFIGURED
  tell('hold', string.format('%s %.0f %.0f %d', string.match(field, '^[a-z]+'), probe_at, began, mine and 1 or 0))
end
return reply
