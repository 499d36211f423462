"""Routes of runs."""

import asyncio
from contextlib import suppress
from functools import partial

from ninja import Query

from agents.model_names import AGENT_PREFIX, resolve_model
from agents.models import Operation
from agents.selectors import get_version
from batches.models import Run
from batches.models.batch import InputKind
from batches.requests import start_request
from batches.run_lists import RunFilter, list_runs
from batches.runs import cancel_run, start_run
from batches.states import TERMINAL_RUN_STATES
from batches.stories import find_run, run_story
from batches.waiting import finished
from credentials.api.callers import Caller
from credentials.api.native import Later, Page, Routes, page_of

from .runs_given import SORTING, NewRun, RunFilters, RunId, RunReference, Story, Wait
from .runs_shown import CONTENT, RunListed, RunShown
from .stories_shown import RunTold

routes = Routes("Runs")
_OPERATIONS = {InputKind.CHAT: Operation.CHAT, InputKind.EMBEDDINGS: Operation.EMBEDDINGS}


@routes.post("/runs", scopes="runs:write", shows=RunShown, status=201, summary="Start a run")
def start_run_(caller: Caller, new: NewRun) -> RunShown:
    """Start a single run on the workers, on a queue that batches cannot block.

    `GET /runs/{id}?wait=30` waits for its end.
    """
    kind = InputKind(new.input_kind)
    if kind == InputKind.COLUMNS:
        version = get_version(caller.user, new.agent or "")
        run = start_run(caller.user, version, new.input, use_cache=new.use_cache)
    else:
        name = new.model if new.model is not None else f"{AGENT_PREFIX}{new.agent}"
        run = start_request(caller.user, resolve_model(caller.user, name, _OPERATIONS[kind]), kind, new.input)
    return RunShown.of(_get(caller, run.pk))


@routes.get("/runs", scopes="runs:read", shows=Page[RunListed], summary="List runs")
def list_runs_(caller: Caller, filters: Query[RunFilters]) -> Page[RunListed]:
    """List single runs, or with `batch` its rows, without what went in and came out."""
    chosen = RunFilter(
        batch=filters.batch,
        state=filters.status,
        code=filters.code,
        agent=filters.agent,
        created_after=filters.created_after,
        created_before=filters.created_before,
    )
    runs = list_runs(caller.user, chosen).defer(*CONTENT)
    return page_of(runs, filters, SORTING.order(filters.sort), RunListed.of, kind="runs")


@routes.get("/runs/{run_id}", scopes="runs:read", shows=RunShown, summary="Get a run")
def get_run(caller: Caller, run_id: RunReference, asked: Query[Wait]) -> RunShown | Later:
    """Show a run, single or of a batch; with `wait` once it has ended, or as it is when the time is over.

    Single runs tell their end at once; rows of a batch are looked at every few seconds.
    """
    run = find_run(caller.user, run_id)
    if not asked.wait or run.state in TERMINAL_RUN_STATES:
        return RunShown.of(run)
    return Later(partial(_ended, run.pk, asked.wait), lambda _: RunShown.of(_get(caller, run.pk)))


@routes.post("/runs/{run_id}/cancel", scopes="runs:write", shows=RunShown, summary="Cancel a run")
def cancel_run_(caller: Caller, run_id: RunId) -> RunShown:
    """Cancel a single run that has not ended; its call is cut. 409 where it has ended."""
    cancel_run(caller.user, run_id)
    return RunShown.of(_get(caller, run_id))


@routes.get("/runs/{run_id}/timeline", scopes="runs:read", shows=RunTold, summary="Tell a run's story")
def get_run_timeline(caller: Caller, run_id: RunReference, asked: Query[Story]) -> RunTold:
    """Tell what happened in a run: attempts, events, a timeline, and the messages as the model saw them."""
    return RunTold.of(run_story(find_run(caller.user, run_id)), asked.attempt)


def _get(caller: Caller, run_id: int) -> Run:
    return find_run(caller.user, str(run_id))


async def _ended(run_id: int, seconds: float) -> None:
    """Return when the run has ended, or after `seconds`."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await finished(run_id)
