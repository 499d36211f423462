"""Memory does not grow with the number of rows."""

import tracemalloc

import pytest

from batches.inputs import check_input, read_rows

ROWS = 200_000


@pytest.mark.parametrize(
    ("name", "header", "line"),
    [
        ("a.csv", "custom_id,ticket\n", "t-{0},ticket number {0}\n"),
        ("a.jsonl", "", '{{"custom_id":"t-{0}","ticket":"x"}}\n'),
    ],
)
def test_two_hundred_thousand_rows_are_checked_and_read_in_a_few_megabytes(tmp_path, name, header, line):
    path = tmp_path / name
    with path.open("w") as file:
        file.write(header)
        file.writelines(line.format(number) for number in range(ROWS))
    tracemalloc.start()
    try:
        report = check_input(path, ["ticket"])
        found = sum(1 for _ in read_rows(report))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (report.total, found) == (ROWS, ROWS)
    # Eight bytes a row for the hashes of custom_ids are 1.6 MB.
    assert peak < 6_000_000
