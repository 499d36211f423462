"""A new key, an enabled credential and a command lift what the provider told to wait for."""

import asyncio
from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from credentials import services
from credentials.models import Credential, ProviderModel
from tests.support.commands import run_command
from tests.support.factories import make_credential, make_superuser
from workers.ratelimit.limiter import Limiter
from workers.ratelimit.readout import bucket_states
from workers.ratelimit.types import Bucket
from workers.redis import close_async_connection

pytestmark = pytest.mark.django_db(transaction=True)

KEY = "sk-new-0123456789-abcdefghij"


@pytest.fixture
def credential() -> Credential:
    """A credential of which the whole and the model `gpt` are blocked for a day, here and in Redis."""
    owner = make_superuser(username="root")
    until = timezone.now() + timedelta(days=1)
    blocked = make_credential(owner, name="main", provider="openai", key="sk-old-0123456789", blocked_until=until)
    ProviderModel.objects.create(credential=blocked, name="gpt", requests_per_minute=5, blocked_until=until)
    asyncio.run(_block(blocked.pk))
    return blocked


async def _block(credential_id: int) -> None:
    for whole in (True, False):
        await Limiter("p").block(Bucket(credential_id, "gpt"), 86_400, whole_credential=whole, reason="a day")
    await close_async_connection()


def blocks(credential: Credential) -> tuple[bool, bool, bool]:
    """Return whether the credential and its model are blocked in the database, and whether Redis blocks anything."""
    bucket = Bucket(credential.pk, "gpt")
    in_redis = bool(bucket_states([bucket])[bucket].blocked_reason)
    whole = Credential.objects.get(pk=credential.pk).blocked_until is not None
    return whole, ProviderModel.objects.get().blocked_until is not None, in_redis


ALL, NONE = (True, True, True), (False, False, False)


@pytest.mark.parametrize(
    "changes", [{"key": KEY}, {"base_url": "https://elsewhere.example/v1"}], ids=["key", "another server"]
)
def test_what_was_told_to_the_old_key_does_not_hold_the_new_one(
    credential: Credential, changes: dict[str, str]
) -> None:
    services.update_credential(credential.owner, credential, **changes)
    assert blocks(credential) == NONE
    assert credential.blocked_until is None
    assert ProviderModel.objects.get().requests_per_minute == 5


def test_other_changes_lift_nothing(credential: Credential) -> None:
    services.update_credential(credential.owner, credential, organisation="o", name="renamed")
    services.disable_credential(credential)
    assert blocks(credential) == ALL


def test_workers_are_told_once_the_new_key_can_be_read(credential: Credential) -> None:
    with transaction.atomic():
        services.update_credential(credential.owner, credential, key=KEY)
        assert blocks(credential) == (False, False, True)
    assert blocks(credential) == NONE


def test_a_key_can_be_changed_without_redis(credential: Credential, settings) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    services.update_credential(credential.owner, credential, key=KEY)
    assert Credential.objects.get().reveal_key() == KEY
    assert Credential.objects.get().blocked_until is None


def test_enabling_a_credential_lets_it_start_at_once(credential: Credential) -> None:
    services.disable_credential(credential)
    services.enable_credential(credential)
    assert blocks(credential) == NONE
    assert Credential.objects.get().is_active


def test_the_command_lifts_all_of_a_credential(credential: Credential) -> None:
    result = run_command("models", "unblock", "main")
    assert (result.code, result.out, result.err) == (0, "Unblocked main.\n", "")
    assert blocks(credential) == NONE
    assert run_command("models", "unblock", "main").out == "main was not blocked.\n"


def test_the_command_lifts_one_model_and_says_what_still_holds_it(credential: Credential) -> None:
    result = run_command("models", "unblock", "main", "gpt", "--json")
    assert result.data == {"credential": "main", "model": "gpt", "was_blocked": True}
    assert "All models of main are blocked until" in result.err
    assert blocks(credential) == (True, False, True)


def test_the_command_needs_a_credential_and_redis(credential: Credential, settings) -> None:
    assert run_command("models", "unblock", "other").code == 2
    settings.REDIS_URL_GIVEN, settings.REDIS_URL = True, "redis://127.0.0.1:1/0"
    result = run_command("models", "unblock", "main")
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith("error: Redis does not answer, so the workers were not told of main")
