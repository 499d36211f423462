"""Every address that there is, asked for by nobody in particular."""

import re
from collections.abc import Iterator

import pytest
from django.test import AsyncClient, Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.resolvers import RegexPattern

pytestmark = pytest.mark.security

SAMPLES = {"app_label": "agents", "content_type_id": "1", "object_id": "1", "pk": "1", "slug": "x", "url": "x"}
# What may be seen or sent without being signed in.
ALLOWED = {"/sign-in/", "/sign-in/x/", "/api/v1/docs", "/api/v1/openapi.json"}
# Where the native API's names begin; nothing answers there.
EMPTY = {"/api/v1/"}


def addresses(patterns: list[URLPattern | URLResolver], before: str = "") -> Iterator[str]:
    for entry in patterns:
        address = before + sample_of(entry)
        if isinstance(entry, URLResolver):
            yield from addresses(entry.url_patterns, address)
        else:
            yield address


def sample_of(entry: URLPattern | URLResolver) -> str:
    route = str(entry.pattern)
    if isinstance(entry.pattern, RegexPattern):
        return re.sub(r"\(\?P<(\w+)>.*?\)", lambda found: SAMPLES[found[1]], route.strip("^$"))
    return re.sub(r"<(?:\w+:)?(\w+)>", lambda found: SAMPLES.get(found[1], "x"), route)


EVERY = sorted({f"/{address}" for address in addresses(get_resolver().url_patterns)})


def test_the_walk_finds_the_addresses():
    assert {"/", "/batches/1/", "/batches/1/results.csv", "/flower/", "/admin/batches/run/1/change/"} <= set(EVERY)


API = [address for address in EVERY if address.startswith(("/v1/", "/api/v1/")) and address not in ALLOWED | EMPTY]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete", "options"])
@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer arb_x"}], ids=["no token", "no valid token"])
async def test_the_api_tells_who_has_no_token_so(async_client: AsyncClient, method: str, headers: dict):
    for address in API:
        response = await getattr(async_client, method)(address, headers=headers)
        assert response.status_code == 401, f"{method} {address}: {response.status_code}"
        assert response["WWW-Authenticate"] == "Bearer"
        assert response["X-Request-ID"]
        assert not any(name.lower().startswith("access-control") for name in response.headers)
        assert "token" in response.json()["error"]["message"]


@pytest.mark.django_db
@pytest.mark.parametrize("method", ["get", "post", "put", "delete"])
def test_anonymous_is_sent_to_the_sign_in_page_everywhere(client: Client, method: str):
    for address in EVERY:
        if address in {*ALLOWED, *EMPTY, *API}:
            continue
        response = getattr(client, method)(address)
        assert response.status_code in (302, 401, 403), f"{method} {address}: {response.status_code}"
        if response.status_code == 302:
            assert response["Location"].startswith(("/sign-in/", "/admin/login/")), address


@pytest.mark.django_db
def test_allowed_addresses_are_the_pages_for_signing_in_and_the_description_of_the_api(client: Client):
    assert set(EVERY) >= ALLOWED
    assert client.get("/sign-in/").status_code == 200
    assert client.get("/sign-in/x/").status_code == 410
    assert client.get("/api/v1/docs").status_code == 200
    assert client.get("/api/v1/openapi.json").json()["openapi"] == "3.1.0"


@pytest.mark.django_db
def test_a_fragment_asked_for_after_the_session_ended_reloads_the_page(client: Client):
    response = client.get("/batches/1/progress/", headers={"HX-Request": "true"})

    assert (response.status_code, response["HX-Refresh"]) == (204, "true")
