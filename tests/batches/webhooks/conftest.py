"""A receiver, and a sender that is allowed to reach it."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import LazySettings

from batches.models import WebhookEndpoint
from batches.webhooks.sending import WebhookSender
from batches.webhooks.services import create_endpoint
from credentials.models import User
from tests.support.factories import make_user
from tests.support.receiver import Receiver, receiving
from workers.engine import Engine

EVERYTHING = [
    *("run.completed", "run.failed", "batch.completed", "batch.failed", "batch.expired"),
    *("batch.cancelled", "batch.paused"),
]


@pytest.fixture(scope="module")
def running_receiver() -> Iterator[Receiver]:
    """One receiver for the tests of a module."""
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def receiver(running_receiver: Receiver, settings: LazySettings) -> Receiver:
    """A receiver that has got nothing yet, and may be called."""
    running_receiver.requests.clear()
    running_receiver.answers.clear()
    running_receiver.pause, running_receiver.most_at_once = 0.0, 0
    allow(settings, running_receiver)
    return running_receiver


def allow(settings: LazySettings, *receivers: Receiver) -> None:
    """Let the guarded client call receivers of this machine."""
    settings.ARBORETUM_OUTBOUND_ALLOW = ["127.0.0.1"]
    settings.ARBORETUM_OUTBOUND_PORTS = [receiver.port for receiver in receivers]


@pytest.fixture
def owner(transactional_db: None) -> User:
    """Whose webhooks they are."""
    return make_user()


@pytest.fixture
def endpoint(owner: User, receiver: Receiver) -> WebhookEndpoint:
    """An endpoint that is told of everything."""
    return create_endpoint(owner, receiver.url, EVERYTHING)[0]


@pytest.fixture
def sender() -> Iterator[WebhookSender]:
    """A sender as a worker process has one; its engine ends with the test."""
    engine = Engine()
    yield WebhookSender(engine, lambda work: tasks.add(engine.loop.create_task(work)))
    engine.stop()


tasks: set[Any] = set()


@pytest.fixture
def run(sender: WebhookSender) -> Callable[[Any], Any]:
    """Run a coroutine on the sender's loop and return its result."""
    return lambda work: sender._engine.submit(work).result(20)
