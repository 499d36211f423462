"""The check of an agent's parameters before anything runs."""

from typing import Any

import pytest

from agents.llm.parameters import answer_limit
from agents.llm.registry import provider_names, provider_type
from workers.errors import InvalidInput


# Anthropic has names and ranges of its own: test_anthropic_requests.
@pytest.fixture(params=[name for name in provider_names() if name != "anthropic"])
def check(request: pytest.FixtureRequest):
    kind = provider_type(request.param)
    return lambda parameters: kind.check_parameters("a-model", parameters)


def test_usual_parameters_pass(check):
    check({})
    check(
        {
            "temperature": 0.2,
            "top_p": 1,
            "max_tokens": 100,
            "seed": 7,
            "stop": ["\n", "END"],
            "reasoning_effort": "low",
            "parallel_tool_calls": False,
            "extra_body": {"top_k": 5, "provider": {"order": ["a"]}},
        }
    )


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"temperature": "hot"}, "parameters.temperature must be a number from 0 to 2, not 'hot'"),
        ({"temperature": True}, "parameters.temperature must be a number"),
        ({"temperature": float("nan")}, "parameters.temperature must be a number"),
        ({"temperature": 2.1}, "from 0 to 2, not 2.1"),
        ({"max_tokens": 0}, "parameters.max_tokens must be a whole number from 1"),
        ({"max_tokens": 1.5}, "whole number"),
        ({"stop": ["a"] * 5}, "parameters.stop must be a text or a list of 1 to 4 texts"),
        ({"tool_choice": "always"}, "parameters.tool_choice must be"),
        ({"extra_body": [1]}, "parameters.extra_body must be an object"),
        ({"extra_body": {"x": [float("nan")]}}, "parameters.extra_body must be an object whose numbers are finite"),
        ({"logit_bias": {"1": 2**70}}, "parameters.logit_bias must be an object whose numbers"),
        ({"extra_body": {"model": "other"}}, "parameters.extra_body.model cannot be set"),
        ({"extra_body": {"stream": True}}, "parameters.extra_body.stream cannot be set"),
        ({"extra_body": {"max_tokens": 9}}, "extra_body.max_tokens cannot be set: set max_tokens itself"),
        (
            {"max_tokens": 9, "extra_body": {"max_completion_tokens": 9}},
            "extra_body.max_completion_tokens cannot be set: set max_completion_tokens itself",
        ),
    ],
)
def test_wrong_value_is_named_with_what_is_allowed(check, parameters: dict[str, Any], message: str):
    with pytest.raises(InvalidInput) as caught:
        check(parameters)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "name",
    ["model", "messages", "tools", "stream", "base_url", "api_key", "extra_headers", "headers", "timeout", "n"],
)
def test_agent_cannot_set_where_a_call_goes_or_what_it_means(check, name: str):
    with pytest.raises(InvalidInput, match=rf"parameters\.{name} is not a setting; allowed: .*temperature"):
        check({name: "http://elsewhere"})


def test_long_value_is_shortened(check):
    with pytest.raises(InvalidInput) as caught:
        check({"temperature": "x" * 100_000})
    assert len(str(caught.value)) < 200


def test_simulated_settings_are_not_openais():
    with pytest.raises(InvalidInput, match=r"parameters\.simulated is not a setting"):
        provider_type("openai").check_parameters("m", {"simulated": {}})


def test_the_limit_of_an_answer_is_the_newer_parameter_where_both_are_set():
    assert answer_limit({"temperature": 0}) is None
    assert answer_limit({"max_tokens": 5}) == 5
    assert answer_limit({"max_tokens": 5, "max_completion_tokens": 7}) == 7
