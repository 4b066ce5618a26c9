-- Add the amounts of an hour to those of its day, and forget the hour. Sent again, it changes nothing.
--
-- KEYS: spans, the hour's amounts, the day's amounts. ARGV: the hour's name, the day's name and its start.
-- Returns 0 where a sum is too large to be kept; nothing is written then.

local amounts = redis.call('HGETALL', KEYS[2])
local sums = {}
for at = 1, #amounts, 2 do
  local millions, rest = string.match(amounts[at + 1], '^(-?%d+):(%d+)$')
  local sum = added(redis.call('HGET', KEYS[3], amounts[at]), tonumber(millions), tonumber(rest))
  if not sum then
    return 0
  end
  sums[#sums + 1] = {amounts[at], sum}
end
for _, sum in ipairs(sums) do
  redis.call('HSET', KEYS[3], sum[1], sum[2])
end
if #sums > 0 then
  redis.call('ZADD', KEYS[1], ARGV[3], ARGV[2])
end
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('DEL', KEYS[2])
return 1
