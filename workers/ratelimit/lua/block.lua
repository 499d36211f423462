-- Blocks a bucket or a credential; the longest block wins.
-- KEYS: the hash of the bucket or the credential.
-- ARGV: microseconds, reason, channel, credential, model, whether the whole credential is meant (1 or 0).

local SECOND = 1000000
local time = redis.call('TIME')
local now = time[1] * SECOND + time[2]
local till = now + tonumber(ARGV[1])
local known = redis.call('HMGET', KEYS[1], 'blocked_until', 'block_told')
local told = tonumber(known[2]) or 0

if till > now and till > (tonumber(known[1]) or 0) then
  redis.call('HSET', KEYS[1], 'blocked_until', string.format('%.0f', till), 'blocked_reason', ARGV[2])
  local idle = TUNING.idle * 1000 + (till - now) / 1000
  if idle > redis.call('PTTL', KEYS[1]) then redis.call('PEXPIRE', KEYS[1], string.format('%.0f', idle)) end
  -- A thousand calls refused at once each block a little longer: one word about it is enough.
  if till > told + TUNING.publish_step * SECOND then
    redis.call('HSET', KEYS[1], 'block_told', string.format('%.0f', till))
    local model = ARGV[6] == '1' and cjson.null or ARGV[5]
    redis.call('PUBLISH', ARGV[3], cjson.encode({tonumber(ARGV[4]), model, (till - now) / SECOND}))
  end
end
return 1
