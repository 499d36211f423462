"""Responses that are kept: each is a run, found again by its name."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import orjson

from agents.models import AgentVersion
from batches.ids import single_run_seconds
from batches.inputs import canonical_json
from batches.models import Run
from batches.models.batch import InputKind
from batches.models.run import RunQuerySet
from batches.news import FinishedRun, finished_of
from batches.openai_api.errors import BadRequest
from batches.requests import start_request
from batches.runs import cancel_run
from batches.states import TERMINAL_RUN_STATES, RunState
from credentials.models import User
from workers.errors import Conflict, InvalidInput, NotFound

from .conversion import Earlier, converted, is_reference, runs_before, stored_input
from .frame import Frame
from .ids import run_id_of
from .listing import listed_items
from .output import answer_message, output_items

# A mark beside what was asked: the run itself stays on record.
_DELETED = "is_deleted"
# Of so many other responses a request may name items.
MOST_REFERRED = 100


@dataclass(frozen=True, slots=True)
class StoredResponse:
    """A run, and what it keeps of the request that it answers."""

    run: Run
    kept: dict[str, Any]

    @property
    def request(self) -> dict[str, Any]:
        """What was asked."""
        found: dict[str, Any] = self.kept["request"]
        return found

    @property
    def is_kept(self) -> bool:
        """Whether it may be asked for by its name."""
        return self.request.get("store") is not False and not self.kept.get(_DELETED)

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will come of it."""
        return self.run.state in TERMINAL_RUN_STATES

    def finished(self) -> FinishedRun | None:
        """Return how it ended; None before that."""
        return finished_of(self.run) if self.has_ended else None

    @property
    def frame(self) -> Frame:
        """What stays the same in it while its run goes on."""
        run = self.run
        created = single_run_seconds(run.pk) if run.batch_id is None else run.created_at.timestamp()
        return Frame(run.pk, self.request, run.agent_version, created)

    def body(self) -> dict[str, Any]:
        """Return the response."""
        completed_at = None if self.run.finished_at is None else self.run.finished_at.timestamp()
        return self.frame.body(self.run.state, self.finished(), completed_at)

    def conversation(self) -> list[dict[str, Any]]:
        """Return what was said, with the answer; without the instructions, which hold for one response alone."""
        ended = self.finished()
        if ended is None or ended.state != RunState.SUCCEEDED:
            raise InvalidInput(f"previous_response_id must name a response that was completed, not {self.run.state}")
        messages: list[dict[str, Any]] = self.kept["chat"]["messages"]
        return [*(messages[1:] if self.request.get("instructions") else messages), answer_message(ended)]

    def items(self) -> list[dict[str, Any]]:
        """Return all its items that another request may name."""
        ended = self.finished()
        answered = [] if ended is None else output_items(self.run.pk, ended, is_streamed=False)
        return [item for item in listed_items(self.run.pk, self.request) if not is_reference(item)] + answered


def find_response(user: User, name: str) -> StoredResponse:
    """Return the response `name`. Raises NotFound where `user` sees none, it is not kept, or it was deleted."""
    run_id = run_id_of(name)
    found = [] if run_id is None else _stored(Run.objects.visible_to(user), [run_id])
    if not found:
        raise NotFound(f"There is no response {name[:100]}.")
    return found[0]


def cancel_response(user: User, name: str) -> StoredResponse:
    """Cancel a response that has not ended, and return it. Raises NotFound."""
    found = find_response(user, name)
    if found.has_ended:
        return found
    # It may have ended meanwhile.
    with suppress(Conflict):
        cancel_run(user, found.run.pk)
    return find_response(user, name)


def delete_response(user: User, name: str) -> None:
    """Have nobody find a response again, and cancel it where it has not ended; its run stays. Raises NotFound."""
    found = cancel_response(user, name)
    marked = canonical_json({**found.kept, _DELETED: True})
    Run.objects.filter(pk=found.run.pk).update(input_json=marked)


def start_response(user: User, version: AgentVersion, kind: InputKind, request: dict[str, Any], *, run_id: int) -> Run:
    """Start the run `run_id` that answers `request`, which goes on from earlier ones of `user` where it says so.

    Raises InvalidInput that begins with the parameter that is wrong, and BadRequest for an earlier one not found.
    """
    found = converted(request, _earlier(user, request))
    try:
        return start_request(user, version, kind, stored_input(request, found), run_id=run_id)
    except InvalidInput as error:
        raise found.in_words_of_request(error) from None


def _earlier(user: User, request: dict[str, Any]) -> Earlier:
    previous, referred = runs_before(request)
    if len(referred) > MOST_REFERRED:
        raise InvalidInput(f"input must refer to items of at most {MOST_REFERRED} responses, not {len(referred)}")
    wanted = referred if previous is None else {previous, *referred}
    if not wanted:
        return Earlier()
    # Not what an administrator sees of others: nobody's words get into somebody else's conversation.
    found = {one.run.pk: one for one in _stored(Run.objects.filter(owner=user), wanted)}
    if previous is not None and previous not in found:
        name = request["previous_response_id"]
        raise BadRequest(
            f"Previous response with id '{name}' not found.", "previous_response_id", "previous_response_not_found"
        )
    items = {item["id"]: item for run_id in referred & found.keys() for item in found[run_id].items()}
    return Earlier([] if previous is None else found[previous].conversation(), items)


def _stored(runs: RunQuerySet, run_ids: Iterable[int]) -> list[StoredResponse]:
    rows = runs.filter(pk__in=run_ids, input_kind=InputKind.RESPONSES)
    rows = rows.select_related("owner", "agent_version__agent", "agent_version__credential")
    found = [StoredResponse(run, orjson.loads(run.input_json)) for run in rows]
    return [one for one in found if one.is_kept]
