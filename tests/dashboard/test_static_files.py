"""Static files, in both kinds of stack."""

import pytest
from django.test import AsyncClient, Client

ADDRESSES = [
    "/static/dashboard/tokens.css",
    "/static/dashboard/app.js",
    "/static/unfold/fonts/inter/Inter-Regular.woff2",
    "/static/django_htmx/htmx-2.min.js",
]


@pytest.mark.parametrize("address", ADDRESSES)
def test_files_are_served_without_collectstatic_or_sign_in(client: Client, address: str):
    response = client.get(address)

    assert response.status_code == 200
    assert len(response.getvalue()) == int(response["Content-Length"])


@pytest.mark.parametrize("address", ADDRESSES)
async def test_asynchronous_stack_streams_the_same_file(async_client: AsyncClient, client: Client, address: str):
    response = await async_client.get(address)

    assert response.is_async
    content = b"".join([part async for part in response.streaming_content])
    assert content == b"".join(client.get(address).streaming_content)
    assert response["Content-Type"]


async def test_unchanged_file_is_not_sent_again(async_client: AsyncClient):
    first = await async_client.get(ADDRESSES[0])
    again = await async_client.get(ADDRESSES[0], headers={"If-None-Match": first["ETag"]})

    assert again.status_code == 304


@pytest.mark.parametrize("address", ["/static/../manage.py", "/static/%2e%2e/manage.py", "/static/none.css"])
def test_nothing_else_is_served(client: Client, db: None, address: str):
    assert client.get(address).status_code == 404
