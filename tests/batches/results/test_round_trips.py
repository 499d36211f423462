"""What goes in as a file comes out of an export as it was."""

import csv
import io

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batches.creating import insert_rows
from batches.inputs import check_input
from batches.models import Run
from batches.results import BatchResults
from tests.support.factories import make_batch

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
scalars = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
)
columns = st.fixed_dictionaries(
    {"a": texts, "b": scalars | texts | st.lists(scalars | texts, max_size=3)}, optional={"c": texts}
)


def inserted(path):
    report = check_input(path)
    assert report.problem_count == 0, report.describe()
    batch = make_batch(rows=0, columns=list(report.columns))
    insert_rows(batch, report)
    return batch


def unguarded(cell: str) -> str:
    return cell[1:] if cell[:1] == "'" and cell[1:2] in tuple("=+-@\t\r") else cell


@pytest.mark.django_db(transaction=True)
@given(st.lists(columns, min_size=1, max_size=4))
@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_jsonl_in_and_out(tmp_path, rows):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    batch = inserted(path)
    lines = b"".join(BatchResults(batch).stream("jsonl")).split(b"\n")[:-1]
    assert [orjson.loads(line)["input"] for line in lines] == rows
    assert [run.input for run in Run.objects.of_batch(batch.pk)] == rows


@pytest.mark.django_db(transaction=True)
@given(st.lists(st.tuples(texts, texts), min_size=1, max_size=4))
@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_csv_in_and_out_but_for_the_guard(tmp_path, rows):
    text = io.StringIO(newline="")
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows([("a", "b"), *rows])
    path = tmp_path / "a.csv"
    path.write_bytes(text.getvalue().encode())
    exported = b"".join(BatchResults(inserted(path)).stream("csv")).decode()
    found = csv.DictReader(io.StringIO(exported, newline=""))
    assert [(unguarded(row["input.a"]), unguarded(row["input.b"])) for row in found] == [
        (unguarded(first), unguarded(second)) for first, second in rows
    ]
