"""The store of answers as a worker process uses it: looked up and written in groups, the latest kept in memory."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from agents.answers import answer_json, stored_completion
from agents.llm.tokens import utf8_size
from agents.llm.types import Completion
from agents.routing import ModelName
from batches.models import StoredAnswer
from workers.coalesce import Coalescer
from workers.engine import Engine

from .agents_cache import LoadedAgent
from .blocks import Spawn
from .clock import now_plus

log = structlog.get_logger(__name__)

FIND_SECONDS = 0.005
KEEP_SECONDS = 0.1
# Found for a row when it is taken, and asked for again when it starts: so many are remembered meanwhile.
REMEMBERED = 1024
REMEMBERED_SECONDS = 1.0
REMEMBERED_CHARACTERS = 32 * 1024
# What a row of the store takes beside its answer: the key twice, times, headers.
ROW_BYTES = 300


@dataclass(frozen=True, slots=True)
class Question:
    """Keys of which the first that has an answer counts, no older than `seconds`."""

    keys: tuple[str, ...]
    seconds: int


class StoredAnswers:
    """The store of one process. Used from the engine's loop alone."""

    def __init__(self, engine: Engine, spawn: Spawn) -> None:
        """Look up and write through the engine's database thread; `spawn` starts what nobody waits for."""
        self._spawn = spawn
        self._finds: Coalescer[Question, tuple[str, Completion] | None] = Coalescer(
            engine, find_answers, interval=FIND_SECONDS
        )
        self._keeps: Coalescer[StoredAnswer, None] = Coalescer(
            engine, keep_answers, interval=KEEP_SECONDS, size_of=lambda answer: answer.bytes
        )
        self._engine = engine
        # By key and age: what is fresh enough for one agent may not be for another.
        self._remembered: OrderedDict[tuple[str, int], tuple[float, Completion]] = OrderedDict()
        # On their way to the database, however long: rows that waited for one look for it at once.
        self._unwritten: dict[str, Completion] = {}

    def of(self, agent: LoadedAgent) -> "AgentAnswers":
        """Return the store as the runs of `agent`, which wants one, use it."""
        return AgentAnswers(self, agent)

    async def find(self, question: Question) -> tuple[str, Completion] | None:
        """Return the answer to `question` with its key, None without one. A store that fails knows none."""
        now = self._engine.loop.time()
        for key in question.keys:
            until, completion = self._remembered.get((key, question.seconds), (0.0, None))
            if completion is not None and now < until:
                return key, completion
            if key in self._unwritten:
                return key, self._unwritten[key]
        try:
            found = await self._finds.submit(question)
        except Exception as error:
            log.warning("answer_unreadable", error=type(error).__name__)
            return None
        if found is not None:
            self._remember(*found, question.seconds)
        return found

    def keep_soon(self, answer: StoredAnswer, seconds: int) -> None:
        """Write an answer with others, which serves for `seconds`; one that cannot be written is asked for again."""
        completion = self._unwritten[answer.key] = stored_completion(answer.answer_json)
        self._remember(answer.key, completion, seconds)
        self._spawn(self._keep(answer, completion))

    async def _keep(self, answer: StoredAnswer, completion: Completion) -> None:
        try:
            await self._keeps.submit(answer)
        except Exception as error:
            log.warning("answer_unkept", error=type(error).__name__)
        finally:
            if self._unwritten.get(answer.key) is completion:
                del self._unwritten[answer.key]

    def _remember(self, key: str, completion: Completion, seconds: int) -> None:
        if len(completion.text) <= REMEMBERED_CHARACTERS:
            self._remembered[key, seconds] = (self._engine.loop.time() + REMEMBERED_SECONDS, completion)
            if len(self._remembered) > REMEMBERED:
                self._remembered.popitem(last=False)


class AgentAnswers:
    """The store for the runs of one agent: what they find is fresh enough, what they keep expires as the agent says."""

    def __init__(self, store: StoredAnswers, agent: LoadedAgent) -> None:
        """Use `store` for `agent`."""
        assert agent.spec.cache_seconds is not None
        self._store = store
        self._agent = agent
        self._seconds = agent.spec.cache_seconds

    async def find(self, keys: Sequence[str]) -> tuple[str, Completion] | None:
        """Return the first of `keys` that has an answer, with it; None where none has one that is fresh."""
        return await self._store.find(Question(tuple(keys), self._seconds))

    def keep(self, key: str, name: ModelName, completion: Completion) -> None:
        """Keep what model `name` has answered, some time soon."""
        model = next((model for model in self._agent.models if model.name == name), None)
        if model is not None:
            text = answer_json(completion)
            answer = StoredAnswer(
                key=key,
                credential_id=model.bucket.credential,
                answer_json=text,
                bytes=utf8_size(text) + ROW_BYTES,
                created_at=Now(),
                expires_at=now_plus(self._seconds),
            )
            self._store.keep_soon(answer, self._seconds)


def find_answers(questions: Sequence[Question]) -> list[tuple[str, Completion] | None]:
    """Return the answer to each of `questions` with its key, None where it has none (database thread; one query)."""
    keys = {key for question in questions for key in question.keys}
    now = timezone.now()
    rows = StoredAnswer.objects.filter(key__in=keys, expires_at__gt=now).values_list("key", "answer_json", "created_at")
    known = {key: (text, created_at) for key, text, created_at in rows}
    return [_answer_to(question, known, now) for question in questions]


def _answer_to(
    question: Question, known: Mapping[str, tuple[str, datetime]], now: datetime
) -> tuple[str, Completion] | None:
    oldest = now - timedelta(seconds=question.seconds)
    for key in question.keys:
        text, created_at = known.get(key, ("", oldest))
        if text and created_at >= oldest:
            try:
                return key, stored_completion(text)
            except ValueError:
                # Of another release.
                log.warning("answer_unreadable", error="form")
    return None


def keep_answers(answers: Sequence[StoredAnswer]) -> list[None]:
    """Write `answers`, over older ones of their keys (database thread; one transaction)."""
    # In one order everywhere, so that nobody deadlocks; a statement may not write a row twice.
    latest = {answer.key: answer for answer in answers}
    with transaction.atomic():
        StoredAnswer.objects.bulk_create(
            [latest[key] for key in sorted(latest)],
            update_conflicts=True,
            unique_fields=["key"],
            update_fields=["credential", "answer_json", "bytes", "created_at", "expires_at"],
        )
    return [None] * len(answers)
