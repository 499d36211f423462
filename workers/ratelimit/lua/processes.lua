-- What each process holds and wants: process -> "in flight, waiting, heard at, sequence". A process' own word about
-- itself is the truth; who has been silent for `process_ttl` holds nothing.

-- What the bucket knew of this process before this exchange; nil: nothing.
local mine_before
local others = {in_flight = 0, waiting = 0, wanting = 0, count = 0, reporting = 0}

local function count_other(in_flight, waiting, heard)
  others.in_flight = others.in_flight + in_flight
  others.waiting = others.waiting + waiting
  if heard >= (state.settling_since or 0) then others.reporting = others.reporting + 1 end
  others.count = others.count + 1
  if in_flight > 0 or waiting > 0 then others.wanting = others.wanting + 1 end
end

local function load_processes()
  local flat = redis.call('HGETALL', PROCESSES)
  for i = 1, #flat, 2 do
    local in_flight, waiting, heard, number = string.match(flat[i + 1], '^(%d+) (%d+) (%d+) (%d+)$')
    local silence = now - tonumber(heard)
    if flat[i] == me then
      local is_stale = silence > TUNING.process_ttl * SECOND
      mine_before = {in_flight = is_stale and 0 or tonumber(in_flight), sequence = number}
    elseif silence < TUNING.process_ttl * SECOND then
      count_other(tonumber(in_flight), tonumber(waiting), tonumber(heard))
    elseif silence > TUNING.entry_ttl * SECOND then
      redis.call('HDEL', PROCESSES, flat[i])
    end
  end
end

local function save_mine(granted)
  local waiting = math.max(0, report.waiting - granted)
  redis.call('HSET', PROCESSES, me, string.format('%.0f %.0f %.0f %s', report.in_flight + granted, waiting, now, sequence))
end

-- A connection that broke is tried again by the client: the same report may come twice.
local function is_repeated()
  return mine_before ~= nil and mine_before.sequence == sequence
end

-- The calls in flight before those ended that this report tells of: what the provider had to bear.
local function held_before()
  return others.in_flight + math.max(report.in_flight, mine_before and mine_before.in_flight or 0)
end

-- From now on it counts who has spoken: what the others hold is not known before.
local function start_settling(peers)
  set('settling_since', now)
  set('peers', peers)
  others.reporting = 0
end

-- Of a bucket that is new nobody knows what the others hold, so each worker process gets its part of the ceiling. If
-- it was lost, each may hold as much as it did: together that was no more than the ceiling.
local function settling_room(ceiling)
  if now - (state.settling_since or 0) > TUNING.settling * SECOND then return math.huge end
  if state.peers then
    return others.reporting + 1 >= state.peers and math.huge or last_held - report.in_flight
  end
  local since = text(math.floor(now / SECOND) - TUNING.process_ttl)
  local workers = redis.call('ZCOUNT', WORKERS, since, '+inf')
  if workers <= others.reporting + 1 then return math.huge end
  local part = math.floor(ceiling / workers)
  -- A process that is new here cannot hold forgotten calls.
  if not last_heard then part = math.max(1, part) end
  return part - report.in_flight
end

-- How many calls may start without going above `ceiling`, nor above a fair share where others wait as well: otherwise
-- the process whose call ended would take the place again, for ever.
local function room_below(ceiling)
  local room = ceiling - others.in_flight - report.in_flight
  if others.waiting > 0 then
    room = math.min(room, math.ceil(ceiling / (others.wanting + 1)) - report.in_flight)
  end
  return math.max(0, room)
end
