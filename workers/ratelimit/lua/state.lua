-- What every part uses: the time, the arguments and the bucket's fields. All times are in microseconds.

local SECOND = 1000000
local BUCKET, PROCESSES, CREDENTIAL, WORKERS, WINDOW = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local REQUESTS, TOKENS, CONCURRENCY, ADAPTIVE, BREAKER, BLOCKED = 1, 2, 3, 4, 5, 6

local me, sequence = ARGV[1], ARGV[2]
-- Whether the caller knows what happened to Redis: it does, it has not asked before, its connection failed.
local CERTAIN, FIRST, FAILED = '0', '1', '2'
local certainty = ARGV[3]
-- The sequence of this process' last exchange of the bucket, if that was within the last window.
local last_heard = tonumber(ARGV[4])
-- What it held after that, and how many processes (it too) used the bucket.
local last_held, last_peers = tonumber(ARGV[5]), tonumber(ARGV[6])
local max_requests, max_tokens, max_concurrency = tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9])
local blocked_for = tonumber(ARGV[10])
local report = {
  in_flight = tonumber(ARGV[11]), waiting = tonumber(ARGV[12]), tokens = tonumber(ARGV[13]),
  succeeded = tonumber(ARGV[14]), overloaded = tonumber(ARGV[15]), failed = tonumber(ARGV[16]),
  refused = tonumber(ARGV[17]), slowness = tonumber(ARGV[18]), latency = tonumber(ARGV[19]),
  told_requests = tonumber(ARGV[20]), told_tokens = tonumber(ARGV[21]), remaining_tokens = tonumber(ARGV[22]),
}
local FIRST_COST = 24
local wanted = #ARGV - FIRST_COST + 1
-- So many of the first calls wanted do not wait for another's turn.
local front = math.min(tonumber(ARGV[23]), wanted)

local function cost_at(place)
  return tonumber(ARGV[FIRST_COST + place])
end

local time = redis.call('TIME')
local now = time[1] * SECOND + time[2]

local state, changed = {}, {}

local function load_state()
  local flat = redis.call('HGETALL', BUCKET)
  for i = 1, #flat, 2 do state[flat[i]] = tonumber(flat[i + 1]) or flat[i + 1] end
end

-- nil removes the field.
local function set(name, value)
  if state[name] ~= value then
    state[name] = value
    changed[name] = true
  end
end

local function add(name, amount)
  if amount ~= 0 then set(name, (state[name] or 0) + amount) end
end

-- Lua's own tostring keeps 14 digits, too few for microseconds since 1970.
local function text(value)
  if type(value) ~= 'number' then return value end
  if value == math.floor(value) then return string.format('%.0f', value) end
  return string.format('%.17g', value)
end

local function save_state()
  local kept, gone = {}, {}
  for name in pairs(changed) do
    if state[name] == nil then
      gone[#gone + 1] = name
    else
      kept[#kept + 1] = name
      kept[#kept + 1] = text(state[name])
    end
  end
  if #kept > 0 then redis.call('HSET', BUCKET, unpack(kept)) end
  if #gone > 0 then redis.call('HDEL', BUCKET, unpack(gone)) end
  local idle = TUNING.idle * 1000
  redis.call('PEXPIRE', PROCESSES, idle)
  if state.slice_end then redis.call('PEXPIRE', WINDOW, idle) end
  redis.call('PEXPIRE', BUCKET, text(math.floor(idle + math.max(0, (state.blocked_until or 0) - now) / 1000)))
end

-- A restart is seen by the server's run id. It is looked at only where the time of the last save is another, which a
-- restart changes as well and which costs less to ask for.
local function has_restarted()
  local saved = redis.pcall('LASTSAVE')
  if type(saved) ~= 'number' or saved == state.saved_at then return false end
  set('saved_at', saved)
  local info = redis.pcall('INFO', 'server')
  local run = type(info) == 'string' and string.match(info, 'run_id:(%x+)')
  local before = state.run
  if run then set('run', 'run ' .. run) end
  return before ~= nil and before ~= state.run
end
