"""Runs that several threads start at once: stored together, each by its own id, and none for another's fault."""

import threading

import pytest
from django.db import IntegrityError, connection, transaction

from batches import run_inserts as module
from batches.models import Run
from batches.models.batch import InputKind
from batches.publishing import outbox
from batches.run_inserts import RunInserts
from batches.runs import new_run
from tests.support.factories import make_agent
from workers.redis import connection as redis_connection

THREADS = 12


def in_threads(inserts: RunInserts, groups: list[list[Run]]) -> list[Exception | None]:
    """Insert each group in a thread of its own, all at once; return what each raised."""
    barrier = threading.Barrier(len(groups))
    raised: list[Exception | None] = [None] * len(groups)

    def insert(place: int) -> None:
        barrier.wait()
        try:
            inserts.insert(groups[place])
        except Exception as error:
            raised[place] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=insert, args=(place,)) for place in range(len(groups))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return raised


def fresh(version) -> Run:
    return new_run(version.agent.owner, version, InputKind.COLUMNS, '{"text":"x"}')


@pytest.mark.django_db(transaction=True)
def test_runs_of_many_threads_are_stored_in_few_transactions(monkeypatch: pytest.MonkeyPatch) -> None:
    version = make_agent().current_version
    sizes: list[int] = []
    insert = module._insert

    def slowly(runs: list[Run]) -> None:
        sizes.append(len(runs))
        threading.Event().wait(0.05)
        insert(runs)

    monkeypatch.setattr(module, "_insert", slowly)
    assert in_threads(RunInserts(), [[fresh(version)] for _ in range(THREADS)]) == [None] * THREADS
    assert Run.objects.count() == sum(sizes) == THREADS
    assert len(sizes) <= 4


@pytest.mark.django_db(transaction=True)
def test_an_id_that_is_taken_fails_its_own_thread_alone() -> None:
    version = make_agent().current_version
    taken = fresh(version)
    taken.save(force_insert=True)
    groups = [[fresh(version)] for _ in range(THREADS)]
    groups[3] = [new_run(version.agent.owner, version, InputKind.COLUMNS, "{}", run_id=taken.pk)]
    raised = in_threads(RunInserts(), groups)
    assert [place for place, error in enumerate(raised) if error is not None] == [3]
    assert isinstance(raised[3], IntegrityError)
    assert Run.objects.count() == THREADS


@pytest.mark.django_db(transaction=True)
def test_within_a_transaction_they_are_part_of_it() -> None:
    version = make_agent().current_version
    with transaction.atomic():
        RunInserts().insert([fresh(version)])
        transaction.set_rollback(True)
    assert not Run.objects.exists()
    module.run_inserts.insert([fresh(version)])
    assert Run.objects.count() == 1
    assert outbox.flush()
    assert redis_connection().llen("interactive") == 1
