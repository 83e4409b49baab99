-- Would a slot, or a probe, be given now? Writes nothing. Replies: open | held reason until
local reason, ends = verdict(now)
if not reason or reason == 'probe' then return {'open', now} end
return {'held', now, reason, ends}
