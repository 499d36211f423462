"""The content security policy, and the headers beside it."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from django.template.loader import get_template
from django.test import AsyncClient, Client

import dashboard
from credentials.models import User
from tests.support.factories import make_batch

pytestmark = pytest.mark.security

TEMPLATES = sorted((Path(dashboard.__file__).parent / "templates").rglob("*.html"))


@pytest.mark.parametrize(
    "address", ["/", "/batches/", "/runs/", "/agents/", "/sign-in/", "/nowhere/", "/runs/?before=x"]
)
def test_every_page_forbids_inline_code_and_foreign_sources(
    client_of: Callable[[User], Client], owner: User, address: str
):
    policy = client_of(owner).get(address)["Content-Security-Policy"]

    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    assert "img-src 'self';" in policy
    assert "frame-ancestors 'none'" in policy
    assert "http" not in policy


@pytest.mark.parametrize("address", ["/admin/", "/flower/"])
def test_inline_code_is_for_the_staffs_own_tools_alone(client: Client, db: None, address: str):
    assert "unsafe-inline" in client.get(address)["Content-Security-Policy"]
    assert "unsafe" not in client.get(address.replace("/", "/x", 1))["Content-Security-Policy"]


async def test_the_asynchronous_stack_sends_the_policy_too(async_client: AsyncClient):
    response = await async_client.get("/sign-in/")

    assert "unsafe" not in response["Content-Security-Policy"]
    assert response["X-Frame-Options"] == "DENY"
    assert response["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_templates_hold_no_inline_code(template: Path):
    text = template.read_text()

    assert not re.search(r"\sstyle=|\son[a-z]+=|<style|javascript:|hx-on", text)
    assert not re.search(r"<script(?![^>]*\ssrc=)", text)
    assert "|safe" not in text
    assert "autoescape" not in text


@pytest.mark.parametrize("code", ["400", "403", "404", "500", "403_csrf"])
def test_error_pages_render_without_a_request(code: str):
    assert "Arboretum" in get_template(f"{code}.html").render({})


def test_nothing_but_static_files_is_loaded(client_of: Callable[[User], Client], owner: User):
    batch = make_batch(owner, rows=1)

    text = client_of(owner).get(f"/batches/{batch.pk}/").content.decode()

    loaded = re.findall(r'<(?:script|link)[^>]*(?:src|href)="([^"]+)"', text)
    assert len(loaded) >= 6
    assert all(address.startswith("/static/") for address in loaded)
