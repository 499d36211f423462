"""API tokens."""

import datetime as dt
import hashlib

import pytest
from django.db import OperationalError
from django.db.models import QuerySet
from django.utils import timezone

from credentials import tokens
from credentials.models import ApiToken
from credentials.tokens import authenticate_token, create_token, revoke_token
from tests.credentials.conftest import stored_text
from tests.support.factories import make_user
from workers.errors import InvalidInput

pytestmark = [pytest.mark.django_db, pytest.mark.security]

DAY = dt.timedelta(days=1)


def test_a_token_is_shown_once_and_its_hash_alone_is_stored():
    user = make_user()
    token, text = create_token(user, "ci", ["runs:write", "runs:read"])
    assert text.startswith("arb_")
    assert len(text) == 47
    assert (token.prefix, token.scopes) == (text[:12], ["runs:read", "runs:write"])
    assert token.digest == hashlib.sha256(text.encode()).hexdigest()
    assert text not in stored_text()
    assert text[12:] not in stored_text()
    assert token.digest in stored_text()


def test_two_tokens_differ():
    user = make_user()
    assert create_token(user, "a", ["runs:read"])[1] != create_token(user, "b", ["runs:read"])[1]


def test_a_valid_token_names_its_user():
    user = make_user()
    token, text = create_token(user, "ci", ["runs:read"], timezone.now() + DAY)
    found = authenticate_token(text)
    assert (found, found.user) == (token, user)


@pytest.mark.parametrize(
    "mangle",
    [
        lambda text: text + "x",
        lambda text: text[:-1],
        lambda text: text.upper(),
        lambda text: text + "\n",
        lambda text: " " + text,
        lambda text: text[4:],
        lambda text: "arb_" + "\x00" * 43,
        lambda text: "arb_" + "ü" * 43,
        lambda text: "\ud800" * 47,
        lambda text: "arb_" + "A" * 43,
        lambda text: hashlib.sha256(text.encode()).hexdigest(),
        lambda text: "",
        lambda text: "arb_" + "A" * 1_000_000,
    ],
)
def test_anything_but_the_text_is_refused(mangle):
    _, text = create_token(make_user(), "ci", ["runs:read"])
    assert authenticate_token(mangle(text)) is None


def test_revoked_expired_and_inactive_are_refused():
    user = make_user()
    token, text = create_token(user, "ci", ["runs:read"])
    assert (revoke_token(token), revoke_token(token)) == (True, False)
    assert token.revoked_at is not None
    assert authenticate_token(text) is None

    token, text = create_token(user, "brief", ["runs:read"], timezone.now() + DAY)
    ApiToken.objects.filter(pk=token.pk).update(expires_at=timezone.now() - dt.timedelta(seconds=1))
    assert authenticate_token(text) is None

    _, text = create_token(user, "third", ["runs:read"])
    user.is_active = False
    user.save()
    assert authenticate_token(text) is None


def test_last_use_is_written_at_most_once_a_minute(monkeypatch, django_assert_num_queries):
    _, text = create_token(make_user(), "ci", ["runs:read"])
    now = timezone.now()
    monkeypatch.setattr(tokens.timezone, "now", lambda: now)
    # The token, and its use in a transaction of its own.
    with django_assert_num_queries(4):
        assert authenticate_token(text).last_used_at == now
    now += dt.timedelta(seconds=59)
    with django_assert_num_queries(1):
        authenticate_token(text)
    now += dt.timedelta(seconds=1)
    with django_assert_num_queries(4):
        authenticate_token(text)
    assert ApiToken.objects.get().last_used_at == now


@pytest.mark.parametrize(
    ("name", "scopes", "expires_at", "message"),
    [
        ("ci", [], None, "scopes: at least one is needed; allowed: runs:read, runs:write, .*, admin"),
        ("ci", ["runs:read", "root"], None, "scopes: there is no 'root'"),
        ("", ["runs:read"], None, "name: This field cannot be blank"),
        ("n" * 101, ["runs:read"], None, "name: .*at most 100"),
        ("a\nb", ["runs:read"], None, "name: only printable"),
        ("ci", ["runs:read"], dt.datetime(2020, 1, 1, tzinfo=dt.UTC), "expires_at: must lie in the future"),
    ],
)
def test_wrong_fields_are_named(name, scopes, expires_at, message):
    with pytest.raises(InvalidInput, match=message):
        create_token(make_user(), name, scopes, expires_at)
    assert not ApiToken.objects.exists()


def test_names_are_unique_per_user():
    user = make_user()
    create_token(user, "ci", ["runs:read"])
    create_token(make_user(), "ci", ["runs:read"])
    with pytest.raises(InvalidInput, match="already"):
        create_token(user, "ci", ["runs:read"])


def test_a_name_taken_between_check_and_insert_is_told_alike(monkeypatch):
    user = make_user()

    def rival(token, **kwargs):
        monkeypatch.undo()
        create_token(user, "ci", ["runs:read"])

    monkeypatch.setattr(tokens, "check_instance", rival)
    with pytest.raises(InvalidInput, match="already has a token called 'ci'"):
        create_token(user, "ci", ["runs:read"])


def test_a_stranger_sees_no_token():
    create_token(make_user(), "ci", ["runs:read"])
    assert not ApiToken.objects.visible_to(make_user()).exists()


def test_a_use_that_cannot_be_noted_fails_no_request(monkeypatch):
    _, text = create_token(make_user(), "ci", ["runs:read"])

    def locked(self, **values):
        raise OperationalError("database is locked")

    monkeypatch.setattr(QuerySet, "update", locked)
    assert authenticate_token(text) is not None
