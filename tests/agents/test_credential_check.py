import pytest
from django.test import override_settings

from agents.services import check_credential, check_credential_now, provider_config
from credentials.models import Credential
from tests.support.factories import make_credential
from workers.errors import ErrorCode, WorkError

pytestmark = pytest.mark.django_db
KEY = "sk-test-0123456789abcdef"


async def test_the_models_are_listed_and_the_time_is_measured():
    check = await check_credential(Credential(name="sim", provider="simulated"))

    assert check.is_ok
    assert check.models
    assert list(check.models) == sorted(check.models)
    assert check.latency_ms >= 0


def test_a_working_credential_remembers_when_it_was_checked():
    credential = make_credential()

    assert check_credential_now(credential).is_ok

    credential.refresh_from_db()
    assert credential.checked_at is not None


def test_the_exact_error_is_part_of_the_answer():
    # Port 9 (discard) refuses connections.
    credential = make_credential(provider="openai", key=KEY, base_url="http://127.0.0.1:9/v1")

    check = check_credential_now(credential)

    assert not check.is_ok
    assert check.error.code is ErrorCode.CONNECTION
    assert KEY not in str(check)
    credential.refresh_from_db()
    assert credential.checked_at is None


def test_a_key_that_no_encryption_key_opens_is_told():
    credential = make_credential(provider="openai", key=KEY)

    with override_settings(ARBORETUM_ENCRYPTION_KEYS=["MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="]):
        check = check_credential_now(credential)

    assert check.error.code is ErrorCode.INVALID_KEY
    assert "ARBORETUM_ENCRYPTION_KEYS" in check.error.message


def test_a_disabled_credential_calls_nobody():
    credential = make_credential(is_active=False)

    check = check_credential_now(credential)

    assert (check.error.code, check.error.message) == (
        ErrorCode.INVALID_KEY,
        f"The credential '{credential.name}' is disabled.",
    )
    with pytest.raises(WorkError, match="is disabled"):
        provider_config(credential)
    credential.refresh_from_db()
    assert credential.checked_at is None


def test_the_configuration_holds_the_key_but_never_shows_it():
    config = provider_config(make_credential(key=KEY, base_url="https://llm.example.com/v1", organisation="org"))

    assert (config.api_key, config.base_url, config.organisation) == (KEY, "https://llm.example.com/v1", "org")
    assert KEY not in repr(config)
