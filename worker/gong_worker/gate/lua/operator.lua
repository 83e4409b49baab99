-- What an operator may do. Argument: verb, then
--   hold: note, by, for_us (0: until released)
--   release: even_retry_after (end that too?)
--   limits: by, limits {setting: value}
-- Replies: ok, and for a release the reasons that stood
local function hold()
  set('operator_note', args.note)
  set('operator_by', args.by)
  set('operator_until', args.for_us > 0 and now + args.for_us or 0)
  set('operator_at', now)
  save()
  return {'ok', now}
end

local function release()
  local found = {}
  if state.operator_at then found[#found + 1] = 'operator' end
  if state.rejections_at then found[#found + 1] = 'rejections' end
  if state.open_until then found[#found + 1] = 'breaker' end
  for field in pairs(hash(HOLDS)) do found[#found + 1] = string.match(field, '^[a-z]+') end
  for _, field in ipairs({'operator_note', 'operator_by', 'operator_until', 'operator_at', 'rejections_at',
                          'open_until', 'opens', 'probe_slot', 'probe_until', 'probe_event', 'probe_answer',
                          'probe_answered', 'refused_pair', 'refused_event', 'refused_many'}) do clear(field) end
  redis.call('DEL', HOLDS, FAILING, REJECTED)
  if args.even_retry_after and get('not_before') > now then
    found[#found + 1] = 'retry_after'
    -- No slot was given beyond it but those that lapsed, so the line begins anew.
    for _, field in ipairs({'not_before', 'backoff', 'live_next', 'bulk_next'}) do clear(field) end
    set('next', now)
  end
  new_epoch()
  save()
  return {'ok', now, unpack(found)}
end

local function set_limits()
  local _, before = law()
  redis.call('HSET', LIMITS, 'set_by', args.by)
  for name, value in pairs(args.limits) do
    redis.call('HSET', LIMITS, name, value)
    limits[name] = value
  end
  -- Calls are remembered for one old window only; a longer one starts when it can be kept.
  local _, after = law()
  if after > before then set('next', math.max(get('next'), now + after + unknown())) end
  redis.call('DEL', RETURNED)
  save()
  return {'ok', now}
end

if args.verb == 'hold' then return hold() end
if args.verb == 'release' then return release() end
return set_limits()
