-- What an operator may do. Argument: verb, then
--   hold: note, by, for_us (0: until released)
--   release: even_retry_after (end that too?)
--   limits: by, limits {setting: value}, restore (what was set before Redis was wiped: what was set since is newer)
--   unset: names (of limits; none: all)
-- Replies: ok, and for a release the reasons that stood, for an unset the limits that were set
--          | refused calls_per_day day_reserve: with these the limits would leave nothing of the day
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
  local rejections = state.rejections_at ~= nil
  if rejections then found[#found + 1] = 'rejections' end
  if state.open_until then found[#found + 1] = 'breaker' end
  for field in pairs(hash(HOLDS)) do found[#found + 1] = string.match(field, '^[a-z]+') end
  for field in pairs(state) do
    if string.sub(field, 1, 10) == 'ungranted:' then
      found[#found + 1] = 'unauthorized'
      clear(field)
    end
  end
  for _, field in ipairs({'operator_note', 'operator_by', 'operator_until', 'operator_at', 'rejections_at',
                          'open_until', 'opens', 'probe_slot', 'probe_until', 'probe_event', 'probe_answer',
                          'probe_answered', 'refused_pair', 'refused_event', 'refused_many'}) do clear(field) end
  redis.call('DEL', HOLDS, FAILING, REJECTED, REJECTED_BY)
  for part, hold in pairs(hash(PART_HOLDS)) do
    if cjson.decode(hold).reason == 'rejections' then
      redis.call('HDEL', PART_HOLDS, part)
      if not rejections then rejections = true; found[#found + 1] = 'rejections' end
    end
  end
  if args.even_retry_after and get('not_before') > now then
    found[#found + 1] = 'retry_after'
    -- No slot was given beyond it but those that lapsed, so the line begins anew; what it said of the rate, too.
    for _, field in ipairs({'not_before', 'backoff', 'share', 'rate_at', 'dwell',
                            'live_next', 'bulk_next', 'bulk_from', 'bulk_at'}) do clear(field) end
    set('next', now)
  end
  new_epoch()
  save()
  return {'ok', now, unpack(found)}
end

local function change_limits(changed, by)
  local _, before = law()
  for name, value in pairs(changed) do
    if value then
      redis.call('HSET', LIMITS, name, value)
    else
      redis.call('HDEL', LIMITS, name)
    end
    if by then
      redis.call('HSET', LIMITS, 'set.' .. name, by)
    else
      redis.call('HDEL', LIMITS, 'set.' .. name)
    end
    limits[name] = value or nil
  end
  -- Calls are remembered for one old window only; a longer one starts when it can be kept.
  local _, after = law()
  if after > before then set('next', math.max(get('next'), now + after + unknown())) end
  redis.call('DEL', RETURNED)
  save()
end

local function unset_limits()
  local wanted, changed, names = {}, {}, {}
  for _, name in ipairs(args.names) do wanted[name] = true end
  for field in pairs(limits) do
    local name = string.match(field, '^set%.(.+)$')
    if name and (#args.names == 0 or wanted[name]) then
      -- A worker of a release that does not know the limit has none in its environment.
      changed[name] = limits['env.' .. name] or false
      names[#names + 1] = name
    end
  end
  change_limits(changed, nil)
  return {'ok', now, unpack(names)}
end

if args.verb == 'hold' then return hold() end
if args.verb == 'release' then return release() end
if args.verb == 'unset' then return unset_limits() end
if args.restore then
  for name in pairs(args.limits) do
    if limits['set.' .. name] then args.limits[name] = nil end
  end
end
local function merged(name) return tonumber(args.limits[name] or limits[name]) end
if not args.restore and merged('day_reserve') >= merged('calls_per_day') then
  return {'refused', now, merged('calls_per_day'), merged('day_reserve')}
end
change_limits(args.limits, args.by)
return {'ok', now}
