"""`manage.py tokens`."""

import datetime as dt

import pytest
from django.utils import timezone

from credentials.models import ApiToken
from credentials.tokens import authenticate_token
from tests.support.commands import run_command
from tests.support.factories import make_superuser, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def bob():
    make_superuser(username="root")
    return make_user(username="bob")


def run(*arguments):
    return run_command("tokens", *arguments)


def test_create_prints_the_token_alone_so_that_scripts_can_keep_it(bob):
    result = run("create", "bob", "--name", "ci", "--scope", "runs:write", "--scope", "runs:read")
    token = authenticate_token(result.out.strip())
    assert (result.code, token.user, token.scopes) == (0, bob, ["runs:read", "runs:write"])
    assert "not shown again" in result.err


def test_create_in_json_with_an_expiry():
    result = run("create", "bob", "--name", "ci", "--scope", "runs:read", "--expires-in-days", "30", "--json")
    assert authenticate_token(result.data["token"]).name == "ci"
    left = ApiToken.objects.get().expires_at - timezone.now()
    assert dt.timedelta(days=29) < left <= dt.timedelta(days=30)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["bob", "--name", "ci"], "required: --scope"),
        (
            ["bob", "--name", "ci", "--scope", "root"],
            "error: scopes: there is no 'root'; allowed: runs:read, runs:write",
        ),
        (["nobody", "--name", "ci", "--scope", "runs:read"], "error: user: There is no user 'nobody'."),
        (["bob", "--name", "", "--scope", "runs:read"], "error: name: This field cannot be blank"),
        (["bob", "--name", "ci", "--scope", "runs:read", "--expires-in-days", "0"], "must be from 1 to 3650"),
        (["bob", "--name", "ci", "--scope", "runs:read", "--expires-in-days", "99999999999"], "must be from 1 to 3650"),
        (
            ["root", "--name", "ci", "--scope", "runs:read", "--as", "bob"],
            "only a superuser may create tokens for others",
        ),
    ],
)
def test_bad_arguments_exit_with_2(arguments, message):
    result = run("create", *arguments)
    assert (result.code, result.out, message in result.err) == (2, "", True)
    assert not ApiToken.objects.exists()


def test_one_may_create_tokens_for_oneself():
    assert run("create", "bob", "--name", "ci", "--scope", "runs:read", "--as", "bob").code == 0


def test_list_shows_prefixes_and_states_and_never_the_token(bob):
    texts = [run("create", "bob", "--name", name, "--scope", "runs:read").out.strip() for name in ("a", "b", "c")]
    run("create", "root", "--name", "roots", "--scope", "admin")
    ApiToken.objects.filter(name="b").update(expires_at=timezone.now())
    run("revoke", "c", "--as", "bob")
    result = run("list", "--as", "bob")
    assert [line.split()[0:5:2] for line in result.out.splitlines()[1:]] == [
        [texts[0][:12], "bob", "valid"],
        [texts[1][:12], "bob", "expired"],
        [texts[2][:12], "bob", "revoked"],
    ]
    assert not any(text in result.out for text in texts)
    assert [row["name"] for row in run("list", "--json").data] == ["a", "b", "c", "roots"]


def test_an_empty_list_teaches_the_next_step():
    assert "tokens create USER" in run("list").out


def test_revoke_by_prefix_or_name_makes_it_void():
    first = run("create", "bob", "--name", "a", "--scope", "runs:read").out.strip()
    second = run("create", "bob", "--name", "b", "--scope", "runs:read").out.strip()
    assert run("revoke", first[:12]).out.startswith("Revoked arb_")
    assert "was revoked before" in run("revoke", "a").out
    assert run("revoke", "b", "--json").data["state"] == "revoked"
    assert [authenticate_token(first), authenticate_token(second)] == [None, None]


def test_revoke_asks_back_where_a_name_is_ambiguous():
    run("create", "bob", "--name", "ci", "--scope", "runs:read")
    run("create", "root", "--name", "ci", "--scope", "runs:read")
    result = run("revoke", "ci")
    assert (result.code, "give the prefix" in result.err) == (2, True)
    assert run("revoke", "ci", "--as", "bob").code == 0


def test_a_stranger_revokes_nothing():
    run("create", "root", "--name", "ci", "--scope", "runs:read")
    assert run("revoke", "ci", "--as", "bob").err == "error: There is no token 'ci'.\n"
    assert ApiToken.objects.get().revoked_at is None
