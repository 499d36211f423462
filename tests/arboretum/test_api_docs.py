"""The documentation page of the native API in a real browser: no network beyond this server, no inline code."""

from collections.abc import Iterator
from typing import Literal

import pytest
from playwright.sync_api import Page, expect

from tests.support.browser import chromium, watched_page
from tests.support.web_server import WebServer

pytestmark = [pytest.mark.browser, pytest.mark.any_database]


@pytest.fixture
def reading(worker_env: dict[str, str]) -> Iterator[tuple[Page, list[str], str]]:
    """A page, its troubles, and the server's address; whatever leads elsewhere fails."""
    with WebServer(worker_env) as server, chromium() as browser, watched_page(browser) as (page, troubles):
        address = server.origin
        page.route("**/*", lambda route: route.continue_() if route.request.url.startswith(address) else route.abort())
        yield page, troubles, address


def test_the_documentation_works_offline_under_the_content_security_policy(reading: tuple[Page, list[str], str]):
    page, troubles, address = reading

    answer = page.goto(f"{address}/api/v1/docs")

    assert answer is not None
    policy = answer.headers["content-security-policy"]
    assert "unsafe" not in policy
    expect(page.get_by_role("heading", name="Arboretum")).to_be_visible()
    assert troubles == []


@pytest.mark.parametrize(("scheme", "is_dark"), [("light", False), ("dark", True)])
def test_the_documentation_has_the_theme_of_the_system(
    reading: tuple[Page, list[str], str], scheme: Literal["light", "dark"], is_dark: bool
):
    page, troubles, address = reading
    page.emulate_media(color_scheme=scheme)
    page.goto(f"{address}/api/v1/docs")
    expect(page.get_by_role("heading", name="Arboretum")).to_be_visible()
    assert page.evaluate("document.documentElement.classList.contains('dark-mode')") is is_dark
    assert troubles == []
