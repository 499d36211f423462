import pytest
from django.test import override_settings

from agents.llm.registry import provider_names
from agents.services import check_credential, check_credential_now, provider_config
from credentials.models import Credential, User
from tests.support.factories import make_credential
from tests.support.provider_server import running_server
from tests.support.provider_server.dialects import DIALECTS
from workers.errors import ErrorCode, WorkError

from .llm.raw_server import http, raw_server

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


def credential_at(base_url: str, provider: str = "openai") -> Credential:
    credential = Credential(name="c", provider=provider, base_url=base_url, owner=User())
    credential.set_key(KEY)
    return credential


@pytest.mark.parametrize("provider", [name for name in provider_names() if name in DIALECTS])
async def test_every_provider_lists_its_models_and_refuses_a_wrong_key(provider: str):
    async with running_server(dialect=provider, keys=[KEY]) as server:
        check = await check_credential(credential_at(server.base_url, provider))
        assert (check.error, check.models, check.advice) == (None, ("fake-large", "fake-small"), "")
        server.configure(keys=["another"])
        check = await check_credential(credential_at(server.base_url, provider))
    assert check.error is not None
    assert check.error.code is ErrorCode.INVALID_KEY
    assert "manage.py credentials update c --key-env" in check.advice


async def test_a_server_without_a_list_is_called_instead():
    async with running_server(has_models=False, keys=[KEY]) as server:
        check = await check_credential(credential_at(server.base_url, "compatible"), model="their-model")
        assert (check.error, check.called_model) == (None, "their-model")
        assert server.last_body["model"] == "their-model"
        assert server.last_body["max_tokens"] <= 16
        check = await check_credential(credential_at(server.base_url, "groq"))
        assert check.called_model == "openai/gpt-oss-20b"
        check = await check_credential(credential_at(server.base_url, "compatible"))
    assert not check.is_ok
    assert "could not be verified" in check.error.message
    assert "--model" in check.advice


async def test_a_base_url_without_its_path_is_told():
    async with running_server() as server:
        root = server.base_url.removesuffix("/v1")
        check = await check_credential(credential_at(root, "compatible"), model="m")
    assert check.error.code is ErrorCode.NOT_FOUND
    assert f"credentials update c --base-url {root}/v1" in check.advice


@pytest.mark.parametrize(
    ("provider", "path", "missing"),
    [
        ("openai", "", "/v1"),
        ("azure", "", "/openai/v1"),
        ("azure", "/openai", "/v1"),
        ("gemini", "/v1beta", "/openai"),
        ("gemini", "/v1beta/openai", None),
        ("deepseek", "", None),
        ("anthropic", "", None),
    ],
)
async def test_the_path_that_is_missing_is_the_provider_s(provider: str, path: str, missing: str | None):
    async with raw_server() as server:
        server.answers = [GONE] * 2
        base_url = server.base_url.removesuffix("/v1") + path
        check = await check_credential(credential_at(base_url, provider))
    if missing is None:
        assert "Something else than the provider's API" in check.advice
    else:
        assert check.advice.endswith(f"--base-url {base_url}{missing}")


async def test_a_model_that_the_server_does_not_have_is_told():
    async with running_server(has_models=False, faults={"not_found": 1}) as server:
        check = await check_credential(credential_at(server.base_url, "compatible"), model="m")
    assert "no such model" in check.advice


PAGE = http(b"<html>Welcome</html>", "Content-Type: text/html")
MOVED = http(b"", "Location: http://127.0.0.1:9/", status="301 Moved Permanently")
GONE = http(b"<html>Not here</html>", "Content-Type: text/html", status="404 Not Found")
EMPTY = http(b'{"error": {"code": "insufficient_quota"}}', status="429 Too Many Requests")
BUSY = http(b"", status="429 Too Many Requests")
BROKEN = http(b"", status="500 Internal Server Error")


@pytest.mark.parametrize(
    ("answer", "advice"),
    [
        (PAGE, "Something else than the provider's API"),
        (GONE, "Something else than the provider's API"),
        (MOVED, "sends callers elsewhere"),
        (EMPTY, "nothing left"),
        (BUSY, "called too often"),
        (BROKEN, "trouble of its own"),
    ],
    ids=["page", "no such page", "moved", "nothing left", "too often", "broken"],
)
async def test_what_to_do_is_told_for_each_answer(answer: bytes, advice: str):
    async with raw_server() as server:
        server.answers = [answer]
        check = await check_credential(credential_at(server.base_url))
    assert not check.is_ok
    assert advice in check.advice


@pytest.mark.parametrize(
    ("base_url", "advice"),
    [
        ("http://127.0.0.1:9/v1", "Nothing listens at 127.0.0.1:9"),
        ("http://no-such-host.invalid/v1", "No address is known for no-such-host.invalid"),
    ],
)
async def test_what_to_do_is_told_where_nobody_answers(base_url: str, advice: str):
    check = await check_credential(credential_at(base_url))
    assert check.error.code is ErrorCode.CONNECTION
    assert advice in check.advice


async def test_http_in_place_of_https_is_told():
    async with running_server() as server:
        check = await check_credential(credential_at(server.base_url.replace("http://", "https://")))
    assert check.error.code is ErrorCode.CONNECTION
    assert "secure connection" in check.advice


async def test_a_missing_base_url_is_told():
    check = await check_credential(credential_at("", "azure"))
    assert check.error.code is ErrorCode.INVALID_REQUEST
    assert "https://RESOURCE.openai.azure.com/openai/v1" in check.error.message
