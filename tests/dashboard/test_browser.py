"""The pages in a real browser, on a real web server: sign-in, live progress, both themes, nothing on the console."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page, expect

from batches.models import Batch
from batches.states import BatchState
from credentials.models import User
from credentials.sign_in import make_sign_in_token
from tests.support.browser import chromium, watched_page
from tests.support.factories import make_agent, make_batch, make_single_run, make_superuser
from tests.support.web_server import WebServer

pytestmark = [pytest.mark.browser, pytest.mark.any_database]
BACKGROUND = "getComputedStyle(document.body).backgroundColor"


@pytest.fixture
def root(transactional_db: None) -> User:
    """A superuser without a password."""
    return make_superuser(username="root")


def finish(batch: Batch) -> None:
    """End the batch as a worker would, from another thread: in this one Playwright's event loop runs."""

    def write() -> None:
        batch.runs.update(state="succeeded", output="done at last", latency_ms=1200)
        ended = {"state": BatchState.COMPLETED, "succeeded": 60, "finished_at": timezone.now()}
        Batch.objects.filter(pk=batch.pk).update(**ended)
        connection.close()

    with ThreadPoolExecutor(1) as thread:
        thread.submit(write).result()


@pytest.fixture
def batch(root: User) -> Batch:
    """A running batch of 60 rows, the first 20 of which have succeeded."""
    agent = make_agent(root, slug="classify", instructions="Be brief.")
    batch = make_batch(root, agent.current_version, rows=60, name="tickets", state=BatchState.RUNNING)
    batch.runs.filter(index__lt=20).update(state="succeeded", output="<b>bold</b>", latency_ms=1200)
    Batch.objects.filter(pk=batch.pk).update(succeeded=20, started_at=timezone.now())
    make_single_run(agent.current_version, state="succeeded", output="fine")
    return batch


@pytest.fixture
def browsing(root: User, batch: Batch, worker_env: dict[str, str]) -> Iterator[tuple[Page, list[str], str]]:
    """A page that has signed in by the one-time link, its troubles, and the server's address."""
    with WebServer(worker_env) as server, chromium() as browser, watched_page(browser) as (page, troubles):
        address = server.origin
        page.goto(address + reverse("sign-in-link", args=[make_sign_in_token(root)]))
        page.get_by_role("button", name="Sign in as root").click()
        page.wait_for_url(f"{address}/")
        yield page, troubles, address


def test_batch_is_found_watched_to_its_end_and_read(browsing: tuple[Page, list[str], str], batch: Batch):
    page, troubles, _ = browsing
    page.get_by_role("link", name="tickets").click()
    expect(page.locator("#progress")).to_contain_text("20 succeeded")
    expect(page.locator("#latency")).to_contain_text("1.2 s")
    expect(page.locator("#results")).to_contain_text("<b>bold</b>")
    assert page.locator("#results rect").count() == 0
    width = page.locator("#progress rect").first.evaluate("bar => bar.getBoundingClientRect().width")
    track = page.locator("#progress .bar").evaluate("bar => bar.getBoundingClientRect().width")
    assert width / track == pytest.approx(1 / 3, abs=0.01)

    finish(batch)

    expect(page.locator("#batch-state")).to_contain_text("completed", timeout=10_000)
    expect(page.locator("#progress")).to_contain_text("100%")
    expect(page.locator("#results")).to_contain_text("done at last")
    assert page.locator("[data-live]").count() == 0
    with page.expect_download() as download:
        page.get_by_role("link", name="JSONL").click()
    assert download.value.path().read_text().count("\n") == 60
    assert troubles == []


def test_pages_show_in_both_themes_and_on_a_phone(browsing: tuple[Page, list[str], str], batch: Batch):
    page, troubles, address = browsing
    run = f"/runs/{batch.run_ids[0]}/"
    pages = ["/", "/batches/", f"/batches/{batch.pk}/", run, "/runs/", "/agents/", "/agents/classify/"]
    seen = set()
    for scheme, width in (("light", 1280), ("dark", 375)):
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": 800})
        for path in pages:
            page.goto(address + path)
            expect(page.locator("h1")).to_be_visible()
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (path, width)
            seen.add((scheme, page.evaluate(BACKGROUND)))

    assert len(seen) == 2
    assert page.evaluate("document.fonts.check('14px Inter')")
    assert troubles == []

    # A theme that was chosen is remembered, and wins over the system's.
    page.get_by_role("button", name="Light or dark").click()
    page.goto(f"{address}/agents/")
    assert ("light", page.evaluate(BACKGROUND)) in seen
