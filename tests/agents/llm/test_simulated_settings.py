"""The parameter `simulated`: what it accepts, and what it says about mistakes."""

from typing import Any

import pytest

from agents.llm.client import LLMClient
from agents.llm.providers.base import ProviderConfig
from agents.llm.registry import provider_type
from workers.errors import ErrorCode, InvalidInput, WorkError

from .calls import ask

SIMULATED = provider_type("simulated")


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"seed": -3, "latency": 0, "tokens_per_second": 40, "reply": "echo"},
        {"latency": {"distribution": "uniform", "low": 1, "high": 2}, "first_token": 0.1},
        {"latency": {"distribution": "lognormal", "median": 1, "sigma": 0.5, "max": 10}},
        {"latency": {"distribution": "exponential", "mean": 1}, "output_tokens": {"distribution": "fixed", "value": 9}},
        {"errors": {"rate_limited": 0.5, "server_error": 0.5, "retry_after": 2}},
        {"keywords": {"billing": ["invoice", "charged twice"]}},
        {"mismatch": 0.25},
        {"tool_calls": [{"name": "now"}, [{"name": "now", "arguments": {}}, {"name": "x", "arguments": "{broken"}]]},
    ],
)
def test_valid_settings_pass(settings: dict[str, Any]):
    SIMULATED.check_parameters("sim-small", {"simulated": settings})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (None, "parameters.simulated must be an object"),
        ([], "parameters.simulated must be an object"),
        ({"sede": 1}, "parameters.simulated.sede is not a setting; allowed: errors, first_token, keywords"),
        ({"seed": "a"}, "parameters.simulated.seed must be a whole number"),
        ({"latency": -1}, "parameters.simulated.latency must be a number from 0 to 86400, not -1"),
        ({"latency": {"distribution": "normal"}}, "latency.distribution must be one of: fixed, uniform, lognormal"),
        ({"latency": {"distribution": ["fixed"]}}, "latency.distribution must be one of"),
        ({"latency": {"median": 1}}, "latency.distribution must be one of"),
        ({"latency": {"distribution": "uniform", "low": 1}}, "latency.high is missing; uniform needs: low, high"),
        ({"latency": {"distribution": "fixed", "mean": 1}}, "latency.mean is not a setting"),
        ({"latency": {"distribution": "lognormal", "median": 1, "sigma": 11}}, "sigma must be a number from 0 to 10"),
        ({"tokens_per_second": 0}, "tokens_per_second must be a number"),
        ({"output_tokens": 1e9}, "output_tokens must be a number from 0 to 1e+06"),
        ({"errors": {"rate_limit": 0.5}}, "errors.rate_limit is not a setting; allowed: bad_response"),
        ({"errors": {"poison": 0.5}}, "errors.poison is not a setting"),
        ({"errors": {"limit_steps": 0.5}}, "errors.limit_steps is not a setting"),
        ({"errors": {"timeout": 1.5}}, "errors.timeout must be a number from 0 to 1, not 1.5"),
        ({"errors": {"timeout": 0.6, "connection": 0.6}}, "errors must not add up to more than 1"),
        ({"errors": ["timeout"]}, "errors must be an object"),
        ({"reply": "shout"}, "reply must be one of: text, echo, invalid; not 'shout'"),
        ({"keywords": {"a": "b"}}, "keywords.a must be a list of words"),
        ({"tool_calls": {"name": "now"}}, "tool_calls must be a list of steps"),
        ({"tool_calls": [[]]}, "tool_calls[0] must hold at least one call"),
        ({"tool_calls": [{"arguments": {}}]}, "tool_calls[0].name is missing"),
        ({"tool_calls": [{"name": "a", "arguments": 3}]}, "tool_calls[0].arguments must be an object or a text"),
        ({"tool_calls": ["now"]}, "tool_calls[0] must be an object"),
    ],
)
async def test_mistake_is_named_and_fails_a_call_as_well(settings: Any, message: str):
    with pytest.raises(InvalidInput) as caught:
        SIMULATED.check_parameters("sim-small", {"simulated": settings})
    assert message.replace("; not", ", not") in str(caught.value)
    if settings is not None:
        with pytest.raises(WorkError) as failed:
            await LLMClient(SIMULATED.connect(ProviderConfig())).complete(ask(parameters={"simulated": settings}))
        assert failed.value.code is ErrorCode.INVALID_REQUEST


def test_it_needs_no_key_and_its_models_have_prices_but_no_limits():
    assert SIMULATED.needs_key is False
    small, large = SIMULATED.defaults("sim-small"), SIMULATED.defaults("sim-large")
    assert small.input_price
    assert large.output_price > small.output_price
    assert small.requests_per_minute is small.tokens_per_minute is small.max_concurrency is None
