-- Given up before the call. ARGV: 4 slot number, 5 at, 6 after, 7 gen.
local number, at, after, gen = ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6]), ARGV[7]
if known() and state.gen == gen then
  local planned = redis.call('ZSCORE', SENT, number)
  if planned then
    redis.call('ZREM', SENT, number)
    sweep_day()
    count_call(tonumber(planned), -1)
  end
  give_back(at, after)
  if state.probe_seq == number then clear('probe_seq'); clear('probe_until') end
  save()
end
return {'ok', now}
