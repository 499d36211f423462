"""A provider that calls nobody: seeded answers with realistic latency, sizes and errors. It needs no key.

An agent sets it up in its parameter `simulated`, an object; every field may be left out:

- `seed`: a whole number; another seed gives other answers. Default 0.
- `latency`: the seconds that a call takes, a number or a distribution. Default: lognormal, median 0.8, sigma 0.35.
- `first_token`: the seconds until the first text, and until an injected error; a number or a distribution.
  Default: a quarter of the latency.
- `tokens_per_second`: the speed after the first token; a call then takes first_token + tokens / speed, and `latency`
  does not count. Default: the text is spread evenly over the latency.
- `output_tokens`: the length of a text, a number or a distribution. Default: lognormal, median 60, sigma 0.4.
- `errors`: probability by error code, e.g. `{"rate_limited": 0.02, "server_error": 0.01, "retry_after": 2}`, where
  `retry_after` (seconds) comes with rate_limited and overloaded. Default: none.
- `reply`: `text` (the default; JSON where the call has an output schema), `echo` (the last user message verbatim,
  whatever max_tokens or a schema say) or `invalid` (JSON that breaks the schema).
- `mismatch`: the probability that an answer to an output schema breaks it. It is drawn from the messages, so that a
  model that is asked again, with its broken answer before it, draws anew. Default 0.
- `keywords`: `{"option": ["word", ...]}`, words that speak for an option of an enum beside the option's own.
- `tool_calls`: steps to play back before the answer, each `{"name": ..., "arguments": {...}}` or a list of these.

A distribution is `{"distribution": "fixed", "value": v}`, `{"distribution": "uniform", "low": a, "high": b}`,
`{"distribution": "lognormal", "median": m, "sigma": s}` or `{"distribution": "exponential", "mean": m}`, with an
optional `max`.

All but errors follows from the seed, the model and the messages alone: the same call has the same answer, usage and
latency in every process. Errors are drawn from these and the number of the call in this client, so that a call that
failed can succeed when it is tried again, and a single client called in the same order fails at the same places.
"""

from .kind import PROVIDER as PROVIDER
