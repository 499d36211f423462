"""docs/api.md is true: its examples are typed against a running stack, and its tables are those of the code."""

import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

from agents.messages import MAX_MESSAGES
from agents.requests.asking import MOST_INPUTS
from agents.requests.parameters import check_fulfilled
from agents.requests.tools import MOST_TOOLS
from arboretum.api import make_api
from batches.api.batches_given import MOST_ROWS
from batches.api.runs_given import LONGEST_WAIT
from batches.endpoints import ENDPOINTS
from batches.files.rules import LONGEST_LIFE, SHORTEST_LIFE
from batches.ids import MAX_BATCH_ROWS
from batches.models import FilePurpose
from batches.news import FinishedRun
from batches.openai_api.failures import failure_of
from batches.openai_api.files import MOST_LISTED
from batches.reading.lines import LONGEST_LINE
from batches.reading.problems import MOST_PROBLEMS, ProblemCode
from batches.requests import MAX_BODY_CHARACTERS
from batches.results.batch_results import LARGEST_PAGE
from batches.states import RunState
from batches.windows import LONGEST, SHORTEST
from credentials.api.bodies import LONGEST_BODY
from credentials.api.errors import CODES
from credentials.idempotency import KEPT, RELEASED_AFTER
from credentials.idempotency import LONGEST_BODY as LONGEST_ANSWER
from credentials.tokens import Scope
from tests.support.environment import stop_valkey
from tests.support.ports import free_port
from tests.support.provider_server.process import ProviderServer
from tests.support.waiting import wait_for
from workers.errors import ErrorCode, InvalidInput

from .command_blocks import Newcomer
from .documents import one_line, sections, text_of
from .sessions import Session, Step, session, steps

TEXT = text_of("docs/api.md")
ONE_LINE = one_line(TEXT)
UP = ".venv/bin/python manage.py up --workers 1 --port {port}"
MODELS = ["gpt-4o-mini", "text-embedding-3-small"]
USUAL = {"reply": "echo", "tool_calls": [], "faults": {}, "fault_limit": None}
OPERATIONS = re.compile(r"`((?:GET|POST|PATCH|PUT|DELETE) /[^`]*)`")


@pytest.fixture
def provider() -> Iterator[ProviderServer]:
    with ProviderServer(models=MODELS) as server:
        yield server


@pytest.fixture
def newcomer(short_folder: Path, provider: ProviderServer, tmp_path: Path) -> Iterator[Newcomer]:
    found = Newcomer(short_folder, provider.base_url)
    found.prepare(tmp_path / "made")
    yield found
    stop_valkey(found.data_dir)


@pytest.fixture
def reader(newcomer: Newcomer) -> Iterator[Session]:
    """One who reads on while `make up` runs."""
    port, log = free_port(), newcomer.data_dir / "up.log"
    stack = newcomer.start(UP.format(port=port), log)
    try:
        wait_for(lambda: "Sign in as" in log.read_text() or stack.poll() is not None, 90.0, "the stack")
        assert stack.poll() is None, log.read_text()
        with session(newcomer, f"127.0.0.1:{port}") as found:
            yield found
    finally:
        stack.send_signal(signal.SIGINT)
        stack.wait(60)


def examples_of_the_readme() -> list[Step]:
    """Return its Python, for an agent and a token that there are here."""
    found = [step for step in steps(text_of("README.md")) if step.language == "python"]
    bodies = [step.body.replace("agent:languages", "agent:greeter") for step in found]
    return [Step("python", body.replace('"arb_..."', "os.environ['ARBORETUM_TOKEN']")) for body in bodies]


@pytest.mark.slow
@pytest.mark.worker
@pytest.mark.any_database
def test_every_example_does_what_it_says(reader: Session, provider: ProviderServer) -> None:
    found = []
    for step in [*steps(TEXT), *examples_of_the_readme()]:
        provider.configure(**{**USUAL, **step.provider})
        worked, said = reader.type(step)
        if other := step.differences(worked, said):
            found += [f"--- {step.language}:", step.body, *other]
    assert not found, "\n".join(found)


def test_there_are_examples_of_both_kinds_and_most_say_something() -> None:
    found = steps(TEXT)
    assert {step.language for step in found} == {"sh", "python"}
    assert len(found) > 15
    assert sum(step.told is not None for step in found) > 15
    assert sum(bool(step.provider) for step in found) == TEXT.count("<!-- test: ")
    assert len(examples_of_the_readme()) == 1


