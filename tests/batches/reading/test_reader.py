"""Reading the input of a batch in this process: in chunks, once, and on from where another stopped."""

import math
import threading
from datetime import timedelta
from unittest.mock import Mock

import pytest
from django.db import connections
from django.utils import timezone

from batches.execution.cancelling import go_on_cancelling
from batches.execution.expiring import expire_batches
from batches.execution.finalizing import finalize_batch
from batches.execution.maintenance import end_abandoned
from batches.manager import BatchManager
from batches.models import Batch, File, Leadership, Run, WebhookDelivery, WebhookEndpoint
from batches.openai_api.batch import creating
from batches.reading import checking, claim, models, problems, reader, rows
from batches.reading.claim import ReadingClaim, unclaimed
from batches.reading.task import read_input, read_inputs
from batches.reading.upkeep import expire_unread, offer_unread
from batches.states import BatchState
from tests.support.factories import make_agent, make_credential
from tests.support.queues import messages_on
from workers.redis import connection

from .files import chat, waiting_batch

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def agent():
    return make_agent()


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three rows a chunk."""
    monkeypatch.setattr(rows, "CHUNK_ROWS", 3)


def never() -> bool:
    return False


def lines(agent, number: int) -> bytes:
    return b"".join(chat(f"row {index}", agent) for index in range(number))


class StopsAfter:
    """Says that the process ends once so many rows of a batch are written."""

    def __init__(self, batch: Batch, written: int) -> None:
        self.batch, self.written = batch, written

    def __call__(self) -> bool:
        return Run.objects.of_batch(self.batch.pk).count() >= self.written


@pytest.fixture
def every_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the reader look up after every line."""
    monkeypatch.setattr("batches.reading.reader.LINES_AT_ONCE", 1)


def test_good_lines_become_rows_in_their_order_and_the_batch_runs(agent, small_chunks):
    batch = waiting_batch(agent.owner, lines(agent, 10))
    assert read_input(batch.pk, never)
    batch.refresh_from_db()
    assert (batch.state, batch.total, batch.is_mixed, batch.reading) == (BatchState.RUNNING, 10, False, None)
    assert (batch.agent_version, batch.input_kind) == (agent.current_version, "chat")
    found = Run.objects.of_batch(batch.pk).values_list("index", "custom_id", "state", "input_kind")
    assert list(found) == [(index, f"row {index}", "pending", "chat") for index in range(10)]
    assert Run.objects.first().input["messages"] == [{"role": "user", "content": "row 0"}]
    assert not Leadership.objects.exists()
    assert not read_input(batch.pk, never), "it is read once"


def test_another_goes_on_where_a_reader_stopped(agent, small_chunks, every_line):
    batch = waiting_batch(agent.owner, lines(agent, 10))
    assert not read_input(batch.pk, StopsAfter(batch, 6))
    batch.refresh_from_db()
    assert (batch.state, batch.total, batch.reading["line"]) == (BatchState.VALIDATING, 6, 6)
    moments = dict(Run.objects.values_list("index", "created_at"))
    assert read_input(batch.pk, never)
    assert list(Run.objects.of_batch(batch.pk).values_list("custom_id", flat=True)) == [f"row {n}" for n in range(10)]
    assert moments.items() <= dict(Run.objects.values_list("index", "created_at")).items()


@pytest.fixture
def half_dropped(agent, small_chunks, monkeypatch: pytest.MonkeyPatch) -> Batch:
    """A batch with a bad line, whose reader died while it deleted the six rows that it had written."""
    hold = ReadingClaim.hold
    batch = waiting_batch(agent.owner, lines(agent, 8) + b"bad\n")

    def dies(claim: ReadingClaim) -> None:
        if Batch.objects.get().reading is None and Run.objects.count() == 3:
            raise KeyboardInterrupt
        hold(claim)

    monkeypatch.setattr(ReadingClaim, "hold", dies)
    with pytest.raises(KeyboardInterrupt):
        read_input(batch.pk, never)
    monkeypatch.setattr(ReadingClaim, "hold", hold)
    batch.refresh_from_db()
    assert (batch.state, batch.total, Run.objects.count()) == (BatchState.VALIDATING, 3, 3)
    return batch


def test_another_goes_on_where_a_reader_died_that_deleted_rows(half_dropped: Batch):
    Leadership.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert read_input(half_dropped.pk, never)
    half_dropped.refresh_from_db()
    assert (half_dropped.state, half_dropped.total, half_dropped.agent_version) == (BatchState.FAILED, 0, None)
    assert [one["line"] for one in half_dropped.problems] == [9]
    assert not Run.objects.exists()


def test_a_cancel_while_rows_are_deleted_ends_the_batch(half_dropped: Batch):
    BatchManager(half_dropped.owner).cancel(half_dropped, in_background=True)
    assert go_on_cancelling(half_dropped.pk) == 3
    assert finalize_batch(half_dropped.pk)
    half_dropped.refresh_from_db()
    assert (half_dropped.state, half_dropped.total, half_dropped.cancelled) == (BatchState.CANCELLED, 3, 3)


