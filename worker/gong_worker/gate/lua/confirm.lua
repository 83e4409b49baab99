-- The last check before a call is written. May be asked again for the same slot: the latest answer counts.
-- Argument: event, probe_lease, slot {number, name, lane, at, after, gen, probe, granted (0: not yet)}.
-- Replies: go at epoch | held reason until | lapsed why
local slot = args.slot
local KEPT_LAG = SECOND / 20

if not known() or state.gen ~= slot.gen or slot.number <= get('void_seq') then return {'lapsed', now, 'void'} end
if slot.number > get('seq') then
  -- A replica that was behind has taken over: what it knows of the day is too little. It is counted anew.
  redis.call('HDEL', DAY, 'gen')
  return {'lapsed', now, 'void'}
end
sweep_day()
if slot.granted > 0 and redis.call('ZREM', SENT, slot.name) == 1 then count_call(slot.granted, -1) end

local function refuse(...)
  cancel_reservation(slot)
  if slot.probe then end_probe(slot) end
  save()
  return {...}
end

if slot.probe and (state.probe_slot ~= slot.name or get('probe_until') <= now) then
  return refuse('lapsed', now, 'overtaken')
end

-- The call is written at its slot, or now if that is past, and no sooner than one window after the call that is
-- N calls back must have arrived: whatever was late before, no N + 1 calls ever arrive inside one window.
local count, window, spacing = law(slot.lane)
local send = math.max(slot.at, now)
local back = redis.call('ZREVRANGE', SENT, count - 1, count - 1, 'WITHSCORES')
if back[2] then send = math.max(send, tonumber(back[2]) + window) end
if send - slot.at > math.max(micros('late_max_seconds'), spacing) then return refuse('lapsed', now, 'late') end

local reason, ends
if slot.probe then
  clear('probe_until')
  reason, ends = verdict(send)
  set('probe_until', now + args.probe_lease)
  if reason == 'probe' then reason = nil end
else
  reason, ends = verdict(send)
  if reason == 'probe' then reason, ends = standing(send)[1][1], standing(send)[1][2] end
end
if reason then return refuse('held', now, reason, ends) end

if slot.probe then
  set('probe_event', args.event)
  clear('probe_answer')
  clear('probe_answered')
end
count_call(send, 1)
redis.call('ZADD', SENT, string.format('%.0f', send + unknown()), slot.name)
redis.call('ZREMRANGEBYSCORE', SENT, '-inf', string.format('(%.0f', now - window - 2 * SECOND))
-- The line has fallen behind its slots. A little of that is kept, as it lets callers be late at no cost; the
-- rest moves the slots not yet reserved, once for all who reserved before.
local lag = send - slot.at
if lag > KEPT_LAG and slot.number > get('bump_seq') then
  set('next', get('next') + lag - KEPT_LAG)
  set('bump_seq', get('seq'))
end
save()
return {'go', now, send, get('epoch')}