def test_blocks_are_read_with_what_they_say() -> None:
    text = '```sh\na\n```\n\n<!-- test: {"provider": {"text": "x"}} -->\n```python\nb\n```\n\n'
    text += "```\nsaid 1\n```\n\nSentence.\n\n```\nc\n```\n"
    first, second = steps(text)
    assert first == Step("sh", "a\n")
    assert second == Step("python", "b\n", ("said 1",), {"text": "x"})
    assert second.differences(True, "said 17\n") == []
    assert second.differences(True, "something else\n") == ["- said #", "+ something else"]
    assert second.differences(False, "NameError\n") == ["it failed:", "NameError"]
    assert first.differences(True, "anything") == []


def rows(section: str) -> list[list[str]]:
    """Return the rows of the tables in a section, without their heads."""
    lines = [line for line in sections(TEXT)[section].splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    heads = {place - 1 for place, row in enumerate(cells) if set(row[0]) <= set("-") and row[0]}
    return [row for place, row in enumerate(cells) if place not in heads and place - 1 not in heads]


def names(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def test_every_scope_is_told() -> None:
    assert [name for row in rows("A token") for name in names(row[0])] == Scope.values


def test_every_operation_of_the_native_api_is_told_and_no_other() -> None:
    paths = make_api().get_openapi_schema()["paths"]
    real = {f"{method.upper()} {path.removeprefix('/api/v1')}" for path, found in paths.items() for method in found}
    told = OPERATIONS.findall(sections(TEXT)["The native API"])
    assert sorted(told) == sorted(real)


def test_every_code_of_errors_is_told_with_its_status() -> None:
    told = {int(row[0]): names(row[1]) for row in rows("What holds everywhere")}
    assert told.keys() - {500} == CODES.keys() - {415}
    for status, codes in told.items():
        assert codes[0] == CODES.get(status, "internal")


def test_every_way_in_which_a_run_fails_is_told_with_its_status() -> None:
    told = {int(status): names(codes) for status, codes in rows("Chat completions")}
    real: dict[int, set[str]] = {}
    for code in ErrorCode:
        error = failure_of(1, FinishedRun(RunState.FAILED, error_code=code))
        real.setdefault(error.status, set()).add(error.code or "")
    assert {status: set(codes) for status, codes in told.items()} == real


def test_every_problem_of_a_batchs_input_is_told() -> None:
    told = [name for row in rows("Batches") for name in names(row[0])]
    assert sorted(told) == sorted(ProblemCode)


def test_what_is_said_to_be_refused_is() -> None:
    samples = {"n": 2, "modalities": ["audio"]}
    of_chats = [name for row in rows("What is refused")[:5] for name in names(row[0])]
    assert len(of_chats) == 10
    for name in of_chats:
        with pytest.raises(InvalidInput, match=f"^{name} is not supported"):
            check_fulfilled({name: samples.get(name, {"a": 1})})


def test_figures_are_those_of_the_code() -> None:
    mebibyte = 1024 * 1024
    assert f"`ARBORETUM_TOKEN_REQUESTS_PER_MINUTE` ({settings.ARBORETUM_TOKEN_REQUESTS_PER_MINUTE:,})" in ONE_LINE
    assert f"`purpose` ({', '.join(FilePurpose.values)})" in ONE_LINE
    assert f"from {SHORTEST_LIFE:,} to {LONGEST_LIFE:,}" in ONE_LINE
    assert f"from {SHORTEST.total_seconds():g} s to {LONGEST.days} days" in ONE_LINE
    assert f"up to {MOST_INPUTS:,} of these" in ONE_LINE
    assert f"kept for {KEPT.total_seconds() / 3600:g} hours" in ONE_LINE
    assert f"free after {RELEASED_AFTER.total_seconds():g} s" in ONE_LINE
    assert f"over {LONGEST_ANSWER // mebibyte} MiB are not kept" in ONE_LINE
    assert f"up to {MAX_BATCH_ROWS:,} lines and {LONGEST_LINE // mebibyte} MiB a line" in ONE_LINE
    assert f"up to {MOST_PROBLEMS:,} of them" in ONE_LINE
    assert all(f"`{endpoint}`" in sections(TEXT)["Batches"] for endpoint in ENDPOINTS)
    sizes = {row[0]: row[1] for row in rows("Sizes")}
    assert list(sizes.values()) == [
        f"{LONGEST_BODY // mebibyte} MiB",
        f"{MAX_BODY_CHARACTERS:,} characters",
        f"{MAX_MESSAGES:,}; {MOST_TOOLS}",
        "`ARBORETUM_MAX_FILE_BYTES`, 2 GiB",
        f"{MAX_BATCH_ROWS:,}; {LONGEST_LINE // mebibyte} MiB",
        f"{MOST_ROWS:,}",
        f"100; {LARGEST_PAGE:,}; {MOST_LISTED:,}; 100",
        "16 pairs, 64 and 512 characters",
        f"{LONGEST_WAIT:g} s",
    ]
