"""One-time sign-in links."""

import time

import pytest
from django.contrib.auth import user_logged_in
from django.core import signing

from credentials import sign_in
from credentials.models import User
from credentials.sign_in import make_sign_in_token, use_sign_in_token, user_for_sign_in_token
from tests.support.factories import make_user

pytestmark = pytest.mark.django_db


def test_a_link_signs_in_once():
    user = make_user()
    token = make_sign_in_token(user)
    assert use_sign_in_token(token) == user
    assert use_sign_in_token(token) is None
    assert user_for_sign_in_token(token) is None


def test_looking_does_not_use_it_up():
    user = make_user()
    token = make_sign_in_token(user)
    assert user_for_sign_in_token(token) == user_for_sign_in_token(token) == user


def test_any_sign_in_makes_every_link_void():
    user = make_user()
    links = [make_sign_in_token(user), make_sign_in_token(user)]
    user_logged_in.send(sender=User, request=None, user=user)
    assert [user_for_sign_in_token(link) for link in links] == [None, None]
    # The next one is made within the same second, and used in it.
    again = make_sign_in_token(user)
    assert use_sign_in_token(again) == user
    assert use_sign_in_token(again) is None


def test_of_two_at_the_same_moment_one_is_signed_in(monkeypatch):
    token = make_sign_in_token(make_user())
    look = sign_in.user_for_sign_in_token
    rival = []

    def with_a_rival(text):
        user = look(text)
        monkeypatch.undo()
        rival.append(use_sign_in_token(text))
        return user

    monkeypatch.setattr(sign_in, "user_for_sign_in_token", with_a_rival)
    assert use_sign_in_token(token) is None
    assert rival[0] is not None


def test_it_expires_after_15_minutes(monkeypatch):
    user = make_user()
    token = make_sign_in_token(user)
    now = time.time()
    monkeypatch.setattr(signing.time, "time", lambda: now + 15 * 60 - 1)
    assert user_for_sign_in_token(token) == user
    monkeypatch.setattr(signing.time, "time", lambda: now + 15 * 60 + 1)
    assert user_for_sign_in_token(token) is None


def test_a_new_password_and_an_inactive_user_make_it_void():
    user = make_user()
    token = make_sign_in_token(user)
    user.set_password("new password 123")
    user.save()
    assert user_for_sign_in_token(token) is None
    token = make_sign_in_token(user)
    user.is_active = False
    user.save()
    assert user_for_sign_in_token(token) is None


def test_forged_tokens_are_refused(settings):
    user, other = make_user(), make_user()
    token = make_sign_in_token(user)
    payload, signature = token.split(":", 1)
    forged = make_sign_in_token(other).split(":", 1)[0]
    for text in ("", ":", "a:b:c", token[:-1], f"{forged}:{signature}", payload, token * 10, "ü\x00", "\ud800"):
        assert user_for_sign_in_token(text) is None
    assert user_for_sign_in_token(signing.dumps([user.pk, "x"], salt="another purpose")) is None
    settings.SECRET_KEY = "k" * 50
    assert user_for_sign_in_token(token) is None


def test_it_fits_an_address_and_tells_no_password_hash():
    user = make_user(password="correct horse battery")
    token = make_sign_in_token(user)
    assert len(token) < 120
    assert all(character.isalnum() or character in "-_:" for character in token)
