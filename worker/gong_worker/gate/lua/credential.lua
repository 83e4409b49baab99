-- Whether there is a credential to call with; told again and again by every process with that credential. Arguments:
--   usable: without one, no call can be made: a hold without a probe
--   why: in which state its approval is (a GrantState)
--   renewed: there is a new one, so what was refused before says nothing any more
if args.usable then
  if state[UNGRANTED] or args.renewed then
    clear(UNGRANTED)
    redis.call('HDEL', HOLDS, UNAUTHORIZED, MISCONFIGURED)
    for _, field in ipairs({'refused_pair', 'refused_event', 'refused_many'}) do clear(field) end
    new_epoch()
  end
else
  local since = state[UNGRANTED] and string.match(state[UNGRANTED], '^(%d+)')
  if not since then new_epoch() end
  set(UNGRANTED, (since or string.format('%.0f', now)) .. ' ' .. args.why)
end
save()
return {'ok', now}
