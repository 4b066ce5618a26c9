-- Replace a row if its version is still the one that was read. Sent again, it changes nothing.
--
-- KEYS: the row, the index of rows by the time at which they may be forgotten.
-- ARGV: the row's name in the index, the version that it must have ('': there is none), its new version ('': it goes),
--       its new body, milliseconds for which it is kept.
-- Returns 1 where that was done, else 0, and the state as it was.

local state = state_of(KEYS[1])
local version = state[1] or ''
if version ~= ARGV[2] and version ~= ARGV[3] then
  return {0, state}
end
local now = state[3] * 1000 + math.floor(state[4] / 1000)
if ARGV[3] == '' then
  redis.call('DEL', KEYS[1])
  redis.call('ZREM', KEYS[2], ARGV[1])
else
  -- A server without memory refuses the first of these; what comes after it goes through.
  redis.call('HSET', KEYS[1], 'version', ARGV[3], 'body', ARGV[4])
  redis.call('PEXPIRE', KEYS[1], ARGV[5])
  redis.call('ZADD', KEYS[2], string.format('%.0f', now + ARGV[5]), ARGV[1])
  if redis.call('PTTL', KEYS[2]) < tonumber(ARGV[5]) then
    redis.call('PEXPIRE', KEYS[2], ARGV[5])
  end
end
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', string.format('%.0f', now))
return {1, state}
