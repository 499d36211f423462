"""Single runs: one input, started at once, on a queue that batches never block."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from agents.attachments import check_columns
from agents.models import AgentVersion
from agents.prompts import template
from credentials.models import User
from workers.errors import Conflict, NotFound

from .access import require_access
from .execution.cancelling import CANCELLED
from .ids import single_run_id
from .inputs import canonical_json
from .models import Run
from .models.batch import InputKind
from .run_inserts import run_inserts
from .states import RunState
from .telling import tell_run_ended

# Two processes may draw the same microsecond; three times in a row they do not.
INSERT_TRIES = 5


def start_run(user: User, version: AgentVersion, columns: Mapping[str, Any], *, use_cache: bool = True) -> Run:
    """Start one run of `version` over `columns`, and return it, queued. Raises InvalidInput for a missing column.

    Without `use_cache` no stored answer serves it.
    """
    return start_runs(user, [(version, columns)], use_cache=use_cache)[0]


def start_runs(
    user: User, inputs: Sequence[tuple[AgentVersion, Mapping[str, Any]]], *, use_cache: bool = True
) -> list[Run]:
    """Start a run for each pair of version and columns, in one transaction, and return them in order."""
    for version in {version.pk: version for version, _ in inputs}.values():
        require_access(user, version)
    for version, columns in inputs:
        template(version.prompt).check(columns.keys())
        check_columns(version.attachments, columns.keys())
    return store_and_publish(
        lambda: [
            new_run(user, version, InputKind.COLUMNS, canonical_json(dict(columns)), use_cache=use_cache)
            for version, columns in inputs
        ]
    )


def store_and_publish(make: Callable[[], list[Run]]) -> list[Run]:
    """Store the single runs that `make` returns in one transaction, offer them to the workers, and return them.

    `make` is called again where another process has drawn one of their ids.
    """
    for left in reversed(range(INSERT_TRIES)):
        runs = make()
        try:
            run_inserts.insert(runs)
        except IntegrityError:
            if not left:
                raise
        else:
            return runs
    raise AssertionError("unreachable")


def new_run(
    user: User,
    version: AgentVersion,
    kind: InputKind,
    input_json: str,
    *,
    use_cache: bool = True,
    run_id: int | None = None,
) -> Run:
    """Return a new single run, unsaved, with `run_id` or an id of its own."""
    return Run(
        id=single_run_id() if run_id is None else run_id,
        owner=user,
        agent_version=version,
        input_kind=kind,
        input_json=input_json,
        state=RunState.QUEUED,
        use_cache=use_cache,
        created_at=Now(),
    )


def cancel_run(user: User, run_id: int) -> Run:
    """Cancel a single run that has not ended: its call is cut at once. Raises NotFound and Conflict."""
    run = Run.objects.visible_to(user).singles().filter(pk=run_id).first()
    if run is None:
        raise NotFound(f"There is no single run {run_id}.")
    open_rows = Run.objects.filter(pk=run_id, state__in=[RunState.QUEUED, RunState.RUNNING, RunState.WAITING])
    with transaction.atomic():
        is_cancelled = open_rows.update(**CANCELLED, finished_at=Now())
        run.refresh_from_db()
        if is_cancelled:
            tell_run_ended(run)
    if not is_cancelled:
        raise Conflict(f"Run {run_id} has ended already ({run.state}).")
    return run
