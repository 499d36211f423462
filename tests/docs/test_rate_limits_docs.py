"""docs/rate-limits.md is true to the limiter: constants, states, log events, names of the code."""

import dataclasses
import re

import pytest

from agents.llm import rate_headers, tokens
from batches.execution import agents_cache, blocks, dispatcher, gate, heartbeat, lanes, lease_loop, retry_budget, turns
from batches.execution.executor import PAUSING_CODES
from batches.states import Priority
from credentials.limits import ModelState
from workers.ratelimit import limiter
from workers.ratelimit.readout import BucketState
from workers.ratelimit.tuning import Tuning
from workers.ratelimit.types import Binding

from .documents import DOTTED, ROOT, one_line, resolve, sections, text_of

TEXT = text_of("docs/rate-limits.md")
ONE_LINE = one_line(TEXT)
SECTIONS = sections(TEXT)
TUNING = Tuning()
# Words of the limiter's output that are no names of fields.
OTHER_WORDS = {"now"}


@pytest.mark.parametrize("name", sorted(set(DOTTED.findall(TEXT))))
def test_every_name_of_the_code_in_the_limits_document_exists(name: str) -> None:
    resolve(name)


def test_every_binding_is_told_in_the_table_and_no_other() -> None:
    table = [line for line in SECTIONS["Reading them"].splitlines() if line.startswith("| `")]
    first = {name for line in table for name in re.findall(r"`(\w+)`", line.split("|")[1])}
    events = {name for name in first if "_" in name}
    assert first - events == {str(binding) for binding in Binding} | {"unknown"}


def test_every_field_of_a_buckets_state_is_told_and_no_other() -> None:
    sentence = ONE_LINE.partition("With `--json` there is more:")[2].partition("A bucket that nobody used")[0]
    told = set(re.findall(r"`(\w+)`", sentence)) - OTHER_WORDS
    assert told == {field.name for field in dataclasses.fields(BucketState)}
    assert {field.name for field in dataclasses.fields(ModelState)} >= OTHER_WORDS


@pytest.mark.parametrize(
    ("event", "module"),
    [
        ("limit_reached", "batches/execution/dispatcher.py"),
        ("limit_lifted", "batches/execution/dispatcher.py"),
        ("limiter_unreachable", "batches/execution/dispatcher.py"),
        ("provider_refused", "batches/execution/blocks.py"),
        ("block_untold", "batches/execution/blocks.py"),
        ("block_unheard", "workers/ratelimit/blocks.py"),
        ("run_retried", "batches/execution/executor.py"),
        ("batch_paused", "batches/execution/storing.py"),
    ],
)
def test_every_log_event_that_is_told_is_logged_there(event: str, module: str) -> None:
    assert f"`{event}`" in SECTIONS["Reading them"]
    assert f'"{event}"' in (ROOT / module).read_text(encoding="utf-8")


def test_every_priority_is_told() -> None:
    assert all(f"`{priority.label.lower()}`" in SECTIONS["Who goes first"] for priority in Priority)


def test_every_code_that_pauses_a_batch_is_told() -> None:
    assert all(f"`{code}`" in SECTIONS["What pauses a batch"] for code in PAUSING_CODES)


def test_the_proof_holds_with_the_limiters_numbers() -> None:
    """n - 1 < margin * (window + lateness + catch-up) / 60 * L, which has to be less than L."""
    share = TUNING.margin * (TUNING.window + TUNING.lateness + TUNING.catch_up) / TUNING.window
    assert share < 1


