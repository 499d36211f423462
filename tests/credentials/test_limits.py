"""What a user sees of the limits of models, and of what they do just now."""

import asyncio
from datetime import timedelta

import pytest
from django.conf import LazySettings
from django.utils import timezone

from credentials.limits import model_states
from credentials.models import Credential
from credentials.services import set_model
from tests.support.commands import run_command
from tests.support.factories import make_credential, make_superuser, make_user
from workers.ratelimit.limiter import Limiter
from workers.ratelimit.types import Binding, Bucket, Limits, Report
from workers.redis import close_async_connection

pytestmark = pytest.mark.django_db


@pytest.fixture
def main() -> Credential:
    return make_credential(make_superuser(username="root"), name="main")


async def use(bucket: Bucket, limits: Limits, calls: int) -> int:
    """Ask for `calls` calls as a process does; return how many may start."""
    try:
        wanted = Report(waiting=calls)
        return len((await Limiter("here").exchange(bucket, limits, wanted, [100] * calls)).delays)
    finally:
        await close_async_connection()


async def block(bucket: Bucket, seconds: float) -> None:
    try:
        await Limiter("here").block(bucket, seconds, whole_credential=True, reason="HTTP 429")
    finally:
        await close_async_connection()


def test_a_model_in_use_is_seen_though_nothing_was_set_for_it(main: Credential) -> None:
    assert asyncio.run(use(Bucket(main.pk, "gpt:mini"), Limits(), 3)) == 3
    states = model_states(main.owner)
    assert states.is_live
    (model,) = states.models
    assert (model.name, model.limits) == ("gpt:mini", None)
    assert model.now is not None
    assert (model.now.in_flight, model.now.waiting, model.now.binding) == (3, 0, None)


def test_what_holds_calls_back_is_named_with_how_many_wait(main: Credential) -> None:
    set_model(main, "gpt", max_concurrency=2)
    asyncio.run(use(Bucket(main.pk, "gpt"), Limits(max_concurrency=2), 5))
    (model,) = model_states(main.owner, main).models
    assert model.now is not None
    assert (model.now.in_flight, model.now.waiting, model.now.binding) == (2, 3, Binding.CONCURRENCY)
    assert model.now.since is not None
    result = run_command("models", "list")
    line = result.out.splitlines()[-1].split()
    assert line[:2] == ["main", "gpt"]
    assert "concurrency" in line
    data = run_command("models", "list", "--json").data[0]
    assert (data["held_back_by"], data["now"]["waiting"], data["max_concurrency"]) == ("concurrency", 3, 2)


def test_strangers_see_neither_limits_nor_use(main: Credential) -> None:
    set_model(main, "gpt", requests_per_minute=5)
    asyncio.run(use(Bucket(main.pk, "gpt"), Limits(), 1))
    assert model_states(make_user()).models == []


def test_a_block_is_shown_with_its_end_also_when_redis_has_forgotten_it(main: Credential) -> None:
    set_model(main, "gpt", requests_per_minute=5)
    asyncio.run(block(Bucket(main.pk, "gpt"), 60))
    Credential.objects.update(blocked_until=timezone.now() + timedelta(seconds=60))
    main.refresh_from_db()
    (model,) = model_states(main.owner).models
    assert model.blocked_until == main.blocked_until
    data = run_command("models", "list", "--json").data[0]
    assert data["held_back_by"] == "blocked"


def test_a_block_that_is_over_is_not_shown(main: Credential) -> None:
    set_model(main, "gpt", requests_per_minute=5)
    Credential.objects.update(blocked_until=timezone.now() - timedelta(seconds=1))
    assert model_states(main.owner).models[0].blocked_until is None


def test_without_redis_the_limits_are_listed_and_their_state_is_unknown(
    main: Credential, settings: LazySettings
) -> None:
    set_model(main, "gpt", requests_per_minute=5)
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    states = model_states(main.owner)
    assert (states.is_live, [model.name for model in states.models]) == (False, ["gpt"])
    assert "unknown" in run_command("models", "list").out
