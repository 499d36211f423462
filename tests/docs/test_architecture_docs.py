"""docs/architecture.md is true to the code: modules, functions, models, states, durations, diagrams."""

import re

import pytest
from django.apps import apps
from django.db.models import Model

from batches import creating, ids, waiting
from batches.execution import (
    agents_cache,
    heartbeat,
    host,
    lanes,
    leadership,
    lease_loop,
    leases,
    live,
    maintenance,
    turns,
)
from batches.quarantine import slice as quarantine_slice
from batches.reading import claim
from batches.states import BatchState, Priority, RunState
from workers.ratelimit.tuning import Tuning

from .documents import DOCUMENTS, DOTTED, PACKAGES, blocks, one_line, resolve, text_of

TEXT = text_of("docs/architecture.md")
ONE_LINE = one_line(TEXT)
DIAGRAMS = {"flowchart", "erDiagram", "stateDiagram-v2", "sequenceDiagram"}
MODELS = {model.__name__: model for name in PACKAGES[1:] for model in apps.get_app_config(name).get_models()}


@pytest.mark.parametrize("name", sorted(set(DOTTED.findall(TEXT))))
def test_every_module_that_is_named_exists(name: str) -> None:
    resolve(name)


@pytest.mark.parametrize(("member", "module"), re.findall(r"`(\w+(?:\.\w+)?)` in\s+`([\w.]+)`", TEXT))
def test_what_is_said_to_be_in_a_module_is_there(member: str, module: str) -> None:
    resolve(f"{module}.{member}")


def test_enough_modules_are_named_for_the_check_to_mean_something() -> None:
    assert len(set(DOTTED.findall(TEXT))) > 40


def test_every_step_of_maintenance_is_told() -> None:
    assert len(maintenance.STEPS) > 5
    names = [step.__name__ for step in maintenance.STEPS]
    told = re.findall(r"`(\w+)`", ONE_LINE.partition("Steps, in this order:")[2].partition("Two leaders")[0])
    assert [name for name in told if name in names] == names


def test_every_diagram_is_of_a_known_kind_and_says_something() -> None:
    found = [block.split() for path in DOCUMENTS for block in blocks(path.read_text(), "mermaid")]
    assert {words[0] for words in found} == DIAGRAMS
    assert all(len(words) > 10 for words in found)


@pytest.mark.parametrize("block", blocks(TEXT, "mermaid"), ids=lambda block: block.split()[0])
def test_every_diagram_closes_what_it_opens(block: str) -> None:
    plain = re.sub(r'"[^"\n]*"|[|}][|o]--[|o]\{', "", block)
    assert all(plain.count(left) == plain.count(right) for left, right in ("()", "[]", "{}"))
    assert block.count('"') % 2 == 0
    opened = re.findall(r"^\s*(?:loop|alt|opt|par|subgraph)\b", block, re.MULTILINE)
    assert len(opened) == len(re.findall(r"^\s*end$", block, re.MULTILINE))


def diagram(kind: str) -> str:
    (block,) = (block for block in blocks(TEXT, "mermaid") if block.startswith(kind))
    return block


def test_the_layers_are_drawn_in_the_order_of_the_import_contract() -> None:
    (contract,) = re.findall(r"^layers = \[(.+)\]$", text_of("pyproject.toml"), re.MULTILINE)
    assert " --> ".join(re.findall(r'"(\w+)"', contract)) in TEXT


def test_the_data_model_shows_every_model_and_no_other() -> None:
    words = re.sub(r'"[^"\n]*"|: .*$| PK', "", diagram("erDiagram"), flags=re.MULTILINE)
    assert set(re.findall(r"\b[A-Z]\w+\b", words)) == set(MODELS)


def test_the_data_model_shows_real_fields() -> None:
    entities = re.findall(r"^    (\w+) \{\n(.*?)^    \}", diagram("erDiagram"), re.MULTILINE | re.DOTALL)
    assert len(entities) >= 5
    for name, body in entities:
        fields = {field.name for field in MODELS[name]._meta.get_fields()}
        assert set(re.findall(r"^\s+\w+ (\w+)", body, re.MULTILINE)) <= fields, name


