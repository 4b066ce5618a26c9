-- Write an account and usage: both or none of them, and once for each nonce however often this is sent.
--
-- KEYS: schema, accounts, nonces, spans, then one hash of amounts for each span.
-- ARGV: schema, nonce, second after which it is too late, seconds for which nonces are kept;
--       the account's key ('': no account is written), the version that it must have ('': there is none), its text;
--       then for each span: its name, its start, how many amounts, and for each its field, millions and rest.
-- Returns how it ended, the row of the account as it was, and the server's time.

local time = redis.call('TIME')
local row = redis.call('HGET', KEYS[2], ARGV[5])

local function ended(how)
  return {how, row, time[1], time[2]}
end

local schema = redis.call('GET', KEYS[1])
if schema and schema ~= ARGV[1] then
  return ended('schema')
end
if redis.call('ZSCORE', KEYS[3], ARGV[2]) then
  return ended('written')
end
if tonumber(time[1]) > tonumber(ARGV[3]) then
  return ended('late')
end
if ARGV[5] ~= '' and (row and string.match(row, '^%S+') or '') ~= ARGV[6] then
  return ended('changed')
end

-- All sums come before the first write, so that nothing is written where one cannot be kept.
local sums, spans, at = {}, {}, 8
for number = 5, #KEYS do
  local name, start, amounts = ARGV[at], ARGV[at + 1], tonumber(ARGV[at + 2])
  spans[#spans + 1] = {start, name}
  at = at + 3
  for _ = 1, amounts do
    local stored = redis.call('HGET', KEYS[number], ARGV[at])
    local sum = added(stored, tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]))
    if not sum then
      return ended('large')
    end
    sums[#sums + 1] = {KEYS[number], ARGV[at], sum}
    at = at + 3
  end
end

-- A server without memory refuses the first of these; what comes after it goes through.
redis.call('SET', KEYS[1], ARGV[1])
redis.call('ZADD', KEYS[3], time[1], ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', tonumber(time[1]) - tonumber(ARGV[4]))
if ARGV[5] ~= '' then
  redis.call('HSET', KEYS[2], ARGV[5], ARGV[2] .. ' ' .. ARGV[7])
end
for _, sum in ipairs(sums) do
  redis.call('HSET', sum[1], sum[2], sum[3])
end
for _, span in ipairs(spans) do
  redis.call('ZADD', KEYS[4], span[1], span[2])
end
return ended('written')
