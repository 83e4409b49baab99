-- What the environment says about the limits. Argument: env (all of it as one text), worker (is it one?), by,
-- settings {name: value}. Reply: ok, whether it changed what was there.
-- The latest starter's environment counts, but for the limits that an operator has set, which stand until they are
-- unset. The text is compared with the last starter's, so that a worker which registers again changes nothing.
-- On a fresh Redis a command's own environment counts only until a worker comes for a slot: its text stays empty.
local LIMITS, args = KEYS[2], cjson.decode(ARGV[1])
local before = redis.call('HGET', LIMITS, 'env')
if before == args.env or (before and not args.worker) then return {'ok', 0, 0} end
redis.call('HSET', LIMITS, 'env', args.worker and args.env or '', 'env_by', args.by)
for name, value in pairs(args.settings) do
  redis.call('HSET', LIMITS, 'env.' .. name, value)
  if redis.call('HEXISTS', LIMITS, 'set.' .. name) == 0 then redis.call('HSET', LIMITS, name, value) end
end
return {'ok', 0, before and 1 or 0}
