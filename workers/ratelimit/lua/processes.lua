-- What each process holds and wants: process -> "in flight, waiting, heard at, sequence". A process' own word about
-- itself is the truth; who alone has been silent for `process_ttl` holds nothing.

-- What the bucket knew of this process before this exchange; nil: nothing.
local mine_before
local others = {in_flight = 0, waiting = 0, wanting = 0, count = 0, reporting = 0}

-- Who holds or wants calls comes again in less than this. A longer silence is not theirs alone.
local LONGEST_SILENCE = TUNING.process_ttl * SECOND / 2

local function count_other(entry, waiting)
  others.in_flight = others.in_flight + entry.in_flight
  others.waiting = others.waiting + waiting
  if entry.heard >= (state.settling_since or 0) then others.reporting = others.reporting + 1 end
  others.count = others.count + 1
  if entry.in_flight > 0 or waiting > 0 then others.wanting = others.wanting + 1 end
end

local function read_entries()
  local entries, newest = {}, nil
  local flat = redis.call('HGETALL', PROCESSES)
  for i = 1, #flat, 2 do
    local in_flight, waiting, heard, number = string.match(flat[i + 1], '^(%d+) (%d+) (%d+) (%d+)$')
    heard = tonumber(heard)
    entries[flat[i]] = {in_flight = tonumber(in_flight), waiting = tonumber(waiting), heard = heard, sequence = number}
    newest = math.max(newest or 0, heard)
  end
  return entries, newest
end

-- Where Redis stood still or could not be reached, entries are old and yet true: who comes first must not take what the
-- others hold. For a while, until they have spoken, old entries count. Returns whether they do now.
local function recalls(mine, newest)
  local is_back = mine and mine.in_flight + mine.waiting > 0 and now - mine.heard > LONGEST_SILENCE
  if is_back or (newest and now - newest > LONGEST_SILENCE) then
    set('recall_since', now)
    set('recall_until', now + TUNING.settling * SECOND)
  end
  return now < (state.recall_until or 0)
end

-- Who has not spoken after a silence either holds nothing, and another silence changes nothing about that.
local function drop_stale(process, entry)
  if now - entry.heard > TUNING.entry_ttl * SECOND then
    redis.call('HDEL', PROCESSES, process)
  elseif entry.in_flight > 0 and entry.heard < (state.recall_since or 0) then
    redis.call('HSET', PROCESSES, process, string.format('0 0 %.0f %s', entry.heard, entry.sequence))
  end
end

local function load_processes()
  local entries, newest = read_entries()
  local mine = entries[me]
  local are_recalled = recalls(mine, newest)
  for process, entry in pairs(entries) do
    local is_stale = now - entry.heard >= TUNING.process_ttl * SECOND
    if process == me then
      mine_before = {in_flight = is_stale and 0 or entry.in_flight, sequence = entry.sequence}
    elseif not is_stale then
      count_other(entry, entry.waiting)
    elseif are_recalled then
      count_other(entry, 0)
    else
      drop_stale(process, entry)
    end
  end
end

local function save_mine(granted)
  local in_flight, waiting = report.in_flight + granted, math.max(0, report.waiting - granted)
  redis.call('HSET', PROCESSES, me, string.format('%.0f %.0f %.0f %s', in_flight, waiting, now, sequence))
end

-- A connection that broke is tried again by the client: the same report may come twice.
local function is_repeated()
  return mine_before ~= nil and mine_before.sequence == sequence
end

-- The calls in flight before those ended that this report tells of: what the provider had to bear.
local function held_before()
  return others.in_flight + math.max(report.in_flight, mine_before and mine_before.in_flight or 0)
end

local function held_now()
  return others.in_flight + report.in_flight
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
