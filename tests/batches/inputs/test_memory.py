"""Memory does not grow with the number of rows."""

import os

import psutil
import pytest

from batches.inputs import check_input, read_rows

ROWS = 200_000
process = psutil.Process(os.getpid())


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
    before = process.memory_info().rss
    report = check_input(path, ["ticket"])
    most = process.memory_info().rss
    for found, _ in enumerate(read_rows(report), 1):
        if found % 20_000 == 0:
            most = max(most, process.memory_info().rss)
    assert (report.total, found) == (ROWS, ROWS)
    # Eight bytes a row for the hashes of custom_ids are 1.6 MB; the rows themselves would be over 60 MB.
    assert most - before < 15_000_000
