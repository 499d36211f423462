import asyncio
import threading
import time
from collections.abc import Iterator

import pytest
import structlog

from agents.abilities import ability, ability_names, get_ability, granted, registry, resolve
from agents.abilities.granted import MAX_RESULT_CHARACTERS
from workers.errors import InvalidInput


@pytest.fixture
def own_abilities(monkeypatch) -> Iterator[None]:
    """Abilities of this module only; they are gone afterwards."""
    monkeypatch.setattr(registry, "_abilities", dict(registry._loaded()))
    granted._resolve.cache_clear()
    yield
    granted._resolve.cache_clear()


async def test_a_granted_ability_is_called():
    result = await resolve(["calculator"]).call("calculator", '{"expression": "6*7"}')

    assert (result.text, result.is_error) == ("42", False)


def test_the_first_two_abilities():
    assert set(ability_names()) >= {"calculator", "now"}
    assert get_ability("now").spec.parameters["required"] == []


def test_what_the_model_sees():
    (spec,) = resolve(["calculator"]).specs

    assert spec.name == "calculator"
    assert spec.description.startswith("Compute an arithmetic expression exactly.")
    assert spec.parameters["required"] == ["expression"]
    assert "brackets" in spec.parameters["properties"]["expression"]["description"]


@pytest.mark.parametrize("arguments", ["", "{}"])
async def test_an_ability_without_arguments(arguments):
    result = await resolve(["now"]).call("now", arguments)

    assert not result.is_error


async def test_a_tool_that_was_not_granted_is_refused_and_logged_without_its_arguments():
    with structlog.testing.capture_logs() as logs:
        result = await resolve(["now"]).call("calculator", '{"expression": "SECRET"}')

    assert result.is_error
    assert result.text == "Error: there is no tool 'calculator'; available: now"
    assert [(entry["event"], entry["log_level"], entry["ability"]) for entry in logs] == [
        ("ability_refused", "warning", "calculator")
    ]
    assert "SECRET" not in str(logs)


async def test_without_abilities_every_tool_is_refused():
    result = await resolve([]).call("x" * 10_000, "{}")

    assert result.is_error
    assert len(result.text) < 200


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "[] is not of type 'object'"),
        ("{}", "'expression' is a required property"),
        ('{"expression": 5}', "at $.expression: 5 is not of type 'string'"),
        ('{"expression": "1", "file": "x"}', "'file' was unexpected"),
        ('{"expression": "\\u0000"}', "NUL"),
        ('{"expression": "1/0"}', "division by zero"),
    ],
)
async def test_wrong_arguments_become_a_text_that_helps_the_model(arguments, told):
    result = await resolve(["calculator"]).call("calculator", arguments)

    assert result.is_error
    assert result.text.startswith("Error: ")
    assert told in result.text


@pytest.mark.parametrize(
    ("grants", "told"),
    [
        (["calculater"], "Did you mean 'calculator'"),
        (["shell"], "Available: calculator, now"),
        (["calculator(digits=3)"], "'digits' is not a setting of it; allowed: none"),
        (["now", "now()"], "granted twice"),
        (["now("], "must look like"),
        (["now"] * 33, "at most 32"),
        ("now", "list of texts"),
        ([{"name": "now"}], "list of texts"),
    ],
)
def test_grants_that_make_no_sense_are_refused(grants, told):
    with pytest.raises(InvalidInput, match=told):
        resolve(grants)


async def test_settings_are_fixed_by_the_grant(own_abilities):
    @ability
    async def shout(text: str, *, times: int = 1) -> dict[str, str]:
        """Shout.

        Args:
            text: What.
        """
        return {"said": text.upper() * times}

    abilities = resolve(["shout(times=2)"])

    assert "times" not in abilities.specs[0].parameters["properties"]
    assert (await abilities.call("shout", '{"text": "ä"}')).text == '{"said":"ÄÄ"}'
    assert (await abilities.call("shout", '{"text": "a", "times": 9}')).is_error
    with pytest.raises(InvalidInput, match="setting times: 'two' is not of type 'integer'"):
        resolve(["shout(times='two')"])


async def test_an_unforeseen_error_tells_the_model_its_kind_only(own_abilities):
    @ability
    def leak() -> str:
        """Fail."""
        raise RuntimeError("password=hunter2")

    with structlog.testing.capture_logs() as logs:
        result = await resolve(["leak"]).call("leak", "")

    assert (result.text, result.is_error) == ("Error: leak failed (RuntimeError)", True)
    assert "hunter2" not in str(logs)


async def test_a_long_result_is_cut(own_abilities):
    @ability
    def flood() -> str:
        """Write much."""
        return "x" * 1_000_000

    text = (await resolve(["flood"]).call("flood", "")).text

    assert len(text) < MAX_RESULT_CHARACTERS + 100
    assert text.endswith("[cut: the result has 1000000 characters]")


async def test_a_plain_function_does_not_hold_up_the_loop(own_abilities):
    release = threading.Event()

    @ability
    def slow() -> str:
        """Wait."""
        return str(release.wait(10))

    call = asyncio.create_task(resolve(["slow"]).call("slow", ""))
    await asyncio.sleep(0.05)
    assert not call.done()
    release.set()

    assert (await call).text == "True"


async def test_an_ability_that_takes_too_long_is_told_to_the_model(own_abilities, monkeypatch):
    monkeypatch.setattr(granted, "CALL_SECONDS", 0.05)

    @ability
    async def endless() -> str:
        """Never end."""
        await asyncio.Event().wait()
        return ""

    started = time.perf_counter()
    result = await resolve(["endless"]).call("endless", "")

    assert result.is_error
    assert "no result within 0.05 s" in result.text
    assert time.perf_counter() - started < 2


async def test_cancellation_passes_through(own_abilities):
    @ability
    async def endless() -> str:
        """Never end."""
        await asyncio.Event().wait()
        return ""

    call = asyncio.create_task(resolve(["endless"]).call("endless", ""))
    await asyncio.sleep(0.01)
    call.cancel()

    with pytest.raises(asyncio.CancelledError):
        await call


def test_a_name_is_taken_once_and_needs_a_docstring(own_abilities):
    def now() -> str:
        """Another."""
        return ""

    def silent() -> str:
        return ""

    with pytest.raises(TypeError, match="already is"):
        ability(now)
    with pytest.raises(TypeError, match="docstring"):
        ability(silent)
