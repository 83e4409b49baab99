-- Give up a slot before its call. Argument: slot {name, at, after, gen, granted (0: not confirmed)}.
local slot = args.slot
if known() and state.gen == slot.gen then
  if redis.call('ZREM', SENT, slot.name) == 1 and slot.granted > 0 then
    sweep_day()
    count_call(slot.granted, -1)
  end
  cancel_reservation(slot)
  end_probe(slot)
  save()
end
return {'ok', now}
