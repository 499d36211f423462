"""A native batch is made once for its Idempotency-Key, also where the process dies before it has answered."""

from typing import Any

import pytest
from django.test import Client

from batches.manager import BatchManager
from batches.models import Batch
from batches.states import BatchState
from credentials.models import User
from credentials.tokens import create_token
from tests.support.factories import make_agent, make_user

pytestmark = pytest.mark.django_db(transaction=True)


class Died(Exception):
    """Stands for the end of the process."""


def send(user: User, **more: Any) -> Any:
    """Return the answer to a create, which is the same request each time."""
    _, text = create_token(user, f"t{user.api_tokens.count()}", ["batches:write", "batches:read"])
    return Client(raise_request_exception=False).post(
        "/api/v1/batches",
        {"agent": "triage", "rows": [{"text": "a"}], **more},
        content_type="application/json",
        headers={"Authorization": f"Bearer {text}", "Idempotency-Key": "order-1"},
    )


@pytest.fixture
def user() -> User:
    user = make_user()
    make_agent(user, slug="triage")
    return user


@pytest.mark.parametrize(("start", "state"), [(False, BatchState.READY), (True, BatchState.RUNNING)])
def test_who_dies_after_the_batch_was_ready_has_answered(
    user: User, monkeypatch: pytest.MonkeyPatch, start: bool, state: BatchState
) -> None:
    create = BatchManager.create

    def dies_behind(self: BatchManager, *args: Any, **kwargs: Any) -> Batch:
        create(self, *args, **kwargs)
        raise Died

    with monkeypatch.context() as patch:
        patch.setattr(BatchManager, "create", dies_behind)
        assert send(user, start=start).status_code == 500
    again = send(user, start=start)

    batch = Batch.objects.get()
    assert (again.status_code, again["Idempotent-Replayed"], again.json()["id"]) == (201, "true", batch.pk)
    assert batch.state == again.json()["state"] == state


def test_what_cannot_be_started_is_not_made_and_its_key_is_free(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    def dies(self: BatchManager, batch: Batch) -> Batch:
        raise Died

    with monkeypatch.context() as patch:
        patch.setattr(BatchManager, "start", dies)
        assert send(user, start=True).status_code == 500
    assert not Batch.objects.exists()

    assert send(user, start=True).status_code == 201
    assert Batch.objects.get().state == BatchState.RUNNING
