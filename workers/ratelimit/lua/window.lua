-- The tokens started in the last window, as a list of slices "end, tokens", oldest first; the newest slice is still in
-- the bucket's fields. Pacing alone lets a sum of calls and then one more into a window; here that one is counted as
-- well, so that a window never holds more than the limit.

local SLICE = TUNING.slice * SECOND
-- A call may reach the provider `lateness` after its start and then counts for a whole window.
local REACH = (TUNING.window + TUNING.lateness) * SECOND

local function parse(entry)
  local till, tokens = string.match(entry, '^(%d+) (%d+)$')
  return tonumber(till), tonumber(tokens)
end

local function entry_of(till, tokens)
  return string.format('%.0f %.0f', till, tokens)
end

local function forget_window()
  redis.call('DEL', WINDOW)
  for _, name in ipairs({'window_sum', 'slice_end', 'slice_tokens'}) do set(name, nil) end
end

local function drop_old_slices()
  if not state.slice_end then return end
  local oldest = now - REACH
  if state.slice_end <= oldest then return forget_window() end
  local entry = redis.call('LINDEX', WINDOW, 0)
  while entry do
    local till, tokens = parse(entry)
    if till > oldest then return end
    redis.call('LPOP', WINDOW)
    add('window_sum', -tokens)
    entry = redis.call('LINDEX', WINDOW, 0)
  end
end

local function remember_tokens(start, tokens)
  local till = (math.floor(start / SLICE) + 1) * SLICE
  if state.slice_end and till > state.slice_end then
    redis.call('RPUSH', WINDOW, entry_of(state.slice_end, state.slice_tokens))
    set('slice_tokens', 0)
  end
  set('slice_end', math.max(till, state.slice_end or 0))
  add('slice_tokens', tokens)
  add('window_sum', tokens)
  if not state.slice_tokens then set('slice_tokens', 0) end
end

local function take_from_open_slice(tokens)
  local part = math.min(state.slice_tokens, tokens)
  add('slice_tokens', -part)
  add('window_sum', -part)
  return tokens - part
end

-- How many of the list's slices began by `moment`.
local function slices_begun_by(moment)
  local from, till = 0, redis.call('LLEN', WINDOW)
  while from < till do
    local middle = math.floor((from + till) / 2)
    if parse(redis.call('LINDEX', WINDOW, middle)) - SLICE <= moment then from = middle + 1 else till = middle end
  end
  return from
end

-- Given back is what was started about a mean latency ago, or before. If it were taken from newer slices, these would
-- look empty for longer than they are; if from much older ones, it would soon be forgotten with them.
local function give_back(tokens)
  local started = now - (report.latency or state.latency or 0) * SECOND
  if state.slice_end and state.slice_end - SLICE <= started then tokens = take_from_open_slice(tokens) end
  local at = slices_begun_by(started) - 1
  while tokens > 0 and at >= 0 do
    local till, held = parse(redis.call('LINDEX', WINDOW, at))
    local part = math.min(held, tokens)
    if part > 0 then redis.call('LSET', WINDOW, at, entry_of(till, held - part)) end
    add('window_sum', -part)
    tokens, at = tokens - part, at - 1
  end
end

local function settle_window()
  if not token_time then return end
  drop_old_slices()
  if report.tokens > 0 then remember_tokens(math.max(now, state.started_at or 0), report.tokens) end
  if report.tokens < 0 then give_back(-report.tokens) end
end

-- What was started before Redis lost its memory is unknown: the window counts as full, up to the last start that can
-- have been granted, with what may be caught up and with one call more (as large as those wanted now).
local function fill_window()
  if not token_time then return end
  forget_window()
  local step, last, largest = TUNING.window * SECOND / 60, now + TUNING.horizon * SECOND, 0
  for start = last - TUNING.window * SECOND, last, step do remember_tokens(start, math.ceil(step / token_time)) end
  for i = FIRST_COST, #ARGV do largest = math.max(largest, paced_cost(tonumber(ARGV[i]))) end
  remember_tokens(last, math.ceil(TUNING.catch_up * SECOND / token_time + largest))
end

-- From when on a call of `cost` tokens fits.
local function fitting_start(cost)
  local excess = (state.window_sum or 0) + cost - minute_tokens * TUNING.window / 60
  if excess <= 0 then return 0 end
  local from, free_at = 0, 0
  while excess > 0 do
    local entries = redis.call('LRANGE', WINDOW, from, from + 31)
    if #entries == 0 then return (state.slice_end or now) + REACH end
    for _, entry in ipairs(entries) do
      local till, tokens = parse(entry)
      if excess > 0 then free_at, excess = till + REACH, excess - tokens end
    end
    from = from + 32
  end
  return free_at
end
