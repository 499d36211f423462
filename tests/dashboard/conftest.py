"""People and clients for the pages' tests."""

from collections.abc import AsyncIterator, Callable

import pytest
from asgiref.sync import sync_to_async
from django.db import connections
from django.test import AsyncClient, Client

from credentials.models import User
from tests.support.factories import make_superuser, make_user


@pytest.fixture
def owner(db: None) -> User:
    """Somebody without special rights."""
    return make_user(username="olga")


@pytest.fixture
def admin(db: None) -> User:
    """A superuser."""
    return make_superuser(username="root")


@pytest.fixture
def client_of() -> Callable[[User], Client]:
    """Make a client that is signed in as somebody."""

    def make(user: User) -> Client:
        client = Client()
        client.force_login(user)
        return client

    return make


@pytest.fixture
async def async_client(transactional_db: None) -> AsyncIterator[AsyncClient]:
    """A client of the asynchronous stack; the connection of its thread is closed at the end."""
    yield AsyncClient()
    await sync_to_async(connections.close_all)()
