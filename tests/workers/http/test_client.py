"""The guarded client against real servers: redirects, bounds, headers and failures."""

import asyncio
import gzip
import ssl
import zlib
from pathlib import Path

import pytest
from aiohttp import web

from tests.support.ports import free_port
from workers.errors import ErrorCode, WorkError
from workers.http.client import Caps, GuardedClient
from workers.http.refusal import Refused

from .servers import PRIVATE, PUBLIC, certificate, names, rules, serving


async def ok(request: web.Request) -> web.Response:
    return web.json_response({"path": request.path_qs, "method": request.method})


def to(location: str, status: int):
    async def answer(request: web.Request) -> web.Response:
        if request.path == "/end":
            return web.Response(text="end")
        return web.Response(status=status, headers={"Location": location})

    return answer


def sends(body: bytes, **headers: str):
    async def answer(request: web.Request) -> web.Response:
        return web.Response(body=body, headers={name.replace("_", "-"): value for name, value in headers.items()})

    return answer


async def test_an_answer_comes_with_status_headers_and_body_and_the_name_as_host() -> None:
    async with serving(ok) as server:
        client = GuardedClient(rules(server.port), resolve=names(shop=[PUBLIC]))
        url = f"http://shop.example:{server.port}/a?b=c#d"
        response = await client.request("post", url, headers={"X-A": "1", "Host": "evil"}, body=b"{}")
    assert (response.status, response.headers["content-type"]) == (200, "application/json; charset=utf-8")
    assert response.body == b'{"path": "/a?b=c", "method": "POST"}'
    sent = server.requests[0].headers
    assert (sent["Host"], sent["X-A"], server.bodies) == (f"shop.example:{server.port}", "1", [b"{}"])
    assert "Cookie" not in sent


async def test_tls_names_and_checks_the_host_of_the_address_though_another_is_connected_to(tmp_path: Path) -> None:
    path = certificate("shop.example", tmp_path)
    theirs, ours = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context(cafile=path)
    theirs.load_cert_chain(path)
    named: list[str | None] = []
    theirs.sni_callback = lambda connection, name, context: named.append(name)
    async with serving(ok, tls=theirs) as server:
        client = GuardedClient(rules(server.port), resolve=names(shop=[PUBLIC], other=[PUBLIC]), tls=ours)
        assert (await client.request("GET", f"https://shop.example:{server.port}/")).status == 200
        with pytest.raises(WorkError, match="certificate") as caught:
            await client.request("GET", f"https://other.example:{server.port}/")
    assert named == ["shop.example", "other.example"]
    assert caught.value.code is ErrorCode.CONNECTION


async def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    async with serving(ok) as server:
        assert (await GuardedClient(rules(server.port)).request("GET", f"http://{PUBLIC}:{server.port}/")).status == 200


@pytest.mark.parametrize(
    ("status", "method", "after"),
    [(301, "POST", "GET"), (302, "POST", "GET"), (303, "POST", "GET"), (307, "POST", "POST"), (308, "PUT", "PUT")],
)
async def test_a_redirect_on_the_same_server_is_followed(status: int, method: str, after: str) -> None:
    async with serving(to("/end", status)) as server:
        url = f"http://{PUBLIC}:{server.port}/"
        answer = await GuardedClient(rules(server.port)).request(method, url, headers={"Authorization": "x"}, body=b"b")
    assert (answer.body, answer.url) == (b"end", f"{url}end")
    assert [request.method for request in server.requests] == [method, after]
    assert server.requests[1].headers["Authorization"] == "x"
    assert server.bodies[1] == (b"" if after == "GET" else b"b")


async def test_another_server_gets_neither_keys_nor_the_body() -> None:
    async with serving(ok) as second:
        end = f"http://{PUBLIC}:{second.port}/end"
        async with serving(to(end, 302)) as first, serving(to(end, 307)) as again:
            client = GuardedClient(rules(first.port, second.port, again.port))
            secret = {"Authorization": "x", "X-Api-Key": "y", "webhook-signature": "z", "Accept": "a/b"}
            await client.request("POST", f"http://{PUBLIC}:{first.port}/", headers=secret, body=b"b")
            url = f"http://{PUBLIC}:{again.port}/"
            with pytest.raises(Refused, match="another server"):
                await client.request("POST", url, headers=secret, body=b"b")
            await client.request("POST", url, headers=secret, body=b"b", caps=Caps(may_replay=True))
    for request in second.requests:
        assert {"Authorization", "X-Api-Key", "webhook-signature"}.isdisjoint(request.headers)
        assert request.headers["Accept"] == "a/b"
    assert second.bodies == [b"", b"b"]


async def test_redirects_end_after_five_and_are_answers_where_none_is_allowed() -> None:
    async with serving(to("/on", 302)) as server:
        client, url = GuardedClient(rules(server.port)), f"http://{PUBLIC}:{server.port}/"
        with pytest.raises(Refused, match="more than 5 redirects"):
            await client.request("GET", url)
        assert len(server.requests) == 6
        assert (await client.request("GET", url, caps=Caps(redirects=0))).status == 302