def relations() -> list[tuple[str, str]]:
    return re.findall(r"^    (\w+) [|o]{2}--o\{ (\w+) :", diagram("erDiagram"), re.MULTILINE)


@pytest.mark.parametrize(("parent", "child"), relations())
def test_every_relation_of_the_data_model_is_a_foreign_key(parent: str, child: str) -> None:
    assert parent in {target.__name__ for target in related(MODELS[child])}


def related(model: type[Model]) -> list[type[Model]]:
    keys = (field for field in model._meta.get_fields() if field.many_to_one)
    return [field.related_model for field in keys]


def test_the_states_of_runs_are_the_real_ones() -> None:
    edges = re.findall(r"^\s+(\[\*\]|\w+) --> (\[\*\]|\w+)", diagram("stateDiagram"), re.MULTILINE)
    drawn = {state for edge in edges for state in edge} - {"[*]"}
    # The one that nothing leads to yet is named in the text.
    assert drawn | {"waiting"} == set(RunState.values)


@pytest.mark.parametrize("state", [*BatchState, *RunState])
def test_every_state_is_told(state: str) -> None:
    assert f"`{state}`" in TEXT or f" {state}" in diagram("stateDiagram")


@pytest.mark.parametrize(
    ("phrase", "value"),
    [
        ("insert_runs, {:,} rows a transaction", creating.CHUNK_ROWS),
        ("again into rows, {:,} a transaction", creating.CHUNK_ROWS),
        ("a row in `Lease` for {:g} s", leases.LEASE_SECONDS),
        ("One heartbeat every {:g} s", leases.HEARTBEAT_SECONDS),
        ("Up to {:g} due rows at a time", lease_loop.CLAIM_ROWS),
        ("at most {:g} batches at once", turns.MOST_LOOPS),
        ("After {:g} s a lease takes no more rows if no place is free for another batch", lease_loop.TURN_SECONDS),
        ("a row that is due within {:g} s", lease_loop.SHORT_WAIT_SECONDS),
        ("what starts in {:g} s, or in", lanes.READ_AHEAD_SECONDS),
        ("or in {:g} s where a limit binds", lanes.LIMITED_READ_AHEAD_SECONDS),
        ("one more for each {:g} s passed over", lanes.AGING_SECONDS),
        ("at most {:g} s ahead", Tuning().horizon),
        ("a start for each of them within {:g} s", Tuning().horizon),
        ("one probe through every {:g} s", Tuning().probe_pause),
        ("outcomes of up to {:g} ms", host.GROUP_COMMIT_SECONDS * 1000),
        ("ms, at most {:g}, into one transaction", host.GROUP_COMMIT_ROWS),
        ("looked at every {:g} s", heartbeat.REFRESH_SECONDS),
        ("its cache of agents ({:g} s,", agents_cache.FRESH_SECONDS),
        ("these keep waiting for {:g} s", quarantine_slice.PATIENCE_SECONDS),
        ("runs every {:g} s in every worker process", maintenance.SWEEP_SECONDS),
        ("(`Leadership`, {:g} s,", leadership.LEADERSHIP_SECONDS),
        ("single runs untaken for {:g} s", maintenance.UNTAKEN_SECONDS),
        ("fails after {:g} s without a new chunk", maintenance.ABANDONED_SECONDS),
        ("due later than in {:g} s ends the task", host.SHORT_DELAY_SECONDS),
        ("claims it for {:g} s, which it renews", claim.CLAIM_SECONDS),
        ("After {:g} s without a sign another worker", claim.CLAIM_SECONDS),
        ("Who waits for a run looks at its row every {:g} s", waiting.LOOK_SECONDS),
        ("pieces, at most {:g} a second", 1 / live.PIECE_SECONDS),
        ("at most {:,} rows", ids.MAX_BATCH_ROWS),
    ],
)
def test_the_figures_are_those_of_the_code(phrase: str, value: float) -> None:
    assert phrase.format(value) in ONE_LINE


def test_the_priorities_are_as_many_as_the_data_model_says() -> None:
    assert f'int priority "{min(Priority.values)} to {max(Priority.values)}"' in diagram("erDiagram")
