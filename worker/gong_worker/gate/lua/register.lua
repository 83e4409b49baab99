-- What the environment says about the limits. Argument: env (all of it as one text), worker (is it one?), by,
-- settings {name: value}. Reply: ok, whether it took effect.
-- The text is compared with the last starter's, not with the limits: a limit set live outlives a restart with
-- an unchanged environment, and a changed environment takes effect by the restart of any one worker.
-- On a fresh Redis a command's own environment counts only until a worker comes for a slot: its text stays empty.
local LIMITS, args = KEYS[2], cjson.decode(ARGV[1])
local before = redis.call('HGET', LIMITS, 'env')
if before == args.env or (before and not args.worker) then return {'ok', 0, 0} end
redis.call('HSET', LIMITS, 'env', args.worker and args.env or '', 'set_by', args.by)
for name, value in pairs(args.settings) do redis.call('HSET', LIMITS, name, value) end
return {'ok', 0, before and 1 or 0}
