"""`manage.py credentials`."""

import asyncio
import threading
from contextlib import contextmanager

import pytest
from aiohttp import web

from credentials.models import Credential
from tests.credentials.conftest import KEY
from tests.support.commands import run_command
from tests.support.factories import make_credential, make_superuser, make_user
from tests.support.provider_server import ProviderServer

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def admin():
    return make_superuser(username="root")


def run(*arguments, **kwargs):
    return run_command("credentials", *arguments, **kwargs)


@contextmanager
def answering(status, body):
    """Run an HTTP server that answers everything with `status` and the JSON `body`; yields its address."""

    async def answer(request):
        return web.json_response(body, status=status)

    async def start():
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", answer)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        return runner, site._server.sockets[0].getsockname()[1]

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    runner, port = asyncio.run_coroutine_threadsafe(start(), loop).result(10)
    try:
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


def test_add_takes_the_key_from_the_environment(monkeypatch, admin):
    monkeypatch.setenv("MY_KEY", KEY)
    result = run("add", "main", "--provider", "openai", "--key-env", "MY_KEY", "--organisation", "org")
    assert (result.code, result.out) == (0, "Added main (openai, key …KLMN).\n")
    credential = Credential.objects.get()
    assert (credential.reveal_key(), credential.organisation, credential.owner) == (KEY, "org", admin)


def test_add_takes_the_key_from_standard_input():
    result = run("add", "main", "--provider", "openai", "--json", stdin=f"{KEY}\nmore\n")
    assert (result.code, result.data["key"], KEY in result.out) == (0, "…KLMN", False)
    assert Credential.objects.get().reveal_key() == KEY


def test_a_provider_without_keys_reads_no_input():
    result = run("add", "sim", "--provider", "simulated", stdin="not a key\n")
    assert (result.code, result.out) == (0, "Added sim (simulated, no key).\n")
    assert Credential.objects.get().reveal_key() == ""


@pytest.mark.parametrize("option", [["--key", KEY], [f"--key={KEY}"]])
@pytest.mark.parametrize("subcommand", ["add", "update"])
def test_a_key_on_the_command_line_is_refused_and_not_repeated(subcommand, option):
    result = run(subcommand, "main", "--provider", "openai", *option)
    assert result.code == 2
    assert "shell's history" in result.err
    assert KEY not in result.err
    assert not Credential.objects.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["main", "--provider", "openai"], "error: key: the provider 'openai' needs one"),
        (["main", "--provider", "openai", "--key-env", "NOT_SET_ANYWHERE"], "NOT_SET_ANYWHERE is not set or empty"),
        (["a/b", "--provider", "simulated"], "error: name: Letters"),
        (["main", "--provider", "nope"], "error: provider: there is no 'nope'; allowed:"),
        (["main", "--provider", "simulated", "--base-url", "file:///etc/passwd"], "error: base_url: must be like"),
        (["main", "--provider", "simulated", "--environment", "moon"], "invalid choice: 'moon'"),
        (["main"], "required: --provider"),
    ],
)
def test_bad_arguments_exit_with_2(arguments, message):
    result = run("add", *arguments)
    assert (result.code, message in result.err) == (2, True)
    assert not Credential.objects.exists()


def test_list_masks_keys_and_shows_only_ones_own():
    bob = make_user(username="bob")
    make_credential(bob, name="bobs", key=KEY)
    make_credential(name="other")
    both = run("list")
    assert "…KLMN" in both.out
    assert KEY not in both.out
    assert [row["name"] for row in run("list", "--json").data] == ["bobs", "other"]
    assert [row["name"] for row in run("list", "--json", "--as", "bob").data] == ["bobs"]


def test_an_empty_list_teaches_the_next_step():
    assert "credentials add NAME" in run("list").out


def test_update_says_that_the_key_went_with_the_address(monkeypatch, admin):
    make_credential(admin, name="main", provider="openai", key=KEY)
    result = run("update", "main", "--base-url", "https://elsewhere.example/v1")
    assert (result.code, "key was cleared" in result.err) == (0, True)
    assert Credential.objects.get().reveal_key() == ""
    assert run("update", "main", "--key-stdin", "--new-name", "second", stdin=KEY).code == 0
    assert Credential.objects.get(name="second").reveal_key() == KEY
    assert "Nothing to change" in run("update", "second").err


