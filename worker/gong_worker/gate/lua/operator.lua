-- What an operator may do. ARGV: 4 the verb, then
--   hold: 5 note, 6 by, 7 for how long (0: until released)
--   release: nothing more
--   limits: 5 by, then pairs of setting and value
-- Replies: ok, and for a release the reasons that stood
local verb = ARGV[4]
if verb == 'hold' then
  set('operator_note', ARGV[5])
  set('operator_by', ARGV[6])
  set('operator_until', tonumber(ARGV[7]) > 0 and now + tonumber(ARGV[7]) or 0)
  set('operator_at', now)
  save()
  return {'ok', now}
end

if verb == 'release' then
  local found = {}
  if state.operator_at then found[#found + 1] = 'operator' end
  if state.rejections_at then found[#found + 1] = 'rejections' end
  if state.open_until then found[#found + 1] = 'breaker' end
  for field in pairs(hash(HOLDS)) do found[#found + 1] = string.match(field, '^[a-z]+') end
  for _, field in ipairs({'operator_note', 'operator_by', 'operator_until', 'operator_at', 'rejections_at',
                          'open_until', 'opens', 'probe_seq', 'probe_until'}) do clear(field) end
  redis.call('DEL', HOLDS, FAILING, REJECTED)
  set('epoch', get('epoch') + 1)
  save()
  return {'ok', now, unpack(found)}
end

local _, before = law()
redis.call('HSET', LIMITS, 'set_by', ARGV[5])
for i = 6, #ARGV, 2 do
  redis.call('HSET', LIMITS, ARGV[i], ARGV[i + 1])
  limits[ARGV[i]] = ARGV[i + 1]
end
-- Calls are remembered for one old window only; a longer one starts when it can be kept.
local _, after = law()
if after > before then set('next', math.max(get('next'), now + after + unknown())) end
save()
return {'ok', now}
