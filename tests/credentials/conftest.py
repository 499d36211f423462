"""What the tests of credentials share."""

import base64

import pytest
from cryptography.fernet import Fernet
from django.db import connection

KEY = "sk-test-0123456789-abcdefghij-KLMN"


def stored_text() -> str:
    """Return the content of every table, as one text; bytes as they are and in base64."""
    found = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
            for row in cursor.fetchall():
                found += [_as_text(value) for value in row]
    return "\n".join(found)


def _as_text(value):
    if isinstance(value, (bytes, memoryview)):
        return bytes(value).decode(errors="replace") + base64.b64encode(bytes(value)).decode()
    return str(value)


@pytest.fixture
def encryption_keys(settings):
    """Two encryption keys; the first one is in use."""
    keys = [Fernet.generate_key().decode() for _ in range(2)]
    settings.ARBORETUM_ENCRYPTION_KEYS = keys[:1]
    return keys
