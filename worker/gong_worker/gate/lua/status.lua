-- Everything there is to see; writes nothing. Reply: pairs of name and text after {verb, now}, then the holds
-- as `hold` = "reason until since mine".
local reply = {'status', now}
local function tell(name, value)
  reply[#reply + 1] = name
  if type(value) == 'number' then value = string.format('%.17g', value) end
  reply[#reply + 1] = tostring(value)
end
local LIMIT_NAMES = {'calls_per_second', 'calls_per_day', 'day_reserve', 'reserve_per_second', 'bulk_reserve_per_second'}
for _, name in ipairs(LIMIT_NAMES) do
  tell(name, limits[name] or '')
  tell('set.' .. name, limits['set.' .. name] or '')
end
tell('env_by', limits.env_by or '')
for _, name in ipairs({'operator_note', 'operator_by', 'probe_event', 'probe_answer', 'probe_answered'}) do tell(name, state[name] or '') end
local _, _, spacing, margin = law()
tell('known', known() and 1 or 0)
local _, window = limit()
tell('window', window)
-- What each lane may use now, at most, and at every step to that if no call is refused meanwhile.
for _, lane in ipairs({'live', 'bulk'}) do
  local level, top = stage(now, lane), most(lane)
  tell(lane, string.format('%.0f %.0f', level, top))
  local grows = math.max(get('rate_at'), get('not_before')) + get('dwell')
  local at = now < grows and grows or now + STEP - (now - grows) % STEP
  while level < top do
    level = stage(at, lane)
    tell('step', string.format('%s %.0f %.0f', lane, at, level))
    at = at + STEP
  end
end
tell('refused_at', get('decreased_at'))
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
local ungranted_at, why = string.match(state[UNGRANTED] or '', '^(%d+) (.*)$')
tell('ungranted', why or '')
local since = {operator = get('operator_at'), rejections = get('rejections_at')}
for _, hold in ipairs(standing(now)) do
  if hold[1] ~= 'unauthorized' and hold[1] ~= 'misconfigured' then
    tell('hold', string.format('%s %.0f %.0f 1', hold[1], hold[2], since[hold[1]] or 0))
  end
end
if ungranted_at then tell('hold', 'unauthorized 0 ' .. ungranted_at .. ' 1') end
for field in pairs(hash(HOLDS)) do
  local probe_at, _, began = soft_hold(field)
  local mine = field == UNAUTHORIZED or field == MISCONFIGURED
  if not (ungranted_at and field == UNAUTHORIZED) then
    tell('hold', string.format('%s %.0f %.0f %d', string.match(field, '^[a-z]+'), probe_at, began, mine and 1 or 0))
  end
end
return reply
