-- What the environment says about the limits. ARGV: 4 all of it as one text, 5 '1' for a worker, 6 by whom,
-- then pairs of setting and value. Reply: ok, whether it took effect.
-- The text is compared with the last starter's, not with the limits: a limit set live outlives a restart with
-- an unchanged environment, and a changed environment takes effect by the restart of any one worker.
-- On a fresh Redis a command's own environment counts only until a worker comes for a slot: its text stays empty.
local LIMITS, env, worker, by = KEYS[2], ARGV[4], ARGV[5] == '1', ARGV[6]
local before = redis.call('HGET', LIMITS, 'env')
if before == env or (before and not worker) then return {'ok', 0, 0} end
redis.call('HSET', LIMITS, 'env', worker and env or '', 'set_by', by)
for i = 7, #ARGV, 2 do redis.call('HSET', LIMITS, ARGV[i], ARGV[i + 1]) end
return {'ok', 0, before and 1 or 0}
