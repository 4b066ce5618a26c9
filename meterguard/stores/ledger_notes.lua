-- Write rows of a book: all of them or none, and once for each nonce however often this is sent.
--
-- KEYS: schema, the hash of the book.
-- ARGV: schema, nonce, the version that the book must have ('': nothing was ever written), how many rows to write,
--       each by its key and its text, then the keys of the rows to delete.
-- Returns how it ended.

local schema = redis.call('GET', KEYS[1])
if schema and schema ~= ARGV[1] then
  return 'schema'
end
local version = redis.call('HGET', KEYS[2], '') or ''
if version == ARGV[2] then
  return 'written'
end
if version ~= ARGV[3] then
  return 'changed'
end

-- A server without memory refuses the first of these; what comes after it goes through.
redis.call('SET', KEYS[1], ARGV[1])
redis.call('HSET', KEYS[2], '', ARGV[2])
local written = 4 + 2 * tonumber(ARGV[4])
for at = 5, written, 2 do
  redis.call('HSET', KEYS[2], ARGV[at], ARGV[at + 1])
end
for at = written + 1, #ARGV do
  redis.call('HDEL', KEYS[2], ARGV[at])
end
return 'written'
