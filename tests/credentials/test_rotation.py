"""A new encryption key takes over from the old one."""

import pytest

from credentials import rotation
from credentials.encryption import DecryptionFailed, key_id
from credentials.models import Credential
from tests.support.factories import make_credential, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.security]


@pytest.fixture
def stored(encryption_keys):
    """Twelve credentials with a key, encrypted with the first encryption key, and one without."""
    owner = make_user()
    make_credential(owner)
    return [make_credential(owner, key=f"sk-key-number-{number:04}") for number in range(12)]


def test_every_key_opens_after_the_old_encryption_key_is_dropped(settings, encryption_keys, stored, monkeypatch):
    monkeypatch.setattr(rotation, "_ROWS_AT_ONCE", 5)
    settings.ARBORETUM_ENCRYPTION_KEYS = [encryption_keys[1], encryption_keys[0]]
    assert rotation.rotate_keys() == rotation.Rotation(rotated=12, current=0)
    settings.ARBORETUM_ENCRYPTION_KEYS = [encryption_keys[1]]
    revealed = {credential.reveal_key() for credential in Credential.objects.all()}
    assert revealed == {f"sk-key-number-{number:04}" for number in range(12)} | {""}
    assert set(Credential.objects.values_list("key_id", flat=True)) == {key_id(encryption_keys[1]), ""}


def test_a_second_rotation_changes_nothing(settings, encryption_keys, stored):
    settings.ARBORETUM_ENCRYPTION_KEYS = encryption_keys[::-1]
    rotation.rotate_keys()
    before = [bytes(row) for row in Credential.objects.values_list("encrypted_key", flat=True)]
    assert rotation.rotate_keys() == rotation.Rotation(rotated=0, current=12)
    assert [bytes(row) for row in Credential.objects.values_list("encrypted_key", flat=True)] == before


def test_what_no_key_opens_is_named_and_the_others_go_on(settings, encryption_keys, stored):
    Credential.objects.filter(pk=stored[3].pk).update(encrypted_key=b"rubbish")
    settings.ARBORETUM_ENCRYPTION_KEYS = encryption_keys[::-1]
    assert rotation.rotate_keys() == rotation.Rotation(rotated=11, current=0, failed=[stored[3].name])
    with pytest.raises(DecryptionFailed):
        Credential.objects.get(pk=stored[3].pk).reveal_key()


def test_a_key_typed_during_the_rotation_is_kept(settings, encryption_keys, stored, monkeypatch):
    settings.ARBORETUM_ENCRYPTION_KEYS = encryption_keys[::-1]
    replace = rotation.EncryptedRow.replace

    def after_a_rival(encrypted, key):
        rival = Credential.objects.get(pk=encrypted.row.pk)
        rival.set_key("sk-typed-meanwhile")
        rival.save()
        return replace(encrypted, key)

    monkeypatch.setattr(rotation.EncryptedRow, "replace", after_a_rival)
    assert rotation.rotate_keys().rotated == 0
    assert {credential.reveal_key() for credential in Credential.objects.exclude(key_id="")} == {"sk-typed-meanwhile"}
