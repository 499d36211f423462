-- Servers differ in whether a call's max_tokens are charged for good when it is admitted, or what it did not use is
-- given back. Nothing is given back until tokens alone kept calls waiting for a minute while the provider said that
-- many were left (or said nothing); after a refusal not again for a while.

local function restart_minute()
  set('token_bound_since', now)
  set('least_remaining', nil)
end

local function note_remaining()
  if report.remaining_tokens then
    set('least_remaining', math.min(state.least_remaining or 1, report.remaining_tokens))
  end
end

local function judge_minute()
  if now - state.token_bound_since < TUNING.refund_after * SECOND then return end
  local left = state.least_remaining
  if now >= (state.no_refunds_until or 0) and (not left or left > TUNING.refund_remaining) then set('refunds', 1) end
  restart_minute()
end

-- `binding`: what keeps calls waiting after this exchange; nil: none of this process' wait.
local function learn_refunds(binding)
  if report.refused > 0 then
    set('refunds', 0)
    set('no_refunds_until', now + TUNING.refund_pause * SECOND)
    set('token_bound_since', nil)
  elseif binding == TOKENS then
    if not state.token_bound_since or now - state.token_bound_at > TUNING.refund_silence * SECOND then
      restart_minute()
    end
    set('token_bound_at', now)
    note_remaining()
    judge_minute()
  elseif binding or others.waiting == 0 then
    set('token_bound_since', nil)
  end
end
