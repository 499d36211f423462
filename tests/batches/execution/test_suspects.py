"""Suspects: who becomes one, who may take them, in what slices, and when one is condemned."""

import itertools
from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone

from batches.execution import reaping
from batches.execution.claims import claim_batch, claim_singles
from batches.execution.leases import LeaseLost, open_lease, release_leases
from batches.execution.maintenance import finalize_ended, untaken_singles
from batches.execution.reaping import reap, reap_process, release_process, return_forgotten
from batches.execution.storing import store_outcomes
from batches.execution.suspects import claim_slice, fitting, has_suspects, slice_size
from batches.manager import BatchManager
from batches.models import Attempt, Batch, Lease, Run
from batches.runs import cancel_run
from batches.states import BatchState, RunState
from tests.support.factories import make_batch, make_single_run

from .helpers import claim, expire_leases, failure, success

pytestmark = pytest.mark.django_db

MOST = 1000


def quarantine(process: str = "q") -> int:
    """Open a lease of a process in quarantine."""
    return open_lease(process, None, is_quarantine=True)


def suspects(number: int, crash_slice: int | None = None) -> Batch:
    """Return a running batch all of whose rows are suspects."""
    batch = make_batch(rows=number, state=BatchState.RUNNING)
    Run.objects.of_batch(batch.pk).update(crash_slice=crash_slice or number, crashes=1)
    return batch


def take_slice(process: str = "q", **options: bool) -> list[int]:
    """Have a process in quarantine take a slice; return its run ids."""
    return [run.id for run in claim_slice(quarantine(process), MOST, **options)]


def test_all_leases_of_a_dead_process_count_as_one_crash() -> None:
    first, second = make_batch(rows=3), make_batch(rows=2)
    claim(first, process="dead")
    claim(second, process="dead")
    single = make_single_run()
    claim_singles([single.pk], open_lease("dead", None))
    claim(make_batch(rows=4), process="alive")
    expire_leases(process="dead")
    assert reap() == 6
    waiting = Run.objects.filter(state__in=["pending", "queued"])
    assert set(waiting.values_list("crash_slice", "crashes")) == {(6, 1)}
    assert Run.objects.filter(state=RunState.RUNNING).count() == 4
    single.refresh_from_db()
    assert single.state == RunState.QUEUED


def test_a_process_of_which_one_lease_lives_is_not_dead() -> None:
    batch = make_batch(rows=4)
    forgotten = claim(batch, 2, process="p")[0].lease_id
    claim(batch, 2, process="p")
    expire_leases(pk=forgotten)
    assert reap() == 0
    assert return_forgotten() == 1
    rows = Run.objects.of_batch(batch.pk).order_by("id").values_list("state", "crashes", "crash_slice")
    assert list(rows) == [("pending", 0, None)] * 2 + [("running", 0, None)] * 2
    assert return_forgotten() == 0


def test_a_process_that_renewed_its_leases_in_time_is_left_alone() -> None:
    claim(make_batch(rows=1), process="p")
    assert reap_process("p") is None
    assert not Attempt.objects.exists()


def test_no_ordinary_claim_takes_a_suspect() -> None:
    batch = suspects(2)
    single = make_single_run(crash_slice=1, created_at=timezone.now() - timedelta(minutes=1))
    assert claim_batch(batch.pk, open_lease("p", batch.pk), 10) == []
    assert claim_singles([single.pk], open_lease("p", None)) == []
    assert not untaken_singles().exists()


@pytest.mark.django_db(transaction=True)
def test_a_batch_of_suspects_alone_is_not_offered() -> None:
    from batches.execution.maintenance import offer_batches

    batch = suspects(2)
    assert offer_batches() == 0
    Run.objects.filter(pk=batch.run_ids[0]).update(crash_slice=None)
    assert offer_batches() == 1


def test_a_slice_is_half_of_a_group_over_batches_and_single_runs() -> None:
    first, second = suspects(3, 10), suspects(1, 10)
    single = make_single_run(crash_slice=10)
    others = suspects(2, 6)
    taken = take_slice()
    assert taken == [*range(*first.run_ids)[:3], second.run_ids[0], single.pk]
    assert set(Run.objects.filter(pk__in=taken).values_list("state", "attempt")) == {("running", 1)}
    assert take_slice() == [*range(*others.run_ids)[:2]]
    assert take_slice() == []
    assert not has_suspects()


