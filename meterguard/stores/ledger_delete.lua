-- Delete spans. KEYS: the spans, then the hash of each that goes. ARGV: their names.

for number, name in ipairs(ARGV) do
  redis.call('DEL', KEYS[number + 1])
  redis.call('ZREM', KEYS[1], name)
end
return #ARGV