def test_disable_and_enable(admin):
    make_credential(admin, name="main")
    assert run("disable", "main").out == "Disabled main (simulated, no key).\n"
    assert not Credential.objects.get().is_active
    run("enable", "main")
    assert Credential.objects.get().is_active


def test_check_of_a_credential_that_works(admin):
    make_credential(admin, name="sim")
    result = run("check", "sim")
    assert (result.code, result.out.startswith("sim works: ")) == (0, True)
    assert run("check", "sim", "--json").data["ok"]
    assert Credential.objects.get().checked_at is not None


def test_check_names_the_exact_error_and_not_the_key(admin):
    refusal = {"error": {"message": f"Incorrect API key provided: {KEY}", "code": "invalid_api_key"}}
    with answering(401, refusal) as url:
        make_credential(admin, name="main", provider="openai", key=KEY, base_url=url)
        result = run("check", "main")
        data = run("check", "main", "--json").data
    assert (result.code, result.out) == (1, "")
    assert "(invalid_key)" in result.err
    assert KEY not in result.err
    assert (data["ok"], data["error"]["code"]) == (False, "invalid_key")
    assert Credential.objects.get().checked_at is None


def test_check_counts_the_models_of_a_server_of_ones_own(admin):
    models = {"object": "list", "data": [{"id": name, "object": "model"} for name in ("b", "a")]}
    with answering(200, models) as url:
        make_credential(admin, name="main", provider="openai", base_url=url)
        result = run("check", "main", "--json")
    assert (result.code, result.data["models"]) == (0, ["a", "b"])


def test_check_says_what_to_do(admin):
    make_credential(admin, name="main", provider="vllm", base_url="http://127.0.0.1:9")
    result = run("check", "main")
    assert "main does not work: the connection failed" in result.err
    assert "Nothing listens at 127.0.0.1:9" in result.err
    assert "Nothing listens" in run("check", "main", "--json").data["error"]["advice"]


def test_check_calls_a_model_where_there_is_no_list(admin):
    with ProviderServer(has_models=False) as server:
        make_credential(admin, name="main", provider="compatible", base_url=server.base_url)
        result = run("check", "main", "--model", "theirs")
        assert (result.code, result.out.startswith("main works: theirs answered, ")) == (0, True)
        assert run("check", "main").code == 1


def test_a_provider_without_an_address_of_its_own_wants_one(admin, monkeypatch):
    monkeypatch.setenv("AZURE_KEY", KEY)
    result = run("add", "azure", "--provider", "azure", "--key-env", "AZURE_KEY")
    assert (result.code, "base_url: the provider 'azure' has no address" in result.err) == (2, True)
    address = "https://example.openai.azure.com/openai/v1"
    assert run("add", "azure", "--provider", "azure", "--key-env", "AZURE_KEY", "--base-url", address).code == 0


@pytest.mark.parametrize("subcommand", ["check", "disable", "enable", "update"])
def test_a_stranger_finds_nothing(subcommand):
    make_user(username="bob")
    make_credential(name="main")
    result = run(subcommand, "main", "--as", "bob")
    assert (result.code, result.err) == (2, "error: There is no credential 'main'.\n")


def test_rotate_then_drop_the_old_key(settings, encryption_keys):
    make_credential(name="main", key=KEY)
    settings.ARBORETUM_ENCRYPTION_KEYS = encryption_keys[::-1]
    assert run("rotate").out == "Keys encrypted anew: 1; current before: 0; failed: 0.\n"
    settings.ARBORETUM_ENCRYPTION_KEYS = encryption_keys[1:]
    assert run("rotate", "--json").data == {"rotated": 0, "current": 1, "failed": []}
    assert Credential.objects.get().reveal_key() == KEY


def test_rotate_names_what_no_key_opens(settings, encryption_keys):
    make_credential(name="main", key=KEY)
    settings.ARBORETUM_ENCRYPTION_KEYS = encryption_keys[1:]
    result = run("rotate")
    assert (result.code, "No encryption key opens: main" in result.err) == (1, True)
