"""A request that is run by workers: begun in one go to the database, waited for, and cancelled with its caller."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from agents.model_names import resolve_model
from agents.models import AgentVersion
from batches.ids import single_run_id
from batches.models import Run
from batches.models.batch import InputKind
from batches.news import FinishedRun
from batches.requests import start_request
from batches.states import RunState
from batches.waiting import abandon, begun, expecting, finished, storing
from credentials.api.callers import authenticate, caller_of
from credentials.api.once import once, refuse_key
from credentials.api.threads import in_database
from credentials.models import User
from workers.errors import NotFound

from .access import read_json
from .bodies import extension_body
from .errors import ApiError, missing_parameter
from .failures import failure_of
from .limit_headers import ModelLimits, limit_headers, limits_of_version, seconds_until_open

Body = dict[str, Any]
SCOPE = "runs:write"
IDEMPOTENCY_KEY = "HTTP_IDEMPOTENCY_KEY"


class Start(Protocol):
    """Starts the run of a body, as `start_request` does."""

    def __call__(self, user: User, version: AgentVersion, kind: InputKind, body: Body, /, *, run_id: int) -> Run:
        """Return the run, queued."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request under way: its run, the version that runs it, its body, and its model's limits."""

    run: Run
    version: AgentVersion
    body: Body
    limits: ModelLimits
    created: int

    @property
    def model(self) -> str:
        """The model as the caller named it."""
        return str(self.body["model"])

    def extension(self, ended: FinishedRun) -> dict[str, Any]:
        """Return what an answer says of its run beyond OpenAI's fields."""
        return extension_of(self.run.pk, self.version, ended)

    async def label(self, response: HttpResponseBase) -> HttpResponseBase:
        """Give the answer its headers, and return it."""
        response["x-arboretum-run"] = str(self.run.pk)
        for name, value in (await limit_headers(self.limits)).items():
            response[name] = value
        return response

    async def failure(self, ended: FinishedRun) -> ApiError:
        """Return the error that tells how the run failed."""
        wait = await seconds_until_open(self.limits) if ended.error_code == "rate_limited" else 0.0
        error = failure_of(self.run.pk, ended, wait)
        error.headers = {**await limit_headers(self.limits), **error.headers}
        return error

    async def result(self) -> FinishedRun:
        """Return the run's answer. Raises ApiError where it brought none. Who is cancelled here cancels the run."""
        try:
            ended = await finished(self.run.pk)
        except asyncio.CancelledError:
            abandon(self.run)
            raise
        if ended.state is not RunState.SUCCEEDED:
            raise await self.failure(ended)
        return ended


class Running:
    """The handler of an address whose requests are run by workers (see `access.serve`)."""

    def __init__(
        self,
        kind: InputKind,
        operation: str,
        respond: Callable[[Asked], Awaitable[HttpResponseBase]],
        check: Callable[[Body], None] = lambda body: None,
        start: Start = start_request,
    ) -> None:
        """Run bodies as `kind` on versions of `operation`, once `check` has passed them; `respond` awaits the run.

        `start` starts the run of a body, in a thread that may use the database.
        """
        self._kind = kind
        self._start = start
        self._operation = operation
        self._respond = respond
        self._check = check

    async def answer(self, request: HttpRequest, **captured: Any) -> HttpResponseBase:
        """Return the answer, for an `Idempotency-Key` that has been answered that answer again.

        Raises ApiError, InvalidInput, and what `caller_of` raises.
        """
        if IDEMPOTENCY_KEY not in request.META:
            return await self._run(request)
        caller = await authenticate(request)
        caller.require(SCOPE)
        if read_json(request).get("stream"):
            refuse_key(request)
        return await once(request, caller, partial(self._run, request))

    async def _run(self, request: HttpRequest) -> HttpResponseBase:
        asked: list[Asked] = []
        run_id = single_run_id()
        with expecting(run_id):
            await begun(in_database(self._begin, request, run_id, asked))
            return await self._respond(asked[0])

    def _begin(self, request: HttpRequest, run_id: int, asked: list[Asked]) -> Run:
        caller = caller_of(request)
        caller.require(SCOPE)
        body = read_json(request)
        if body.get("model") is None:
            raise missing_parameter("model")
        self._check(body)
        try:
            version = resolve_model(caller.user, body["model"], self._operation)
        except NotFound as error:
            raise ApiError(404, str(error), param="model", code="model_not_found") from None
        limits = limits_of_version(version)
        storing(run_id)
        run = self._start(caller.user, version, self._kind, body, run_id=run_id)
        asked.append(Asked(run, version, body, limits, int(time.time())))
        return run


def extension_of(run_id: int, version: AgentVersion, ended: FinishedRun) -> dict[str, Any]:
    """Return what an answer says of its run beyond OpenAI's fields; cost in US dollars."""
    return extension_body(run_id, ended, None if version.is_plain else str(version))
