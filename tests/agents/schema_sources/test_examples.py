"""Schemas inferred from examples, and files of answers."""

import json

import pytest

from agents.schema_sources import schema_of
from agents.schema_sources.examples import LEAST_SEEN, MOST_OPTIONS
from agents.schema_sources.fitting import Misfit, fit_of
from agents.schemas import compiled_schema
from workers.errors import InvalidInput

TICKETS = [
    {"kind": ("bug", "billing")[n % 2], "id": f"T-{n}", "note": None if n % 3 else "see above", "urgency": n % 5}
    for n in range(12)
]


def test_the_schema_fits_every_example_and_closes_objects():
    examples = [*TICKETS, {**TICKETS[0], "extra": {"x": 1.5}}]
    schema = schema_of(examples)

    assert all(compiled_schema(schema).problem(example) is None for example in examples)
    assert schema["required"] == ["kind", "id", "note", "urgency"]
    assert (schema["additionalProperties"], schema["properties"]["extra"]["additionalProperties"]) == (False, False)
    assert schema["properties"]["note"] == {"type": ["null", "string"]}
    assert schema["properties"]["urgency"] == {"type": "integer"}
    assert "$schema" not in schema


def test_few_texts_over_many_examples_are_an_enum_and_ids_are_not():
    properties = schema_of(TICKETS)["properties"]

    assert properties["kind"] == {"type": "string", "enum": ["billing", "bug"]}
    assert properties["id"] == {"type": "string"}


@pytest.mark.parametrize(
    ("values", "is_enum"),
    [
        (["a", "b"] * (LEAST_SEEN // 2), True),
        (["a"] * (LEAST_SEEN - 1), False),
        (["a", "b"] * LEAST_SEEN + ["c"], False),
        ([str(n) for n in range(MOST_OPTIONS)] * 2, True),
        ([str(n) for n in range(MOST_OPTIONS + 1)] * 2, False),
        (["x" * 101] * LEAST_SEEN, False),
    ],
    ids=["ten", "nine", "one seen once", "twenty values", "twenty-one values", "long"],
)
def test_when_a_text_is_an_enum(values, is_enum):
    assert ("enum" in schema_of([{"a": value} for value in values])["properties"]["a"]) is is_enum


def test_an_enum_may_be_null():
    schema = schema_of([{"a": (None, "x", "y")[n % 3]} for n in range(30)])

    problems = [compiled_schema(schema).problem({"a": value}) for value in (None, "x", "z")]
    assert problems[:2] == [None, None]
    assert problems[2]


@pytest.mark.parametrize(
    ("examples", "told"),
    [
        ([], "no example"),
        ([{"a": float("nan")}], "example 1 at .*not a finite number"),
        ([{}, {"a": (1, 2)}], "example 2 holds"),
        ([{str(n): {str(m): 1 for m in range(100)} for n in range(200)}], "at most 262144"),
    ],
)
def test_what_gives_no_schema_is_told(examples, told):
    with pytest.raises(InvalidInput, match=told):
        schema_of(examples)


def test_examples_nested_too_deeply_are_refused():
    example: dict = {}
    for _ in range(90):
        example = {"a": example}

    with pytest.raises(InvalidInput, match="nested deeper"):
        schema_of([example])


def files(tmp_path):
    """Write the same answers in every form, and return the names that stand for them."""
    lines = [json.dumps(ticket) for ticket in TICKETS]
    (tmp_path / "a.jsonl").write_text("\n\n".join(lines) + "\n")
    (tmp_path / "a.json").write_text(json.dumps(TICKETS))
    results = [{"index": n, "output": f"Here: {line}", "parsed": TICKETS[n]} for n, line in enumerate(lines)]
    failed = {"index": 99, "output": None, "parsed": None}
    (tmp_path / "r.jsonl").write_text("".join(json.dumps(record) + "\n" for record in [*results, failed]))
    cells = "".join('{},"{}"\n'.format(n, line.replace('"', '""')) for n, line in enumerate(lines))
    (tmp_path / "odd#name.csv").write_text("id,output\n" + cells + "99,\n")
    names = ("a.jsonl", "a.json", "r.jsonl#parsed", "r.jsonl#output", "odd#name.csv#output")
    return [f"{tmp_path}/{name}" for name in names]


def test_examples_come_from_every_kind_of_file(tmp_path):
    expected = schema_of(TICKETS)

    assert [schema_of(f"examples:{name}") for name in files(tmp_path)] == [expected] * 5


def test_a_long_answer_in_a_cell_is_read(tmp_path):
    cell = json.dumps({"b": "x" * 200_000}).replace('"', '""')
    (tmp_path / "a.csv").write_text(f'a\n"{cell}"\n')

    assert schema_of(f"examples:{tmp_path}/a.csv#a")["required"] == ["b"]


def test_a_file_of_answers_is_held_against_a_schema(tmp_path):
    schema = {"type": "object", "properties": {"urgency": {"maximum": 3}}}

    for name in files(tmp_path):
        fit = fit_of(name, schema)
        assert fit.answers == 12
        assert [misfit.row for misfit in fit.misfits] == [5, 10]
        assert "$.urgency: 4 is greater than the maximum of 3" in fit.misfits[0].problem


def test_answers_that_are_no_json_do_not_fit(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"a": 1}\nno idea\n{"a": NaN}\n')

    fit = fit_of(f"{tmp_path}/a.jsonl", {"type": "object"})

    assert fit.misfits[0] == Misfit(2, "The answer is not JSON: line 1, column 1: Expecting value")
    assert (fit.misfits[1].row, "not a finite number" in fit.misfits[1].problem) == (3, True)


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.txt", "", "must end in one of"),
        ("a.csv", "a,b\n1,2\n", "name the one that holds the answers"),
        ("a.csv#c", "a,b\n1,2\n", "has no column 'c'"),
        ("a.jsonl#c", "[1]\n", "row 1 has no columns"),
        ("a.jsonl", "{}\nno\n", "row 2 is not JSON: 'no'"),
        ("a.json", "{", "row 1 is not JSON"),
        ("a.csv#a", 'a\n1\n"2', "line 3 is no CSV: unexpected end of data"),
        ("a.jsonl", "", "no example"),
    ],
)
def test_files_without_examples_are_told(tmp_path, name, content, told):
    (tmp_path / name.partition("#")[0]).write_text(content)

    with pytest.raises(InvalidInput, match=told):
        schema_of(f"examples:{tmp_path}/{name}")