def test_who_goes_on_in_a_large_file_is_not_disturbed_by_what_others_write(
    agent, small_chunks, every_line, monkeypatch
):
    batch = waiting_batch(agent.owner, lines(agent, 12))
    read_input(batch.pk, StopsAfter(batch, 9))
    monkeypatch.setattr(reader, "_READ_IDS", 2)
    keep = ReadingClaim.keep

    def keep_beside_others(claim: ReadingClaim) -> None:
        other = threading.Thread(target=_write_and_close)
        other.start()
        other.join()
        claim._renewed = -math.inf
        keep(claim)

    monkeypatch.setattr(ReadingClaim, "keep", keep_beside_others)
    assert read_input(batch.pk, never)
    assert Run.objects.of_batch(batch.pk).count() == 12


def _write_and_close() -> None:
    Batch.objects.update(weight=2)
    connections.close_all()


def test_long_lines_keep_the_claim(agent, monkeypatch: pytest.MonkeyPatch):
    batch = waiting_batch(agent.owner, b"bad\n" * 10)
    held: list[int] = []
    monkeypatch.setattr(claim, "_RENEW_SECONDS", 0)
    monkeypatch.setattr(ReadingClaim, "hold", lambda self: held.append(1))
    assert read_input(batch.pk, never)
    assert len(held) >= 10


