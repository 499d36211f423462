"""The support tickets that the demo runs over."""

import re
from collections import Counter
from pathlib import Path

from batches.inputs import check_input, read_rows

TICKETS = Path(__file__).resolve().parents[3] / "docs" / "examples" / "support_tickets.csv"


def phrases(text: str, words: int = 5) -> set[tuple[str, ...]]:
    found = re.findall(r"\w+", text.lower())
    return {tuple(found[start : start + words]) for start in range(len(found) - words + 1)}


def test_there_are_two_hundred_tickets_and_the_file_is_clean():
    report = check_input(TICKETS, ["ticket"])
    assert (report.total, report.problem_count) == (200, 0)
    assert report.columns == ("custom_id", "customer", "channel", "subject", "ticket")


def test_no_two_tickets_are_alike():
    rows = [row.columns for row in read_rows(check_input(TICKETS))]
    for column in ("custom_id", "customer", "subject", "ticket"):
        assert len({row[column] for row in rows}) == 200
    shared = Counter(phrase for row in rows for phrase in phrases(row["ticket"]))
    assert max(shared.values()) == 1, shared.most_common(3)


def test_tickets_vary_in_length_channel_and_language():
    tickets = [row.columns for row in read_rows(check_input(TICKETS))]
    lengths = sorted(len(row["ticket"]) for row in tickets)
    assert lengths[20] < 100
    assert lengths[-10] > 500
    assert len({row["channel"] for row in tickets}) == 5
    assert any("\n" in row["ticket"] for row in tickets)
    assert any('"' in row["ticket"] for row in tickets)
    assert sum(any(ord(letter) > 127 for letter in row["ticket"]) for row in tickets) >= 15
    assert not any(ord(letter) >= 0x1F000 for row in tickets for letter in row["ticket"])
