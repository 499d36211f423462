"""Encryption of keys at rest."""

import pytest
from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured

from credentials import encryption
from credentials.models import Credential
from tests.credentials.conftest import KEY

pytestmark = pytest.mark.security


def test_a_key_comes_back_and_is_not_in_what_is_stored(encryption_keys):
    stored, key_id = encryption.encrypt(KEY)
    assert encryption.decrypt(stored) == KEY
    assert KEY.encode() not in stored
    assert key_id == encryption.key_id(encryption_keys[0]) == encryption.current_key_id()


def test_the_same_key_is_stored_differently_each_time(encryption_keys):
    assert encryption.encrypt(KEY)[0] != encryption.encrypt(KEY)[0]


def test_a_change_of_settings_counts_at_once(settings, encryption_keys):
    first, second = encryption_keys
    stored, _ = encryption.encrypt(KEY)
    settings.ARBORETUM_ENCRYPTION_KEYS = [second]
    with pytest.raises(encryption.DecryptionFailed, match="lacks the key"):
        encryption.decrypt(stored)
    settings.ARBORETUM_ENCRYPTION_KEYS = [second, first]
    assert encryption.decrypt(stored) == KEY
    assert encryption.encrypt(KEY)[1] == encryption.key_id(second)


def test_without_keys_the_reason_is_told(settings):
    settings.ARBORETUM_ENCRYPTION_KEYS = []
    with pytest.raises(ImproperlyConfigured, match="ARBORETUM_ENCRYPTION_KEYS is not set"):
        encryption.encrypt(KEY)


def test_a_malformed_key_is_named_by_its_place_alone(settings):
    settings.ARBORETUM_ENCRYPTION_KEYS = [Fernet.generate_key().decode(), "hunter2"]
    with pytest.raises(ImproperlyConfigured, match="key 2 of 2 is malformed") as caught:
        encryption.encrypt(KEY)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("malformed", ["", "abc", "ü" * 44, "A" * 43, "A" * 200])
def test_malformed_keys_are_found(malformed):
    assert encryption.malformed_keys([Fernet.generate_key().decode(), malformed]) == [2]


@pytest.mark.parametrize(
    ("key", "masked"), [("", ""), ("short", "…"), ("elevenchars", "…"), ("twelve-chars", "…hars"), (KEY, "…KLMN")]
)
def test_short_keys_are_masked_whole(encryption_keys, key, masked):
    credential = Credential()
    credential.set_key(key)
    assert (credential.masked_key, credential.reveal_key()) == (masked, key)
