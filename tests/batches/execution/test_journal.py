"""The journal of a process: what is in the file, when, and what becomes of it."""

import asyncio
import resource

import pytest

from batches.execution import burying
from batches.execution import journal as journal_module
from batches.execution.burying import bury_dead
from batches.execution.holdings import Holdings
from batches.execution.journal import Journal, journal_folder, journal_path
from batches.execution.journal_records import header, read_journal
from batches.models import Run
from batches.states import RunState
from tests.support.factories import make_batch

from .dying import DEAD, come_round, content, died_after
from .helpers import claim, success

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("own_journals")]


def refuse(*arguments: object, **options: object) -> int:
    """What a broken disk does."""
    raise OSError(30, "Read-only file system")


def test_a_line_that_was_cut_short_is_not_believed() -> None:
    died_after(lambda journal: (journal.waits((1, 1)), journal.waits((2, 1)), journal.starts((1, 1))))
    path = journal_path(DEAD)
    path.write_bytes(path.read_bytes()[:-4])
    assert content().waiting == {(1, 1), (2, 1)}


def test_where_a_line_cannot_be_read_nothing_is_taken_to_have_waited_and_later_outcomes_count() -> None:
    (run,) = claim(make_batch(rows=1), process=DEAD)
    died_after(lambda journal: (journal.waits((1, 1)), journal.ends(success(run))))
    data = journal_path(DEAD).read_bytes()
    middle = header(DEAD) + b'["o",{"of another version":1}]\n["s",2,1]\n["?",1]\n'
    found = read_journal(middle + data)
    assert found.waiting == set()
    assert [outcome.run.key for outcome in found.outcomes] == [run.key]


def test_a_start_is_in_the_file_before_the_first_step_of_a_task_that_begins_then(
    loop: asyncio.AbstractEventLoop,
) -> None:
    journal, seen = Journal(DEAD, loop), []

    async def step() -> None:
        seen.append(content().waiting)

    def begin() -> None:
        journal.waits((1, 1))
        journal.starts((1, 1))
        tasks.append(loop.create_task(step()))

    tasks: list[asyncio.Task[None]] = []
    journal.waits((2, 1))
    loop.call_soon(begin)
    come_round(loop)
    loop.run_until_complete(asyncio.gather(*tasks))
    assert seen == [{(2, 1)}]
    journal.close()


def test_what_was_given_back_and_taken_again_does_not_count_as_waiting() -> None:
    (run,) = claim(make_batch(rows=1), process=DEAD)

    def live(journal: Journal) -> None:
        holdings = Holdings(journal)
        holdings.hold(run)
        holdings.keep_waiting(run)
        holdings.let_go([run.key])
        # Again, under the same number, and it kills the process while it is prepared.
        holdings.hold(run)

    died_after(live)
    assert content().waiting == set()


def test_the_file_is_written_anew_with_what_is_worth_keeping(
    loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "COMPACT_BYTES", 20_000)
    runs = claim(make_batch(rows=100), limit=100, process=DEAD)
    journal = Journal(DEAD, loop)
    for run in runs:
        journal.waits(run.key)
        journal.starts(run.key)
        journal.ends(success(run, "x" * 1000))
        come_round(loop)
        if run is not runs[10]:
            journal.forget([run.key])
    journal.waits((5, 5))
    come_round(loop)
    assert journal_path(DEAD).stat().st_size < 25_000
    found = content()
    assert found.process == DEAD
    assert found.waiting == {(5, 5)}
    assert runs[10].key in [outcome.run.key for outcome in found.outcomes]
    # The lock is that of the new file.
    assert bury_dead() == 0
    journal.close()


def test_an_answer_does_not_stay_in_the_file_for_long_once_it_is_stored(
    loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "TIDY_SECONDS", 0.05)
    first, second = claim(make_batch(rows=2), process=DEAD)
    journal = Journal(DEAD, loop)
    for run in (first, second):
        journal.ends(success(run, "nobody else's business"))
        come_round(loop)
        assert b"business" in journal_path(DEAD).read_bytes()
        journal.forget([run.key])
        loop.run_until_complete(asyncio.sleep(0.1))
        assert journal_path(DEAD).read_bytes() == header(DEAD)
    journal.close()


def test_a_process_that_ends_in_order_leaves_no_file_unless_something_is_unstored(
    loop: asyncio.AbstractEventLoop,
) -> None:
    stored, unstored = claim(make_batch(rows=2), process=DEAD)
    journal = Journal(DEAD, loop)
    journal.ends(success(stored))
    journal.forget([stored.key])
    journal.close()
    assert not journal_path(DEAD).exists()
    journal = Journal(DEAD, loop)
    journal.ends(success(unstored, "not lost"))
    journal.close()
    assert bury_dead() == 1
    assert Run.objects.get(pk=unstored.id).output == "not lost"


def test_what_could_not_be_given_back_before_the_end_is_left_to_others(loop: asyncio.AbstractEventLoop) -> None:
    (run,) = claim(make_batch(rows=1), process=DEAD)
    journal = Journal(DEAD, loop)
    journal.waits(run.key)
    journal.close()
    assert bury_dead() == 1
    row = Run.objects.get(pk=run.id)
    assert (row.state, row.attempt, row.crashes) == (RunState.PENDING, 0, 0)


def test_a_full_disk_ends_the_journal_and_nothing_else() -> None:
    def live(journal: Journal) -> None:
        assert journal_path(DEAD).exists()
        resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))
        for number in range(100):
            journal.waits((number, 1))
            come_round(journal._loop)
        # What lacks anything would be believed.
        assert not journal_path(DEAD).exists()
        journal.starts((1, 1))
        journal.close()

    died_after(live)
    assert list(journal_folder().iterdir()) == []


def test_a_file_that_can_be_neither_written_nor_removed_still_says_that_its_process_lives(
    loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    (run,) = claim(make_batch(rows=1), process=DEAD)
    journal = Journal(DEAD, loop)
    with monkeypatch.context() as broken:
        broken.setattr(journal_module, "write_whole", refuse)
        broken.setattr(journal_module.Path, "unlink", refuse)
        journal.starts(run.key)
        come_round(loop)
    assert bury_dead() == 0
    assert Run.objects.get(pk=run.id).state == RunState.RUNNING


def test_what_could_not_take_the_journals_place_is_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    def live(journal: Journal) -> None:
        # Killed between writing the new file and giving it the name.
        monkeypatch.setattr(journal_module.Path, "rename", lambda *names: None)
        journal._begin_anew()

    died_after(live)
    assert sorted(path.suffix for path in journal_folder().iterdir()) == [".journal", ".new"]
    bury_dead()
    # Somebody may just be writing it.
    assert [path.suffix for path in journal_folder().iterdir()] == [".new"]
    monkeypatch.setattr(burying, "ABANDONED_SECONDS", 0.0)
    bury_dead()
    assert list(journal_folder().iterdir()) == []


def test_a_folder_that_cannot_be_written_is_no_reason_not_to_work(settings, tmp_path, loop) -> None:
    (tmp_path / "file").write_text("in the way")
    settings.ARBORETUM_DATA_DIR = tmp_path / "file"
    journal = Journal(DEAD, loop)
    journal.waits((1, 1))
    come_round(loop)
    journal.close()
    assert (tmp_path / "file").read_text() == "in the way"


def test_databases_keep_their_journals_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    here = journal_folder()
    monkeypatch.setitem(journal_module.connection.settings_dict, "NAME", "another")
    assert journal_folder() != here
