from decimal import Decimal

import pytest

from agents.validation import checked_content
from tests.support.factories import make_credential, make_user
from workers.errors import InvalidInput

pytestmark = pytest.mark.django_db


@pytest.fixture
def user():
    user = make_user()
    make_credential(user, name="sim")
    make_credential(user, name="off", is_active=False)
    return user


def checked(user, **changes):
    return checked_content(user, {}, {"credential": "sim", "model": "sim-1", "prompt": "{{ a }}", **changes})


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"credential": ""}, "credential is required"),
        ({"credential": None}, "credential is required"),
        ({"credential": "simm"}, "Did you mean 'sim'"),
        ({"credential": "a\x00"}, "credential holds a NUL"),
        ({"credential": "off"}, "credential: 'off' is disabled"),
        ({"model": " "}, "model is required"),
        ({"model": "a\nb"}, "model is required"),
        ({"model": "x" * 201}, "model has 201 characters; at most 200"),
        ({"model": 5}, "model is int, not text"),
        ({"prompt": None}, "prompt is required"),
        ({"prompt": " \n"}, "prompt is required"),
        ({"prompt": "a\x00"}, "prompt holds a NUL"),
        ({"prompt": "\ud800"}, "prompt holds half a surrogate"),
        ({"prompt": "x" * 1_000_001}, "at most 1000000"),
        ({"instructions": ["x"]}, "instructions is list"),
        ({"parameters": []}, "parameters must be a JSON object"),
        ({"parameters": {"seed": float("nan")}}, r"parameters at \$\.seed: not a finite number"),
        ({"parameters": {"stop": ["\x00"]}}, r"parameters at \$\.stop\[0\]: holds a NUL"),
        ({"parameters": {"stop": object()}}, "not JSON"),
        ({"parameters": {"stop": "x" * 70_000}}, "larger than 65536"),
        ({"parameters": {"simulated": {"latency": "slow"}}}, "latency"),
        ({"parameters": {"base_url": "http://127.0.0.1"}}, "base_url"),
        ({"output_schema": []}, "output_schema must be a JSON object"),
        ({"output_schema": {"type": "strin"}}, r"output_schema at \$\.type"),
        ({"abilities": "now"}, "abilities must be a list"),
        ({"abilities": ["shell"]}, "abilities: there is no ability 'shell'"),
        ({"abilities": [{"name": "now"}]}, "abilities"),
        ({"limits": {"max_step": 1}}, "limits.max_step is not a limit; allowed: max_steps"),
        ({"limits": [1]}, "limits must be an object"),
        ({"limits": {"max_steps": 0}}, "limits.max_steps must be a whole number from 1 to 1000, not 0"),
        ({"limits": {"max_steps": 1.5}}, "limits.max_steps must be a whole number"),
        ({"limits": {"max_steps": True}}, "limits.max_steps"),
        ({"limits": {"max_steps": None}}, "limits.max_steps"),
        ({"limits": {"max_tokens": 0}}, "limits.max_tokens"),
        ({"limits": {"max_tokens": 2**31}}, "limits.max_tokens"),
        ({"limits": {"max_seconds": 0}}, "limits.max_seconds must be a number from 0.1"),
        ({"limits": {"max_seconds": float("nan")}}, "limits.max_seconds"),
        ({"limits": {"max_seconds": float("inf")}}, "limits.max_seconds"),
        ({"limits": {"max_seconds": "60"}}, "limits.max_seconds"),
        ({"limits": {"max_cost": -1}}, "limits.max_cost"),
        ({"limits": {"max_cost": "ten"}}, "limits.max_cost"),
        ({"limits": {"max_cost": Decimal("NaN")}}, "limits.max_cost"),
        ({"limits": {"max_cost": Decimal("1e99")}}, "limits.max_cost"),
        ({"limits": {"max_cost": "0.0000001"}}, "at most 6 decimals"),
        ({"limits": {"max_cost": True}}, "limits.max_cost"),
        ({"retry": {"tries": 3}}, "retry.tries is not a setting"),
        ({"retry": {"strategy": "never"}}, "retry.strategy must be one of"),
        ({"retry": "fixed"}, "retry must be an object"),
    ],
)
def test_what_is_wrong_is_named_by_its_field(user, changes, told):
    with pytest.raises(InvalidInput, match=told):
        checked(user, **changes)


@pytest.mark.parametrize(
    ("given", "stored"),
    [(0.1, "0.1"), ("0.10", "0.1"), (1, "1"), (0, "0"), (Decimal("999999.999999"), "999999.999999")],
)
def test_money_is_exact(user, given, stored):
    assert checked(user, limits={"max_cost": given})["max_cost"] == Decimal(stored)


def test_code_in_a_definition_is_only_text(user):
    hostile = "__import__('os').system('touch /tmp/owned') {{ x.__class__ }} {0.__init__} {% load x %}"

    content = checked(user, prompt=hostile, instructions=hostile, output_schema={"description": hostile})

    assert (content["prompt"], content["instructions"]) == (hostile, hostile)
    assert content["output_schema"] == {"description": hostile}


def test_abilities_are_written_in_one_way(user):
    assert checked(user, abilities=(" calculator() ", "now"))["abilities"] == ["calculator", "now"]
