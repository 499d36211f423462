"""Data frames: the same values and types from pandas (with and without Arrow) and polars."""

import datetime as dt
import subprocess
import sys
from importlib.util import find_spec

import pytest

from batches.models import Run
from batches.results import BatchResults, frame
from tests.support.factories import make_agent
from workers.errors import InvalidInput

from .finished import STARTED, failed, make_finished

pytestmark = pytest.mark.django_db(transaction=True)

SCHEMA = {
    "type": "object",
    "properties": {
        "label": {"type": "string"},
        "urgency": {"type": "integer"},
        "score": {"type": ["number", "null"]},
        "refund": {"type": "boolean"},
        "tags": {"type": "array"},
        "either": {"type": ["integer", "string"]},
    },
}
PARSED = {"label": "spam", "urgency": 3, "score": 0.5, "refund": True, "tags": ["a"], "either": 1}
EXPECTED = {
    "index": [0, 1, 2],
    "latency_ms": [12, None, None],
    "cost": [0.25, 0.0, 0.0],
    "cached": [True, False, False],
    "cached_tokens": [4, 0, 0],
    "output": ["ok", None, None],
    "parsed.label": ["spam", None, None],
    "parsed.urgency": [3, None, None],
    "parsed.score": [0.5, None, 1.0],
    "parsed.refund": [True, None, None],
    "parsed.tags": ['["a"]', None, None],
    "parsed.either": ["1", None, None],
    "input.ticket": ["Where?", "Who?", "Why?"],
    "started_at": [STARTED, None, None],
}


@pytest.fixture
def results():
    version = make_agent(slug="triage", output_schema=SCHEMA).current_version
    rows = [
        {
            "input": {"ticket": "Where?"},
            "output": "ok",
            "parsed": PARSED,
            "latency_ms": 12,
            "cost": "0.25",
            "cached_tokens": 4,
            "is_cached": True,
            "started_at": STARTED,
        },
        failed("timeout", input={"ticket": "Who?"}),
        {"input": {"ticket": "Why?"}, "parsed": {"urgency": "high", "score": 1, "refund": 0, "label": None}},
    ]
    return BatchResults(make_finished(rows, version, columns=["ticket"]))


def plain(values):
    import pandas

    return [None if value is None or value is pandas.NA or value is pandas.NaT else value for value in values]


def without(monkeypatch, *libraries):
    monkeypatch.setattr(frame, "find_spec", lambda name: None if name in libraries else find_spec(name))


@pytest.mark.parametrize("arrow", [True, False])
def test_pandas_has_nullable_types_with_and_without_arrow(results, monkeypatch, arrow):
    if not arrow:
        without(monkeypatch, "pyarrow")
    found = results.frame("pandas")
    assert {name: plain(found[name]) for name in EXPECTED} == EXPECTED
    types = {name: str(found.dtypes[name]) for name in EXPECTED}
    assert types == {
        **dict.fromkeys(EXPECTED, "string"),
        **dict.fromkeys(("index", "latency_ms", "cached_tokens", "parsed.urgency"), "Int64"),
        **dict.fromkeys(("cost", "parsed.score"), "Float64"),
        **dict.fromkeys(("cached", "parsed.refund"), "boolean"),
        "started_at": "datetime64[us, UTC]",
    }


@pytest.mark.parametrize("arrow", [True, False])
def test_polars_has_the_same_values(results, monkeypatch, arrow):
    import polars

    if not arrow:
        without(monkeypatch, "pyarrow")
    found = results.frame("polars")
    assert {name: found[name].to_list() for name in EXPECTED} == EXPECTED
    assert found.schema["parsed.urgency"] == polars.Int64
    assert found.schema["started_at"] == polars.Datetime("us", "UTC")


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_several_pieces_and_none_make_one_frame_of_the_same_columns(results, monkeypatch, library):
    whole = results.frame(library)
    monkeypatch.setattr("batches.results.selection.PIECE_ROWS", 2)
    assert len(results.frame(library)) == 3
    assert list(results.frame(library)["index"]) == [0, 1, 2]
    none = results.frame(library, where="status=expired")
    assert (len(none), list(none.columns)) == (0, list(whole.columns))


def test_moments_are_in_utc(results):
    Run.objects.of_batch(results.batch.pk).update(finished_at=STARTED + dt.timedelta(microseconds=1))
    assert results.frame("pandas")["finished_at"].iloc[0] == STARTED + dt.timedelta(microseconds=1)


def test_conditions_choose_rows(results):
    assert list(results.frame("pandas", where="status=failed")["input.ticket"]) == ["Who?"]


def test_whichever_library_is_installed_is_taken(results, monkeypatch):
    without(monkeypatch, "pandas")
    assert type(results.frame()).__module__.startswith("polars")


@pytest.mark.parametrize("library", [None, "pandas", "polars"])
def test_a_missing_library_says_what_to_install(results, monkeypatch, library):
    without(monkeypatch, "pandas", "polars")
    with pytest.raises(InvalidInput, match=r"not installed: pip install 'arboretum\[analysis\]'"):
        results.frame(library)


def test_another_library_is_refused(results):
    with pytest.raises(InvalidInput, match="library is 'dask'; allowed: pandas, polars"):
        results.frame("dask")


def test_reading_results_loads_no_library_of_frames():
    program = (
        "import django; django.setup(); import batches.results, sys; print({'pandas', 'polars'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
