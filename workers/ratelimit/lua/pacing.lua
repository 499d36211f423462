-- Even pacing of requests and tokens (GCRA): each has a theoretical arrival time, before which no call starts.

local request_gap, token_time, minute_tokens

-- The lower of the configured limit and the one that the provider told; 0: none.
local function effective(configured, told, told_at)
  if told and now - told_at < TUNING.told_ttl * SECOND and (configured == 0 or told < configured) then return told end
  return configured
end

local function learn_told_limits()
  if report.told_requests > 0 then
    set('told_requests', report.told_requests)
    set('told_requests_at', now)
  end
  if report.told_tokens > 0 then
    set('told_tokens', report.told_tokens)
    set('told_tokens_at', now)
  end
end

local function find_rates()
  local requests = effective(max_requests, state.told_requests, state.told_requests_at)
  local tokens = effective(max_tokens, state.told_tokens, state.told_tokens_at)
  if requests > 0 then request_gap = 60 * SECOND / (TUNING.margin * requests) end
  if tokens > 0 then
    token_time = 60 * SECOND / (TUNING.margin * tokens)
    minute_tokens = tokens
  end
end

-- What a call is paced by: more than a whole window's tokens would never fit, so it goes alone in a window.
local function paced_cost(cost)
  return math.min(cost, minute_tokens * TUNING.window / 60)
end

-- Where starts may have been forgotten, the next comes after all that can have been granted.
local function push_arrivals(has_lost)
  local after = now + TUNING.horizon * SECOND
  -- The last forgotten call has not been paid for either.
  if request_gap then set('request_at', math.max(state.request_at or 0, after + (has_lost and request_gap or 0))) end
  if token_time then set('token_at', math.max(state.token_at or 0, after)) end
end

-- After a minute without a start nothing is left to wait for. Clocks that jump back would make longer waits.
local function bound_arrivals()
  local last = now + (60 / TUNING.margin + TUNING.horizon) * SECOND
  if (state.request_at or 0) > last then set('request_at', last) end
  if (state.token_at or 0) > last then set('token_at', last) end
end

-- Charged minus reserved: tokens that were not expected are paid later, those given back are free again.
local function settle_tokens()
  if not token_time or report.tokens == 0 then return end
  set('token_at', (state.token_at or now) + report.tokens * token_time)
  if state.turn then add('turn_since', report.tokens * token_time) end
end

-- The earliest start of a call and what keeps it, from `floor` on.
local function paced_start(floor, reason)
  local start, binding = floor, reason
  if request_gap and (state.request_at or 0) > start then start, binding = state.request_at, REQUESTS end
  if token_time and (state.token_at or 0) > start then start, binding = state.token_at, TOKENS end
  return start, binding
end

-- Pays for a call. `since`: from when on the tokens of a call that had the turn accrued; nil: it had none.
local function pay(start, cost, since)
  local caught_up = start - TUNING.catch_up * SECOND
  if request_gap then set('request_at', math.max(state.request_at or 0, caught_up) + request_gap) end
  if not token_time then return end
  local needed = paced_cost(cost) * token_time
  if since then
    set('token_at', math.max(state.token_at or 0, since - TUNING.catch_up * SECOND + needed))
    return
  end
  set('token_at', math.max(state.token_at or 0, caught_up) + needed)
  -- What goes beside a large call takes its own tokens from that one's share, not the time that it has waited.
  if state.turn then add('turn_since', needed) end
end
