-- A large call waits until the window has room. It would wait for ever if smaller ones took each place that becomes
-- free: while it has the turn, only calls that go before everything start beside it.

-- Whoever waits for the turn's end looks again after this, and whoever has it shows up: it may have vanished.
local TURN_ASKS = 5 * SECOND
-- Nobody keeps the turn for longer, even if those that go before it leave no room.
local LONGEST_TURN = 2 * REACH

local function has_turn()
  return state.turn == 'of ' .. me
end

local function give_up_turn()
  for _, name in ipairs({'turn', 'turn_start', 'turn_since', 'turn_heard', 'turn_began', 'turn_cost', 'turn_front'}) do
    set(name, nil)
  end
end

local function is_turn_over()
  if now - state.turn_began > LONGEST_TURN then
    set('no_turn_until', now + REACH)
    return true
  end
  return not has_turn() and (now >= state.turn_start + SECOND or now - state.turn_heard >= 2 * TURN_ASKS)
end

local function keep_turn(start)
  set('turn_start', start)
  set('turn_heard', now)
end

-- `since`: from when on the call's share accrues.
local function take_turn(place, start, since)
  set('turn', 'of ' .. me)
  set('turn_since', since)
  set('turn_began', now)
  set('turn_cost', cost_at(place))
  if place < front then set('turn_front', 1) end
  keep_turn(start)
end

-- Whether the call at `place` of the list is the one that has the turn. Estimates change while it waits, so any that is
-- about as large is.
local function has_call_turn(place)
  return has_turn() and (place < front) == (state.turn_front == 1) and 2 * cost_at(place) >= state.turn_cost
end

local function place_of_turn()
  for place = 0, wanted - 1 do
    if has_call_turn(place) then return place end
  end
  return nil
end

-- How many calls of the list no turn holds back.
local function free_of_turn()
  if state.turn and is_turn_over() then give_up_turn() end
  if not state.turn then return wanted end
  if not has_turn() then return front end
  local place = place_of_turn()
  if not place then
    -- It is wanted no more; where only such are wanted that go before it, it was not asked for.
    if wanted > front or state.turn_front then give_up_turn() end
    return wanted
  end
  local fits = fitting_start(paced_cost(cost_at(place)))
  keep_turn(math.max(fits, now))
  return fits > now + TUNING.horizon * SECOND and front or wanted
end

-- When whom the turn holds back asks again: others a moment after the one that has it.
local function turn_pause()
  local pause = math.max(0, state.turn_start - TUNING.horizon * SECOND - now)
  return math.min(pause + SECOND / 20, TURN_ASKS)
end