def test_the_largest_group_comes_first_unless_the_smallest_is_asked_for() -> None:
    large, small = suspects(2, 9), suspects(1, 1)
    assert take_slice(smallest=True) == [small.run_ids[0]]
    Run.objects.of_batch(small.pk).update(state=RunState.PENDING)
    assert take_slice() == [*range(*large.run_ids)[:2]]


@pytest.mark.parametrize("state", [state for state in BatchState if state is not BatchState.RUNNING])
def test_suspects_of_a_batch_that_does_not_run_stay(state: BatchState) -> None:
    batch = suspects(2)
    Batch.objects.filter(pk=batch.pk).update(state=state)
    assert not has_suspects()
    assert take_slice() == []


def test_suspects_that_are_not_due_stay_and_are_foretold() -> None:
    batch = suspects(2)
    Run.objects.of_batch(batch.pk).update(not_before=timezone.now() + timedelta(seconds=5))
    assert take_slice() == []
    assert [has_suspects(), has_suspects(2), has_suspects(10)] == [False, False, True]


def test_no_slice_is_taken_under_a_dead_lease() -> None:
    suspects(2)
    lease = quarantine()
    expire_leases()
    with pytest.raises(LeaseLost):
        claim_slice(lease, MOST)
    assert has_suspects()


def test_what_a_slice_still_held_is_what_halves_next() -> None:
    suspects(20)
    lease = quarantine("child")
    runs = claim_slice(lease, MOST)
    assert len(runs) == 10
    store_outcomes([success(run) for run in runs[:4]])
    assert reap_process("child", is_gone=True, is_blamed=True) == 6
    sizes = Run.objects.filter(state=RunState.PENDING).values_list("crash_slice", flat=True)
    assert sorted(sizes) == [6] * 6 + [20] * 10
    assert len(take_slice("next", smallest=True)) == 3


def test_who_was_alone_when_its_child_died_fails_as_poison_and_the_batch_can_end() -> None:
    batch = suspects(1)
    take_slice("child")
    assert reap_process("child", is_gone=True, is_blamed=True) == 1
    run = Run.objects.of_batch(batch.pk).get()
    assert (run.state, run.error_code, run.crashes) == (RunState.FAILED, "poison", 2)
    assert (run.error_message or "").startswith("2 worker processes died")
    assert (run.lease_id, run.token) == (None, None)
    assert run.finished_at is not None
    assert Attempt.objects.get().outcome == "crashed"
    batch.refresh_from_db()
    assert batch.failed == 1
    assert finalize_ended() == 1


def test_an_ordinary_death_condemns_nobody_however_often_and_alone() -> None:
    run = make_single_run()
    for number in range(1, 20):
        Run.objects.filter(pk=run.pk).update(crash_slice=None)
        claim_singles([run.pk], open_lease(f"p{number}", None))
        expire_leases()
        assert reap() == 1
        run.refresh_from_db()
        assert (run.state, run.crashes, run.crash_slice) == (RunState.QUEUED, number, 1)


def test_a_child_that_died_with_its_worker_condemns_only_at_last() -> None:
    batch = suspects(1)
    run = Run.objects.of_batch(batch.pk).get()
    for number in range(2, reaping.MOST_UNEXPLAINED_CRASHES + 1):
        assert run.state == RunState.PENDING
        take_slice(f"child{number}")
        expire_leases()
        assert reap() == 1
        run.refresh_from_db()
        assert run.crashes == number
    assert (run.state, run.error_code) == (RunState.FAILED, "poison")


def test_a_child_that_was_stuck_is_known_to_be_gone_but_not_to_be_killed_by_its_run() -> None:
    suspects(1)
    take_slice("child")
    assert reap_process("child", is_gone=True) == 1
    assert set(Run.objects.values_list("state", "crashes", "crash_slice")) == {("pending", 2, 1)}


def test_suspects_that_are_handed_back_stay_suspects() -> None:
    suspects(8)
    runs = claim_slice(lease := quarantine(), MOST)
    release_leases([lease])
    assert set(Run.objects.values_list("state", "crash_slice", "crashes")) == {("pending", 8, 1)}
    assert set(Attempt.objects.values_list("outcome", flat=True)) == {"handed_back"}
    assert len(runs) == 4


