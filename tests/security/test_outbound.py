"""Outbound HTTP: what an attacker who may name an address reaches with it, and that nothing goes round the guard."""

import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest
from aiohttp import web

from tests.workers.http.servers import PRIVATE, PUBLIC, names, rules, serving
from workers.http.allowed import OutboundRules, outbound_rules
from workers.http.client import GuardedClient
from workers.http.refusal import Refused

from .outbound import ROOT, sources, ways_out

pytestmark = pytest.mark.security

_PROVIDERS = "calls providers, at base URLs that only those set who may keep keys"
# Exactly these reach the network in another way than through workers.http, each for its reason.
ALLOWED: dict[str, tuple[str, set[str]]] = {
    "workers/http/client.py": ("is the guarded client", {"aiohttp"}),
    "workers/http/reading.py": ("is the guarded client", {"aiohttp"}),
    "workers/http/resolving.py": ("is the guarded client", {"aiohttp"}),
    "workers/embedded/server.py": ("asks the embedded server on its private unix socket", {"socket.socket"}),
    "agents/llm/http/direct.py": (_PROVIDERS, {"aiohttp"}),
    "agents/llm/http/network.py": (_PROVIDERS, {"aiohttp", "httpx2"}),
    "agents/llm/http/transport.py": (_PROVIDERS, {"aiohttp", "httpx2"}),
    "agents/llm/providers/anthropic/provider.py": ("names of headers", {"aiohttp"}),
    "agents/llm/providers/anthropic/sdk.py": (_PROVIDERS, {"aiohttp", "anthropic", "httpx2"}),
    "agents/llm/providers/openai/provider.py": ("names of headers", {"aiohttp"}),
    "agents/llm/providers/openai/sdk.py": (_PROVIDERS, {"aiohttp", "httpx2", "openai"}),
    "batches/files/s3.py": ("the bucket that ARBORETUM_FILES_URL names", {"boto3", "botocore"}),
    "dashboard/flower.py": ("proxy to Flower's private socket, or to FLOWER_URL", {"aiohttp"}),
    "dashboard/management/stack.py": (
        "`up` asks its own web server and Flower whether they answer, and whether a port is free",
        {"http.client", "socket.socket"},
    ),
}


async def hello(request: web.Request) -> web.Response:
    return web.Response(text="secret")


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "localhost", "169.254.169.254", "[::1]", "[::]", "10.0.0.1", "2130706433", "0x7f000001", "0"),
        *("0177.0.0.1", "127.1", "[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "①②⑦.⓪.⓪.①"),
        "metadata.google.internal",
    ],
)
async def test_an_address_of_a_private_network_is_blocked(host: str) -> None:
    """Line 11 of the list of attacks: whatever the way to write it (CVE-2025-56520)."""
    names = {"localhost": ["127.0.0.1"], "metadata.google.internal": ["169.254.169.254"]}

    async def resolve(name: str, port: int) -> list[str]:
        return names[name]

    async with serving(hello, PRIVATE) as server:
        client = GuardedClient(rules(server.port, allow=""), resolve=resolve)
        with pytest.raises(Refused):
            await client.request("GET", f"http://{host}:{server.port}/")
    assert server.requests == []


async def test_one_private_address_among_public_ones_blocks_the_name() -> None:
    async with serving(hello, PRIVATE) as server:
        client = GuardedClient(rules(server.port), resolve=both)
        with pytest.raises(Refused, match="private network"):
            await client.request("GET", f"http://both.example:{server.port}/")
    assert server.requests == []


async def both(host: str, port: int) -> list[str]:
    return [PUBLIC, PRIVATE]


@pytest.mark.parametrize("by_name", [False, True])
async def test_a_public_address_that_redirects_inward_is_blocked_at_the_hop(by_name: bool) -> None:
    """Line 12 (CVE-2026-45401)."""
    async with serving(hello, PRIVATE) as inner:
        location = f"http://{'inner.example' if by_name else PRIVATE}:{inner.port}/"

        async def inward(request: web.Request) -> web.Response:
            return web.Response(status=302, headers={"Location": location})

        async with serving(inward) as outer:
            client = GuardedClient(rules(outer.port, inner.port), resolve=names(inner=[PRIVATE], outer=[PUBLIC]))
            with pytest.raises(Refused, match="private network"):
                await client.request("GET", f"http://outer.example:{outer.port}/")
    assert (len(outer.requests), inner.requests) == (1, [])


async def test_a_name_that_rebinds_is_connected_to_at_the_address_that_was_checked() -> None:
    """Line 13 (CVE-2026-45400): the second answer of the name's server, inward, is never asked for."""
    asked: list[str] = []

    async def rebinding(host: str, port: int) -> list[str]:
        asked.append(host)
        return [PUBLIC] if len(asked) == 1 else [PRIVATE]

    async with serving(hello, PUBLIC) as outer, serving(hello, PRIVATE, outer.port) as inner:
        client = GuardedClient(rules(outer.port), resolve=rebinding)
        url = f"http://rebind.example:{outer.port}/"
        assert (await client.request("GET", url)).status == 200
        assert (asked, len(outer.requests), inner.requests) == (["rebind.example"], 1, [])
        with pytest.raises(Refused):
            await client.request("GET", url)
    assert inner.requests == []


def test_the_default_settings_allow_nothing_private() -> None:
    assert outbound_rules() == OutboundRules(frozenset({"http", "https"}), frozenset({80, 443}))


def test_nothing_reaches_the_network_but_the_guarded_client_and_who_has_a_reason() -> None:
    """Line 14: the list is exact, so that an entry that is needed no longer goes."""
    found = {str(path.relative_to(ROOT)): ways for path in sources() if (ways := ways_out(path.read_text()))}
    assert found == {name: ways for name, (_, ways) in ALLOWED.items()}


@pytest.mark.parametrize(
    "code",
    [
        *("import requests", "from urllib import request", "import urllib.request as r", "import http.client"),
        *("import urllib\nurllib.request.urlopen('x')", "from aiohttp import ClientSession", "import openai.types"),
        *("import asyncio\nasyncio.open_connection('h', 80)", "loop.create_connection(p, 'h')", "import httpx2"),
        *("from importlib import import_module\nimport_module('requests')", "__import__('httpx')"),
        *("import socket\nsocket.create_connection(('h', 80))", "import socket\ns = socket.socket()", "import urllib3"),
    ],
)
def test_a_way_round_is_found(code: str) -> None:
    assert ways_out(code)


def test_what_reaches_nothing_is_not_found() -> None:
    assert not ways_out(
        "import socket\nfrom urllib.parse import urlsplit\nimport http\nsocket.gethostname()\nopenai = 1"
    )


def test_make_lint_refuses_a_client_in_any_module_that_has_no_reason(tmp_path: Path) -> None:
    ignored = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]["per-file-ignores"]
    open_to = {pattern for pattern, rules in ignored.items() if "TID251" in rules and pattern != "tests/**"}
    assert all(any(fnmatch(name, pattern) for name in ALLOWED) for pattern in open_to)
    code = "import requests\nimport urllib.request\nfrom aiohttp import ClientSession\nimport openai\n"
    told = lint("batches/webhooks/stray.py", code)
    assert told.count("TID251") == 4
    assert "TID251" not in lint("workers/http/client.py", code)


def lint(name: str, code: str) -> str:
    """Return what `ruff check`, as `make lint` runs it, says of a file of this name."""
    command = [sys.executable, "-m", "ruff", "check", "--no-cache", "--output-format=concise", "--stdin-filename", name]
    return subprocess.run([*command, "-"], input=code, cwd=ROOT, capture_output=True, text=True, check=False).stdout
