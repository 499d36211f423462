-- The adaptive ceiling of calls in flight (AIMD): there is none until the provider is overloaded or slow; it is cut by
-- a share, grows with successes and disappears when the provider bears twice what it was first cut at.

local CEILING = {'ceiling', 'threshold', 'first_cut', 'cut_from'}

-- The ceiling that a cut for slowness replaced is kept until it is known whether the cut was of use.
local function remember_ceiling()
  for _, name in ipairs(CEILING) do set('unslowed_' .. name, state[name]) end
end

local function restore_ceiling()
  for _, name in ipairs(CEILING) do set(name, state['unslowed_' .. name]) end
end

-- The last cut is final.
local function forget_slow_cut()
  set('slow_before', nil)
  for _, name in ipairs(CEILING) do set('unslowed_' .. name, nil) end
end

local function forget_ceiling()
  forget_slow_cut()
  for _, name in ipairs(CEILING) do set(name, nil) end
end

-- Calls that started before the last cut say nothing about it.
local function is_pausing()
  local pause = math.max(TUNING.cut_pause, state.latency or 0) * SECOND
  return state.cut_at and now - state.cut_at < pause
end

-- What a cut would leave; nil: nothing is to be cut now.
local function lower_ceiling(held, least)
  if is_pausing() then return nil end
  local base = math.min(state.ceiling or held, held)
  local lower = math.max(least, math.floor(TUNING.cut_share * base))
  if base < least or lower >= (state.ceiling or math.huge) then return nil end
  return lower
end

local function cut(held, lower)
  if not state.ceiling then set('first_cut', math.max(1, held)) end
  set('cut_from', math.min(state.ceiling or held, held))
  set('ceiling', lower)
  set('threshold', lower)
  set('cut_at', now)
end

-- Places more for a round of calls: fast towards where the last cut came, slowly near it, and fast again beyond it,
-- since the provider bears more now. (The curve of TCP's CUBIC, RFC 9438, by rounds in place of seconds.) One at least,
-- but where there are few: one in four rounds is refused at most then, and not every second call.
local function gain(ceiling)
  local cut_from, least = state.cut_from or 0, math.min(1, ceiling / 4)
  if ceiling < cut_from then return math.max(least, (cut_from - ceiling) / 4) end
  return math.max(least, (ceiling < 1.05 * cut_from and 0.01 or 0.05) * ceiling)
end

-- Below the threshold one place more for each success (slow start), then by the gain of a round.
local function grow(held)
  local ceiling = state.ceiling
  if not ceiling or report.succeeded == 0 or held < 0.8 * ceiling then return end
  if ceiling < state.threshold then
    ceiling = ceiling + report.succeeded
  else
    ceiling = ceiling + report.succeeded * gain(ceiling) / ceiling
  end
  set('ceiling', ceiling)
  if ceiling >= 2 * state.first_cut then forget_ceiling() end
end

local function mean(old, new)
  return old and old + TUNING.mean_weight * (new - old) or new
end

-- The best value: falls at once, fades upwards slowly.
local function best(old, new, rise)
  return old and math.min(old * rise, new) or new
end

-- Whether calls take much longer than they once did, per token and as a whole.
local function is_slow(silence)
  local rise = math.exp(TUNING.baseline_rise * silence / SECOND)
  set('slowness', mean(state.slowness, report.slowness))
  set('latency', mean(state.latency, report.latency))
  set('best_slowness', best(state.best_slowness, report.slowness, rise))
  set('best_latency', best(state.best_latency, report.latency, rise))
  return state.slowness > TUNING.slow_factor * state.best_slowness
    and state.latency > state.best_latency + TUNING.slow_extra
end

-- Whether that has lasted: other prompts may take longer for a while as well.
local function has_stayed_slow()
  if not report.slowness or not report.latency then return false end
  local silence = now - (state.measured_at or now)
  set('measured_at', now)
  if not is_slow(silence) then
    set('slow_since', nil)
    forget_slow_cut()
    return false
  end
  if not state.slow_since or silence > TUNING.slow_silence * SECOND then set('slow_since', now) end
  return now - state.slow_since >= TUNING.slow_after * SECOND
end

-- Fewer calls that are as slow as many were: it is not their number. What is now is taken for usual.
local function accept_slowness()
  set('best_slowness', state.slowness)
  set('best_latency', state.latency)
  set('slow_since', nil)
  restore_ceiling()
  forget_slow_cut()
end

local function cut_for_slowness(held)
  if state.slow_before then
    local pause = math.max(TUNING.cut_pause, 2 * state.latency) * SECOND
    if now - state.cut_at < pause then return end
    if state.slowness > TUNING.slow_gain * state.slow_before then return accept_slowness() end
  end
  local lower = lower_ceiling(held, TUNING.slow_floor)
  if not lower then return end
  remember_ceiling()
  set('slow_before', state.slowness)
  cut(held, lower)
end

-- Where most calls of a wave are refused, as when it meets a provider for the first time, what is left in flight is what
-- the provider has taken: so much it bears, and no share of the wave says anything.
local function is_mostly_refused()
  local least = TUNING.breaker_failures
  local is_wave = state.overload_since and now - state.overload_since < TUNING.wave * SECOND
  if not is_wave or report.overloaded <= report.succeeded then return false end
  return state.overload_count >= least and held_now() >= least
end

-- The first process of the wave cuts as ever; what the others tell within the pause corrects it.
local function cut_to_the_taken()
  local taken = held_now()
  local is_correction = is_pausing()
  local lower = is_correction and taken or math.floor(TUNING.cut_share * taken)
  -- Places that have just become free are no news.
  if lower >= (is_correction and 0.9 or 1) * (state.ceiling or math.huge) then return end
  forget_slow_cut()
  local cut_at = state.cut_at
  cut(taken, lower)
  if is_correction then set('cut_at', cut_at) end
end

-- What has grown since the last cut is given up while no other cut may be made: one place too many, and the calls that
-- are refused for it at once would follow each other.
local function shrink_to_the_held()
  forget_slow_cut()
  local lower = math.max(state.threshold, held_now())
  if lower < state.ceiling then set('ceiling', lower) end
end

local function cut_for_overload(held)
  if is_mostly_refused() then return cut_to_the_taken() end
  if state.ceiling and is_pausing() then return shrink_to_the_held() end
  local lower = lower_ceiling(held, 1)
  if not lower then return end
  forget_slow_cut()
  cut(held, lower)
end

local function adapt(held)
  local stays_slow = has_stayed_slow()
  if report.overloaded > 0 then
    cut_for_overload(held)
  elseif stays_slow then
    cut_for_slowness(held)
  else
    grow(held)
  end
end
