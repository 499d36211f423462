"""An estimate from a file's prompts: the tokens that the provider will count, nothing created, memory flat."""

import tracemalloc
from pathlib import Path

import pytest

from batches.accepting import BadRows
from batches.estimating.from_prompts import estimate_file
from batches.models import Batch, Run
from credentials.services import set_model
from tests.support.factories import make_agent, make_user
from workers.errors import InvalidInput

pytestmark = pytest.mark.django_db


def write(path: Path, rows: list[str], header: str = "text") -> Path:
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def test_the_prompts_of_all_rows_are_counted_with_instructions_tools_and_schema(tmp_path: Path) -> None:
    agent = make_agent(prompt="Sort: {{ text }}", instructions="Be brief.")
    path = write(tmp_path / "in.csv", ["abcdef", "x" * 94])
    found = estimate_file(agent.owner, agent.current_version, path)
    # Each: 4 for a message and a quarter of its characters, rounded up, of instructions and of the prompt.
    assert (found.input.least, found.input.most, found.input.total) == (7 + 7, 7 + 29, 50)
    assert found.report.total == 2
    tools = make_agent(agent.owner, prompt="Sort: {{ text }}", instructions="Be brief.", abilities=["calculator"])
    more = estimate_file(agent.owner, tools.current_version, path)
    assert more.input.least - found.input.least == more.input.most - found.input.most > 20
    assert (Batch.objects.count(), Run.objects.count()) == (0, 0)


def test_the_cost_is_that_of_the_models_prices(tmp_path: Path) -> None:
    agent = make_agent(model="sim-large", parameters={"max_tokens": 100})
    path = write(tmp_path / "in.csv", ["y" * 400] * 10)
    found = estimate_file(agent.owner, agent.current_version, path)
    assert found.output_tokens == 1_000
    assert found.cost == pytest.approx((10 * 104 * 2.5 + 1_000 * 10) / 1e6)
    set_model(agent.current_version.credential, "*", requests_per_minute=60)
    assert estimate_file(agent.owner, agent.current_version, path).duration is not None


def test_bad_rows_are_refused_or_left_out(tmp_path: Path) -> None:
    agent = make_agent()
    path = write(tmp_path / "in.csv", ["one", "two,too many", "three"])
    with pytest.raises(BadRows, match="line 3"):
        estimate_file(agent.owner, agent.current_version, path)
    found = estimate_file(agent.owner, agent.current_version, path, skip_bad_rows=True)
    assert (found.report.total, found.report.problem_count) == (2, 1)


def test_a_stranger_and_a_wrong_column_are_refused(tmp_path: Path) -> None:
    agent = make_agent()
    path = write(tmp_path / "in.csv", ["one"], header="other")
    with pytest.raises(InvalidInput, match="column 'text'"):
        estimate_file(agent.owner, agent.current_version, path)
    with pytest.raises(InvalidInput):
        estimate_file(make_user(), agent.current_version, path)


def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    agent = make_agent()
    peaks = []
    for rows in (2_000, 20_000):
        path = write(tmp_path / f"{rows}.csv", [f"{number} {'word ' * 20}" for number in range(rows)])
        tracemalloc.start()
        estimate_file(agent.owner, agent.current_version, path)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 400_000


def test_progress_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from batches.estimating import from_prompts

    monkeypatch.setattr(from_prompts, "TOLD_ROWS", 10)
    agent, told = make_agent(), []
    path = write(tmp_path / "in.csv", ["row"] * 25)
    estimate_file(agent.owner, agent.current_version, path, on_progress=lambda done, total: told.append((done, total)))
    assert told == [(10, 25), (20, 25)]
