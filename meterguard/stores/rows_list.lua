-- Read several rows, all of one moment. KEYS: the rows. Returns the version and the body of each, false for one that
-- is not there any more.

local found = {}
for number, key in ipairs(KEYS) do
  found[number] = redis.call('HMGET', key, 'version', 'body')
end
return found
