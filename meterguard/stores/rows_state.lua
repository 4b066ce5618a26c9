-- Return a row (its version and its body, false where there is none), the server's time, and its epoch: the id of its
-- replication, which is another one after each restart and failover; an empty text where the user may not ask for it.
local function state_of(key)
  local row = redis.call('HMGET', key, 'version', 'body')
  local time = redis.call('TIME')
  local info = redis.pcall('INFO', 'replication')
  local epoch = type(info) == 'string' and string.match(info, 'master_replid:(%x+)')
  return {row[1], row[2], time[1], time[2], epoch or ''}
end
