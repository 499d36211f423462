-- The exchange: counts the report, then reserves starts for as many calls as limits, ceilings and blocks allow.

local HORIZON = TUNING.horizon * SECOND
local delays, granted, granted_tokens, has_delay = {}, 0, 0, false
-- What keeps the rest, for how long (microseconds), and whether the one granted call is a probe.
local binding, retry_in, is_probe = nil, 0, false

local function blocked_until()
  return math.max(state.blocked_until or 0, tonumber(redis.call('HGET', CREDENTIAL, 'blocked_until')) or 0)
end

local function keep_known_block()
  if blocked_for > 0 and now + blocked_for > (state.blocked_until or 0) then
    set('blocked_until', now + blocked_for)
  end
end

-- Where starts were forgotten, nothing may be added to them: see `push_arrivals`.
local function make_up_for_lost_memory(has_restarted)
  local has_lost = last_heard and (not mine_before or tonumber(mine_before.sequence) < last_heard)
  if has_lost and now - (state.lost_at or 0) < TUNING.window * SECOND then has_lost = false end
  if has_lost then
    set('lost_at', now)
    fill_window()
  end
  if has_lost or has_restarted then start_settling(math.max(last_peers, others.count + 1)) end
  -- Where the server does not tell its run id, a restart may have gone unseen while the caller was not there.
  local is_unsure = certainty == FAILED or (certainty == FIRST and not state.run)
  if is_unsure or has_restarted or has_lost or state.born == now then push_arrivals(has_lost) end
end

local function count_report()
  local held = held_before()
  settle_tokens()
  settle_window()
  add('tokens', report.tokens)
  add('refused', report.refused)
  if judge(held) then adapt(held) end
end

local function ignore_report()
  report.tokens, report.succeeded, report.overloaded, report.failed, report.refused = 0, 0, 0, 0, 0
  report.slowness = nil
end

-- How many calls the ceilings and the breaker allow, what binds beyond, and when to ask again.
local function allowance()
  local room, reason = math.huge, nil
  if max_concurrency > 0 then
    room, reason = math.max(0, math.min(room_below(max_concurrency), settling_room(max_concurrency))), CONCURRENCY
  end
  if state.open_since then
    if now < state.probe_at then return 0, BREAKER, state.probe_at - now end
    if room > 0 then return 1, BREAKER, TUNING.probe_pause * SECOND end
  end
  if state.ceiling then
    local below = room_below(math.floor(state.ceiling))
    if below < room then room, reason = below, ADAPTIVE end
  end
  return math.max(0, room), reason, TUNING.ceiling_retry * SECOND
end

-- Calls that nothing paces start now, all alike: a count says it.
local function grant_unpaced(most)
  granted = most
  for i = 0, granted - 1 do granted_tokens = granted_tokens + cost_at(i) end
end

local function grant_one(place, start)
  local cost, since = cost_at(place), nil
  if has_call_turn(place) then
    since = state.turn_since
    give_up_turn()
  end
  pay(start, cost, since)
  if token_time then remember_tokens(start, math.ceil(paced_cost(cost))) end
  set('started_at', math.ceil(start))
  granted, granted_tokens = granted + 1, granted_tokens + cost
  delays[granted] = math.ceil(start - now)
  has_delay = has_delay or start > now
end

-- Who just had the turn lets others have it.
local function may_take_turn(had_turn)
  return not state.turn and now >= (state.no_turn_until or 0) and not (had_turn and others.waiting > 0)
end

-- The start of the next call and what keeps it until then; takes the turn where only the window keeps it.
local function find_start(place, blocked, had_turn)
  local start, reason = now, nil
  -- The window's list is in the order of starts.
  if token_time and (state.started_at or 0) > start then start, reason = state.started_at, TOKENS end
  if blocked > start then start, reason = blocked, BLOCKED end
  start, reason = paced_start(start, reason)
  local fits = token_time and fitting_start(paced_cost(cost_at(place))) or 0
  if fits <= start then return start, reason end
  if fits > now + HORIZON and may_take_turn(had_turn) then take_turn(place, fits, start) end
  return fits, TOKENS
end

-- All processes that wait ask about twice in a horizon: starts are booked before they come, several at a time. The
-- pause varies, so that none of them is always the first to find free ones.
local function pause_until(start)
  local noise = now % 1000 / 1000
  return math.max(start - now - HORIZON, HORIZON * (0.3 + 0.4 * noise))
end

local function grant_paced(most, blocked, had_turn)
  for place = 0, most - 1 do
    local start, reason = find_start(place, blocked, had_turn)
    if start > now + HORIZON then
      binding, retry_in = reason, pause_until(start)
      if has_turn() then retry_in = math.min(retry_in, TURN_ASKS) end
      return
    end
    grant_one(place, start)
  end
end

local function grant(blocked)
  if blocked > now + HORIZON then
    binding, retry_in = BLOCKED, blocked - now
    return
  end
  local had_turn = has_turn()
  local free = token_time and free_of_turn() or wanted
  local room, reason, pause = allowance()
  -- A provider that is only slow refuses nobody: single runs, and runs under way, do not wait for its ceiling.
  if reason == ADAPTIVE and state.slow_before then room = math.max(room, front) end
  local most = math.min(free, room)
  if request_gap or token_time or blocked > now then grant_paced(most, blocked, had_turn) else grant_unpaced(most) end
  if not binding and granted < free then
    binding, retry_in = reason, pause
  elseif not binding and granted < wanted then
    binding, retry_in = TOKENS, turn_pause()
  end
  if state.open_since and granted > 0 then
    is_probe = true
    set('probe_at', now + TUNING.probe_pause * SECOND)
  end
end

local function forget_binding()
  for _, name in ipairs({'since', 'binding', 'until'}) do set(name, nil) end
end

-- Limited is a bucket from the first exchange that keeps calls waiting until none waits in any process, or the block
-- that kept them is over.
local function note_binding(blocked)
  if binding then
    if not state.since then set('since', now) end
    set('binding', binding)
    local ahead = (binding == REQUESTS or binding == TOKENS) and HORIZON or 0
    set('until', math.floor(now + retry_in + ahead))
  elseif state.binding == BLOCKED and blocked <= now then
    forget_binding()
  elseif others.waiting == 0 and report.waiting <= granted then
    forget_binding()
  end
end

local function answer()
  local flags = (is_probe and 1 or 0) + (state.refunds == 1 and 2 or 0)
  if request_gap or token_time then flags = flags + 4 end
  local since = state.since and now - state.since or 0
  local result = {binding or 0, math.ceil(retry_in), since, flags, others.count + 1, granted}
  if has_delay then
    for i = 1, granted do result[6 + i] = delays[i] end
  end
  return result
end

load_state()
load_processes()
if not state.born then
  set('born', now)
  start_settling(last_peers > 0 and last_peers or nil)
end
if is_repeated() then ignore_report() end
learn_told_limits()
find_rates()
make_up_for_lost_memory(has_restarted())
bound_arrivals()
count_report()
keep_known_block()
local blocked = blocked_until()
if wanted > 0 then grant(blocked) end
learn_refunds(binding)
note_binding(blocked)
add('granted', granted)
add('granted_tokens', granted_tokens)
save_mine(granted)
save_state()
return answer()
