-- Given up before the call. ARGV: 4 slot number, 5 at, 6 after, 7 gen, 8 when planned (0: not confirmed).
local number, at, after, gen = ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6]), ARGV[7]
if known() and state.gen == gen then
  local planned = tonumber(ARGV[8])
  if redis.call('ZREM', SENT, number) == 1 and planned > 0 then
    sweep_day()
    count_call(planned, -1)
  end
  give_back(at, after)
  if state.probe_seq == number then clear('probe_seq'); clear('probe_until') end
  save()
end
return {'ok', now}
