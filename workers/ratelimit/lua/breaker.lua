-- The breaker: where most calls fail, nothing but a probe now and then goes until one succeeds.

local function roll_slices()
  local slice = math.floor(now / (TUNING.breaker_slice * SECOND))
  if state.slice == slice then return end
  local follows = state.slice == slice - 1
  set('slice_before_ok', follows and state.slice_ok or 0)
  set('slice_before_failed', follows and state.slice_failed or 0)
  set('slice_ok', 0)
  set('slice_failed', 0)
  set('slice', slice)
end

local function forget_slices()
  for _, name in ipairs({'slice', 'slice_ok', 'slice_failed', 'slice_before_ok', 'slice_before_failed'}) do
    set(name, nil)
  end
end

local function close()
  forget_slow_cut()
  set('ceiling', TUNING.reopened_ceiling)
  set('threshold', math.max(TUNING.reopened_threshold, math.floor(state.open_held / 2)))
  set('first_cut', math.max(TUNING.reopened_threshold, state.open_held))
  set('open_since', nil)
  set('open_held', nil)
  set('probe_at', nil)
  forget_slices()
end

-- What failed, but for overload that the adaptive ceiling may still put right: by fewer calls at once. That is so for a
-- moment, and where the provider has taken other calls meanwhile. One that goes on refusing most is as good as down.
local function failures()
  if report.succeeded > 0 and report.succeeded >= report.overloaded then
    set('overload_since', nil)
    set('overload_count', nil)
  elseif report.overloaded > 0 then
    local is_news = not state.overload_since or now - state.overload_at > TUNING.overload_memory * SECOND
    if is_news then
      set('overload_since', now)
      set('overload_count', 0)
    end
    set('overload_at', now)
    add('overload_count', report.overloaded)
  end
  local is_young = state.overload_since and now - state.overload_since < TUNING.overload_patience * SECOND
  local is_taken_elsewhere = held_now() >= TUNING.breaker_failures
  return is_young and is_taken_elsewhere and report.failed - report.overloaded or report.failed
end

local function count_slices(held)
  roll_slices()
  add('slice_ok', report.succeeded)
  add('slice_failed', failures())
  local failed = state.slice_failed + state.slice_before_failed
  local all = failed + state.slice_ok + state.slice_before_ok
  if failed >= TUNING.breaker_failures and failed >= TUNING.breaker_share * all then
    set('open_since', now)
    set('open_held', held)
    set('probe_at', now + TUNING.probe_pause * SECOND)
  end
end

-- Returns whether the adaptive ceiling may learn from this report.
local function judge(held)
  if state.open_since then
    if report.succeeded > 0 then close() end
    return false
  end
  if report.succeeded > 0 or report.failed > 0 then count_slices(held) end
  return true
end