@pytest.mark.parametrize(
    ("phrase", "value"),
    [
        ("at most {:g} s old", agents_cache.FRESH_SECONDS),
        ("Calls have waited for {:g} s", dispatcher.TOLD_AFTER_SECONDS),
        ("may start within the next {:g} s", TUNING.horizon),
        ("all that can have been granted before ({:g} s)", TUNING.horizon),
        ("twice in {:g} s by each process", TUNING.horizon),
        ("nothing is saved up but {:g} s", TUNING.catch_up),
        ("(n - 1) / r - {:g} s after the first", TUNING.catch_up),
        ("Calls are paced at {:g}% of a limit", TUNING.margin * 100),
        ("r = {:g} L / 60", TUNING.margin),
        ("No window of {:g} s exceeds", TUNING.window),
        ("may reach the provider up to {:g} s after its start", TUNING.lateness),
        ("started within {:g} s", TUNING.window + TUNING.lateness),
        ("· {:g} / 60 · L < L", TUNING.window + TUNING.lateness + TUNING.catch_up),
        ("which took longer than {:g} s", limiter.STALE_ANSWER),
        ("a start whose time is {:g} s past", dispatcher.LATE_SECONDS),
        ("in slices of {:g} s", TUNING.slice),
        ("({:g} bytes a token,", tokens.BYTES_PER_TOKEN),
        ("{:g} tokens a message", tokens.TOKENS_PER_MESSAGE),
        ("({:g} until answers came)", gate.FIRST_ANSWER_TOKENS),
        ("have kept calls waiting for {:g} s, while", TUNING.refund_after),
        ("more than {:g}% was left", TUNING.refund_remaining * 100),
        ("A 429 ends that for {:g} s", TUNING.refund_pause),
        ("up to {:g} s it is taken as it is", rate_headers.SHORTEST_MINUTE),
        ("up to {:g} s for a minute", rate_headers.LONGEST_MINUTE),
        ("limits over more than {:g} s are ignored", rate_headers.LONGEST_MINUTE),
        ("is forgotten after {:g} s", TUNING.told_ttl),
        ("not heard of for {:g} s holds none", TUNING.process_ttl),
        ("its part of the ceiling for {:g} s", TUNING.settling),
        ("a silence of all ({:g} s:", TUNING.process_ttl / 2),
        ("each counts for {:g} s more", TUNING.settling),
        ("below a ceiling after {:g} s", TUNING.ceiling_retry),
        ("each time up to {:g} s, and at once", TUNING.longest_ceiling_retry),
        ("without one {:g} s, then twice as long", gate.FIRST_REFUSAL_SECONDS),
        ("further refusal, up to {:g} s", gate.LONGEST_REFUSAL_SECONDS),
        ("if it is {:g} s or more", blocks.WORTH_STORING_SECONDS),
        ("up to 60 s. {:g} s are added", blocks.NEWS_SECONDS),
        ("or is slow for {:g} s", TUNING.slow_after),
        ("stay slower than {:g}% of what they were", TUNING.slow_gain * 100),
        ("each token {:g} times the best", TUNING.slow_factor),
        ("mean call {:g} s longer than the best", TUNING.slow_extra),
        ("are cut to {:g}%", TUNING.cut_share * 100),
        ("never below {:g}, and", TUNING.slow_floor),
        ("mean latency ({:g} s at least)", TUNING.cut_pause),
        ("When {:g} calls or more", TUNING.breaker_failures),
        ("and {:g}% of all, have failed", TUNING.breaker_share * 100),
        ("within {:g} to", TUNING.breaker_slice),
        ("to {:g} s (server errors", 2 * TUNING.breaker_slice),
        ("only one call every {:g} s goes", TUNING.probe_pause),
        ("with a ceiling of {:g}, which", TUNING.reopened_ceiling),
        ("in flight before ({:g} at least)", TUNING.reopened_threshold),
        ("but {:g} a second always", retry_budget.LEAST_PER_SECOND),
        ("or see it within about {:g} s", heartbeat.REFRESH_SECONDS),
        ("one priority higher after each {:g} s", lanes.AGING_SECONDS),
        ("it takes part for {:g} s", lanes.BOOST_SECONDS),
        ("what starts in {:g} s, or", lanes.READ_AHEAD_SECONDS),
        ("or in {:g} s where a limit binds", lanes.LIMITED_READ_AHEAD_SECONDS),
        ("from {:g} to", lanes.LEAST_READ_AHEAD),
        ("to {:g} rows. Rows", lanes.MOST_READ_AHEAD),
        ("works on {:g} batches at once", turns.MOST_LOOPS),
        ("turn ends after {:g} s", lease_loop.TURN_SECONDS),
    ],
)
def test_the_figures_of_the_limits_are_those_of_the_code(phrase: str, value: float) -> None:
    assert phrase.format(value) in ONE_LINE


def test_retries_are_half_of_the_answers_as_told() -> None:
    assert retry_budget.SHARE == 0.5
    assert "at most half as often as it got answers in the last 10 s" in ONE_LINE