@pytest.mark.parametrize(
    "location", ["ftp://h/", "http://u:p@127.0.0.2/", "//127.0.0.2:1/", "http://[x/", "file:///etc"]
)
async def test_a_redirect_to_what_may_not_be_called_is_refused(location: str) -> None:
    async with serving(to(location, 302)) as server:
        with pytest.raises(Refused):
            await GuardedClient(rules(server.port)).request("GET", f"http://{PUBLIC}:{server.port}/")
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [("gzip", gzip.compress), ("deflate", zlib.compress), ("deflate", lambda body: zlib.compress(body)[2:-4])],
)
async def test_a_packed_answer_is_unpacked(encoding: str, pack) -> None:
    body = b"words " * 20_000
    async with serving(sends(pack(body), Content_Encoding=encoding)) as server:
        answer = await GuardedClient(rules(server.port)).request("GET", f"http://{PUBLIC}:{server.port}/")
    assert answer.body == body


@pytest.mark.parametrize("encoding", ["identity", "gzip", "deflate"])
async def test_a_bomb_is_cut_where_it_is_larger_than_allowed(encoding: str) -> None:
    body = bytes(20_000_000)
    packed = {"identity": body[:200_000], "gzip": gzip.compress(body, 9), "deflate": zlib.compress(body, 9)}[encoding]
    async with serving(sends(packed, Content_Encoding=encoding)) as server:
        client, url = GuardedClient(rules(server.port)), f"http://{PUBLIC}:{server.port}/"
        with pytest.raises(WorkError, match="larger than 100,000 bytes") as caught:
            await client.request("GET", url, caps=Caps(bytes=100_000))
        cut = await client.request("GET", url, caps=Caps(bytes=100_000, may_cut=True))
    assert caught.value.code is ErrorCode.BAD_RESPONSE
    assert (len(cut.body), cut.is_cut) == (100_000, True)


@pytest.mark.parametrize(("encoding", "body"), [("br", b"x"), ("gzip", b"no gzip at all"), ("gzip, gzip", b"x")])
async def test_an_answer_that_cannot_be_unpacked_is_a_bad_one(encoding: str, body: bytes) -> None:
    async with serving(sends(body, Content_Encoding=encoding)) as server:
        with pytest.raises(WorkError) as caught:
            await GuardedClient(rules(server.port)).request("GET", f"http://{PUBLIC}:{server.port}/")
    assert caught.value.code is ErrorCode.BAD_RESPONSE


@pytest.mark.parametrize("header", [{"X_Long": "x" * 9_000}, {f"X_{number}": "x" for number in range(100)}])
async def test_headers_beyond_their_bounds_are_a_bad_answer(header: dict[str, str]) -> None:
    async with serving(sends(b"", **header)) as server:
        with pytest.raises(WorkError) as caught:
            await GuardedClient(rules(server.port)).request("GET", f"http://{PUBLIC}:{server.port}/")
    assert caught.value.code is ErrorCode.BAD_RESPONSE


async def test_a_server_that_hangs_or_drips_is_given_up() -> None:
    async def drip(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while request.path == "/drip":
            await response.write(b".")
            await asyncio.sleep(0.05)
        await asyncio.sleep(30)
        return response

    async with serving(drip) as server:
        client = GuardedClient(rules(server.port))
        for path in ("drip", "hang"):
            with pytest.raises(WorkError, match=r"within 0\.3 s") as caught:
                await client.request("GET", f"http://{PUBLIC}:{server.port}/{path}", caps=Caps(total=0.3))
            assert caught.value.code is ErrorCode.TIMEOUT


async def test_what_cannot_be_reached_is_a_failed_connection() -> None:
    port = free_port()
    client = GuardedClient(rules(port), resolve=names(shop=[PUBLIC]))
    with pytest.raises(WorkError, match="failed") as caught:
        await client.request("GET", f"http://shop.example:{port}/")
    assert caught.value.code is ErrorCode.CONNECTION
    assert PUBLIC not in str(caught.value)

    async def fails(host: str, port: int) -> list[str]:
        raise OSError("no such name")

    with pytest.raises(WorkError, match="cannot be resolved"):
        await GuardedClient(rules(port), resolve=fails).request("GET", f"http://shop.example:{port}/")


async def test_this_machines_resolver_is_asked_where_none_is_given() -> None:
    async with serving(ok, PRIVATE) as server:
        url = f"http://localhost:{server.port}/"
        with pytest.raises(Refused, match="private network"):
            await GuardedClient(rules(server.port, allow="")).request("GET", url)
        assert server.requests == []
        allowed = rules(server.port, allow="", hosts=("localhost",))
        assert (await GuardedClient(allowed).request("GET", url)).status == 200
