-- Read an account.
--
-- KEYS: the accounts. ARGV: the account's key.
-- Returns its row ("version text", false where there is none), and the server's time.

local time = redis.call('TIME')
return {redis.call('HGET', KEYS[1], ARGV[1]), time[1], time[2]}