@pytest.mark.parametrize("content", [b"{}," * 1_000_001, b"[]," * 1_000_001], ids=["objects", "lists"])
def test_a_line_that_would_fill_the_memory_is_not_parsed(agent, content: bytes, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(checking, "orjson", Mock(loads=Mock(side_effect=AssertionError("parsed"))))
    batch = waiting_batch(agent.owner, b'{"custom_id": "a", "body": [' + content + b"1]}")
    assert read_input(batch.pk, never)
    batch.refresh_from_db()
    assert [(one["code"], one["line"]) for one in batch.problems] == [("invalid_request", 1)]


@pytest.mark.parametrize("name", ["a\0b/m", "agent:a\0b", "m" * 1_000_000 + "/m", "agent:a@" + "9" * 5_000])
def test_a_name_that_no_model_can_have_is_one_problem(agent, name: str):
    batch = waiting_batch(agent.owner, chat("a", agent) + chat("b", name))
    assert read_input(batch.pk, never)
    batch.refresh_from_db()
    (problem,) = batch.problems
    assert (problem["line"], problem["param"]) == (2, "body.model")
    assert problem["code"] in ("model_not_found", "invalid_request")
    assert len(problem["message"]) < 1_000


def test_a_duplicate_of_what_an_earlier_reader_has_read_is_found(agent, small_chunks, every_line):
    batch = waiting_batch(agent.owner, lines(agent, 7) + chat("row 1", agent))
    read_input(batch.pk, StopsAfter(batch, 6))
    assert read_input(batch.pk, never)
    batch.refresh_from_db()
    assert (batch.state, batch.total, batch.agent_version) == (BatchState.FAILED, 0, None)
    (problem,) = batch.problems
    assert (problem["code"], problem["line"], problem["param"]) == ("duplicate_custom_id", 8, "custom_id")
    assert not Run.objects.exists()


def test_one_process_reads_and_another_only_when_it_has_died(agent):
    batch = waiting_batch(agent.owner, lines(agent, 3))
    first = ReadingClaim(batch.pk)
    assert first.take()
    assert unclaimed() == []
    assert not read_input(batch.pk, never)
    Leadership.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert unclaimed() == [batch.pk]
    assert read_input(batch.pk, never)


def test_who_reads_looks_for_others_afterwards(agent):
    batches = [waiting_batch(agent.owner, lines(agent, number)) for number in (1, 2, 3)]
    read_inputs(batches[2].pk, never)
    assert set(Batch.objects.values_list("state", flat=True)) == {BatchState.RUNNING}


def test_what_nobody_reads_is_offered_and_never_taken_for_abandoned(agent):
    batch = waiting_batch(agent.owner, lines(agent, 1))
    Batch.objects.update(updated_at=timezone.now() - timedelta(days=1))
    assert end_abandoned() == 0
    assert messages_on("control") == 1
    assert offer_unread() == 0, "who is to read it has not looked yet"
    connection().flushall()
    assert offer_unread() == messages_on("control") == 1
    connection().flushall()
    assert ReadingClaim(batch.pk).take()
    assert offer_unread() == 0


def test_a_cancel_stops_the_reading(agent, small_chunks, every_line):
    batch = waiting_batch(agent.owner, lines(agent, 10))

    def cancelled() -> bool:
        if Run.objects.count() == 6 and Batch.objects.get().state == BatchState.VALIDATING:
            BatchManager(agent.owner).cancel(Batch.objects.get(), in_background=True)
        return False

    assert not read_input(batch.pk, cancelled)
    assert go_on_cancelling(batch.pk) == 6
    assert finalize_batch(batch.pk)
    batch.refresh_from_db()
    assert (batch.state, batch.total, batch.cancelled) == (BatchState.CANCELLED, 6, 6)
    assert not read_input(batch.pk, never)


@pytest.mark.parametrize("written", [0, 6])
def test_a_batch_whose_time_is_over_before_it_was_read_expires(agent, small_chunks, every_line, written: int):
    WebhookEndpoint.objects.create(owner=agent.owner, url="https://example.com/", events=["batch.expired"])
    batch = waiting_batch(agent.owner, lines(agent, 10), "60s")
    if written:
        read_input(batch.pk, StopsAfter(batch, written))
    assert expire_unread() == 0
    Batch.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert expire_unread() == 1
    assert not read_input(batch.pk, never)
    if written:
        assert expire_batches() == written
        assert finalize_batch(batch.pk)
    batch.refresh_from_db()
    assert (batch.state, batch.expired) == (BatchState.EXPIRED, written)
    assert WebhookDelivery.objects.count() == 1


def test_the_first_problems_are_kept_and_the_others_counted(agent, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(problems, "MOST_PROBLEMS", 3)
    batch = waiting_batch(agent.owner, b"x\n" * 4 + chat("a", agent) * 3 + b"x\n")
    assert read_input(batch.pk, never)
    batch.refresh_from_db()
    assert [(one["code"], one["line"]) for one in batch.problems] == [
        ("invalid_json_line", 1),
        ("invalid_json_line", 2),
        ("invalid_json_line", 3),
        ("more_errors", None),
    ]
    assert batch.problems[-1]["message"] == "There are 4 more errors."
    assert batch.state == BatchState.FAILED
    assert batch.state_reason.startswith("Line 1: This line is not valid JSON")
    assert batch.state_reason.endswith("There are 6 more errors.")


def test_each_model_is_looked_up_once_and_no_more_than_may_be(agent, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(models, "MOST_MODELS", 2)
    credential = make_credential(agent.owner)
    names = [f"{credential.name}/m-{number}" for number in (1, 2, 1, 2, 3)]
    batch = waiting_batch(agent.owner, b"".join(chat(str(index), name) for index, name in enumerate(names)))
    read_input(batch.pk, never)
    batch.refresh_from_db()
    assert [(one["line"], one["code"], one["param"]) for one in batch.problems] == [
        (5, "invalid_request", "body.model")
    ]


def test_what_others_own_is_not_found(agent):
    batch = waiting_batch(make_agent().owner, chat("a", agent))
    read_input(batch.pk, never)
    batch.refresh_from_db()
    assert [one["code"] for one in batch.problems] == ["model_not_found"]


def test_a_file_that_is_deleted_while_the_batch_is_created_fails_the_batch(agent, monkeypatch: pytest.MonkeyPatch):
    find = creating.find_upload

    def find_and_delete(*args) -> File:
        found = find(*args)
        File.objects.filter(pk=found.pk).delete()
        return found

    monkeypatch.setattr(creating, "find_upload", find_and_delete)
    batch = waiting_batch(agent.owner, chat("a", agent))
    read_input(batch.pk, never)
    batch.refresh_from_db()
    assert [one["code"] for one in batch.problems] == ["input_file_not_found"]


def test_a_file_whose_content_is_gone_fails_the_batch(agent):
    batch = waiting_batch(agent.owner, chat("a", agent))
    File.objects.update(storage_name="none")
    read_input(batch.pk, never)
    batch.refresh_from_db()
    assert [one["code"] for one in batch.problems] == ["input_file_not_found"]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"messages": []}, "body.messages"),
        ({"messages": [{"role": "user", "content": "\0"}]}, "body"),
        ({"temperature": 9}, "body.temperature"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "body.tools"),
        ({"base_url": "http://x"}, "body"),
    ],
)
def test_a_body_that_could_not_run_names_its_parameter(agent, body: dict, param: str):
    # Good lines before it have the same settings where these are not at fault.
    batch = waiting_batch(agent.owner, chat("a", agent) + chat("b", agent, **body))
    read_input(batch.pk, never)
    batch.refresh_from_db()
    assert [(one["line"], one["code"], one["param"]) for one in batch.problems] == [(2, "invalid_request", param)]


def test_a_body_that_is_nested_too_deeply_is_refused(agent):
    deep: list = []
    for _ in range(120):
        deep = [deep]
    batch = waiting_batch(agent.owner, chat("a", agent, metadata=deep))
    read_input(batch.pk, never)
    batch.refresh_from_db()
    assert [one["code"] for one in batch.problems] == ["invalid_request"]