def test_a_child_that_was_stopped_leaves_no_crash() -> None:
    suspects(4)
    take_slice("child")
    release_process("child")
    assert not Lease.objects.filter(released_at=None).exists()
    assert set(Run.objects.values_list("state", "crash_slice", "crashes")) == {("pending", 4, 1)}


def test_a_suspect_is_retried_from_the_beginning_when_a_user_asks() -> None:
    batch = suspects(1)
    (run,) = claim_slice(quarantine(), MOST)
    store_outcomes([failure(run)])
    assert BatchManager(batch.owner).retry(batch) == 1
    assert [taken.id for taken in claim_batch(batch.pk, open_lease("p", batch.pk), 5)] == [run.id]


def test_suspects_are_cancelled_as_others_are() -> None:
    batch, single = suspects(3), make_single_run(crash_slice=2)
    BatchManager(batch.owner).cancel(batch)
    cancel_run(single.owner, single.pk)
    assert set(Run.objects.values_list("state", flat=True)) == {"cancelled"}
    assert not has_suspects()


@pytest.mark.parametrize("in_hand", [1, 2, 7, 120])
@pytest.mark.parametrize("place", ["first", "last"])
def test_one_deadly_run_is_found_and_all_others_succeed(in_hand: int, place: str) -> None:
    batch = suspects(in_hand)
    deadly = batch.run_ids[0] + (0 if place == "first" else in_hand - 1)
    runs_of_it, children = 1, itertools.count(1)
    while has_suspects():
        child = f"child{next(children)}"
        runs = claim_slice(quarantine(child), MOST)
        if deadly not in {run.id for run in runs}:
            store_outcomes([success(run) for run in runs])
            continue
        runs_of_it += 1
        reap_process(child, is_gone=True, is_blamed=True)
    states = Run.objects.order_by().values_list("state", flat=True)
    assert sorted(states) == [RunState.FAILED] + [RunState.SUCCEEDED] * (in_hand - 1)
    assert runs_of_it == Run.objects.get(pk=deadly).crashes
    assert runs_of_it <= most_runs(in_hand)


def most_runs(in_hand: int) -> int:
    """Return how often a deadly run runs, where nothing of a slice ends before the crash: the longest way."""
    runs, group, was_alone = 1, in_hand, False
    while not was_alone:
        group = slice_size(group)
        runs, was_alone = runs + 1, group == 1
    return runs


def test_a_deadly_run_among_a_thousand_runs_at_most_twelve_times() -> None:
    assert most_runs(1000) == 10
    assert max(most_runs(in_hand) for in_hand in range(1, 4096)) == 12
    assert most_runs(settings.ARBORETUM_WORKER_SLOTS) <= 12


@pytest.mark.parametrize(
    ("found", "together"),
    [
        ([8, 8, 8, 8], 4),
        ([8, 8, 7, 7], 3),
        ([50] * 10 + [3], 10),
        ([50] * 3 + [7], 3),
        ([50] * 2 + [7, 7], 3),
        ([3, 8, 8], 1),
        ([1, 1], 1),
        ([], 0),
    ],
)
def test_a_slice_holds_so_many_as_each_of_its_runs_allows(found: list[int], together: int) -> None:
    assert fitting(list(enumerate(found))) == list(range(together))


def test_what_a_group_leaves_free_is_filled_from_the_next() -> None:
    first, second = suspects(3, 20), suspects(9, 12)
    assert take_slice() == [
        *Run.objects.of_batch(first.pk).values_list("pk", flat=True),
        *range(*first_rows(second, 3)),
    ]


def first_rows(batch: Batch, number: int) -> tuple[int, int]:
    """Return the ids of the batch's first rows, and the id after them."""
    return batch.run_ids[0], batch.run_ids[0] + number


def test_who_had_to_go_with_its_keeper_is_not_halved_at_first() -> None:
    for crashes, crash_slice in ((1, 20), (reaping.MOST_EXCUSED_CRASHES, 2)):
        batch = suspects(2, 20)
        Run.objects.of_batch(batch.pk).update(crashes=crashes)
        take_slice("q")
        assert reap_process("q", is_gone=True, is_excused=True) == 2
        rows = Run.objects.of_batch(batch.pk)
        assert set(rows.values_list("state", "crashes", "crash_slice")) == {("pending", crashes + 1, crash_slice)}
        rows.update(crash_slice=None)
