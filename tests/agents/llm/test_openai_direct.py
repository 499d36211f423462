"""The plain call over aiohttp: connections, bounds, and servers that speak no clean HTTP."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from agents.llm.http.network import tls_context
from agents.llm.providers.base import ProviderConfig
from agents.llm.providers.openai.provider import OpenAIProvider
from tests.support.provider_server import FAULTS, FakeServer
from workers.errors import ErrorCode, WorkError

from .calls import ask
from .conftest import KEY
from .raw_server import ANSWER, RawServer, http, raw_server, soon


@pytest.fixture
async def raw() -> AsyncIterator[RawServer]:
    async with raw_server() as server:
        yield server


@pytest.fixture
async def provider(raw: RawServer) -> AsyncIterator[OpenAIProvider]:
    """A client of `raw` without LLMClient around it, which has timeouts of its own; answers of 1,000 bytes at most."""
    client = OpenAIProvider(ProviderConfig(api_key=KEY, base_url=raw.base_url, max_answer_bytes=1000))
    yield client
    await client.aclose()


async def failure(provider: OpenAIProvider, seconds: float = 5.0) -> WorkError:
    with pytest.raises(WorkError) as caught:
        async with asyncio.timeout(seconds + 2):
            await provider.complete(ask(timeout=seconds))
    assert KEY not in str(caught.value)
    return caught.value


async def until_closed(raw: RawServer) -> None:
    await soon(lambda: raw.open == 0)


async def test_connections_are_used_again(raw: RawServer, provider: OpenAIProvider):
    for _ in range(5):
        await asyncio.gather(*(provider.complete(ask()) for _ in range(20)))
    assert len(raw.requests) == 100
    assert raw.connections == 20


async def test_connections_are_as_many_as_the_calls_at_once(raw: RawServer, provider: OpenAIProvider):
    raw.answers = [None]
    calls = [asyncio.create_task(provider.complete(ask())) for _ in range(300)]
    await soon(lambda: len(raw.requests) == 300)
    assert raw.connections == 300
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    await until_closed(raw)


async def test_connection_that_the_server_closed_while_idle_is_replaced(raw: RawServer, provider: OpenAIProvider):
    raw.closes_after = 1
    for _ in range(3):
        assert (await provider.complete(ask())).text == "hi"
        await until_closed(raw)
        # The client's end is closed by its own loop.
        await asyncio.sleep(0.05)
    assert raw.connections == 3


async def test_call_that_meets_a_closing_connection_fails_and_is_not_sent_twice(
    raw: RawServer, provider: OpenAIProvider
):
    raw.answers = [http(), b""]
    await provider.complete(ask())
    error = await failure(provider)
    assert (error.code, error.is_transient) == (ErrorCode.CONNECTION, True)
    assert len(raw.requests) == 2
    assert (await provider.complete(ask())).text == "hi"


async def test_cancelled_call_closes_its_connection_at_once(raw: RawServer, provider: OpenAIProvider):
    for answer in (None, http(b"{", length=500)):
        raw.answers = [answer]
        call = asyncio.create_task(provider.complete(ask()))
        await asyncio.sleep(0.05)
        assert raw.open == 1
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await until_closed(raw)


@pytest.mark.parametrize("answer", [None, http(b"{", length=500)], ids=["no answer", "half a body"])
async def test_provider_has_a_timeout_of_its_own(raw: RawServer, provider: OpenAIProvider, answer: bytes | None):
    raw.answers = [answer]
    assert (await failure(provider, 0.2)).code is ErrorCode.TIMEOUT
    await until_closed(raw)


async def test_each_call_has_its_own_timeout(raw: RawServer, provider: OpenAIProvider):
    raw.answers = [None]
    slow = asyncio.create_task(provider.complete(ask(timeout=30)))
    await soon(lambda: len(raw.requests) == 1)
    assert (await failure(provider, 0.1)).code is ErrorCode.TIMEOUT
    assert not slow.done()
    slow.cancel()
    await asyncio.gather(slow, return_exceptions=True)


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (b"", "connection"),
        (b"SSH-2.0-OpenSSH_9\r\n", "bad_response"),
        (ANSWER, "bad_response"),
        (http(length=10**23), "bad_response"),
        (http(ANSWER, "Content-Length: 3"), "bad_response"),
        (http(b"zz\r\nabc", "Transfer-Encoding: chunked"), "bad_response"),
        (http(ANSWER, f"X-Long: {'a' * 20_000}"), "bad_response"),
        (http(ANSWER, *(f"X-{number}: a" for number in range(500))), "bad_response"),
        (http(ANSWER, "Content-Encoding: g\xffzip"), "bad_response"),
        (http(b"", "Connection: close", status="204 No Content"), "bad_response"),
        (http(b"data: {}\n\n", "Content-Type: text/event-stream"), "bad_response"),
        (http(b"<html>", "Content-Type: te\xffxt"), "bad_response"),
        (http(b"", status="304 Not Modified"), "invalid_request"),
        (http(b"", "Location: http://127.0.0.1:9/", status="307 Elsewhere"), "invalid_request"),
        (http(b"", status="999 Odd"), "server_error"),
    ],
)
async def test_answers_that_are_none(raw: RawServer, provider: OpenAIProvider, answer: bytes, code: str):
    raw.answers = [answer]
    error = await failure(provider)
    assert error.code == code
    assert error.message.isprintable()
    assert len(raw.requests) == 1


async def test_answer_cut_by_the_end_of_the_connection_is_a_connection_error(raw: RawServer, provider: OpenAIProvider):
    raw.closes_after = 1
    for answer in (http(length=500), http(b"5\r\nab", "Transfer-Encoding: chunked"), b"HTTP/1.1 200 OK\r\nConte"):
        raw.answers = [answer]
        error = await failure(provider)
        assert error.code is ErrorCode.CONNECTION
        assert "HttpVersion" not in error.message


@pytest.mark.parametrize(
    "answer",
    [
        http(ANSWER, "Connection: close"),
        http(b"%x\r\n%b\r\n0\r\n\r\n" % (len(ANSWER), ANSWER), "Transfer-Encoding: chunked"),
        b"HTTP/1.1 100 Continue\r\n\r\n" * 3 + http(),
        http(ANSWER, "Content-Type: text/plain", "Content-Encoding: identity"),
    ],
    ids=["until the end", "in chunks", "continue", "odd type"],
)
async def test_ways_to_send_an_answer(raw: RawServer, provider: OpenAIProvider, answer: bytes):
    raw.answers, raw.closes_after = [answer], 1
    assert (await provider.complete(ask())).text == "hi"


async def test_answer_that_announces_too_much_is_cut_before_it_is_read(raw: RawServer, provider: OpenAIProvider):
    raw.answers = [http(b"{", length=4001)]
    error = await failure(provider)
    assert error.code is ErrorCode.BAD_RESPONSE
    assert error.message == "the answer is larger than 4000 bytes"
    await until_closed(raw)


async def test_cookies_are_not_kept(raw: RawServer):
    raw.answers = [http(ANSWER, "Set-Cookie: a=b; Path=/")]
    # A name, since a cookie jar takes nothing from an address.
    provider = OpenAIProvider(ProviderConfig(base_url=raw.base_url.replace("127.0.0.1", "localhost")))
    for _ in range(2):
        await provider.complete(ask())
    assert b"cookie" not in raw.requests[1].lower()
    await provider.aclose()


async def test_names_of_headers_may_be_written_in_any_case(raw: RawServer, provider: OpenAIProvider):
    raw.answers = [http(ANSWER, "X-RateLimit-Limit-Requests: 5", "X-Request-ID: abc", "X-Other: 1")]
    completion = await provider.complete(ask())
    assert completion.rate_limits == {"x-ratelimit-limit-requests": "5"}
    assert completion.request_id == "abc"


async def test_request_id_is_printable(raw: RawServer, provider: OpenAIProvider):
    raw.answers = [http(ANSWER, "X-Request-Id: a\xff\xfeb")]
    assert (await provider.complete(ask())).request_id == "a b"


@pytest.mark.parametrize("fault", sorted(FAULTS - {"endless_calls"}))  # which only streams have
async def test_key_is_in_no_message(server: FakeServer, fault: str):
    server.configure(faults={fault: 1.0}, huge_bytes=1_000_000)
    client = OpenAIProvider(ProviderConfig(api_key=KEY, base_url=server.base_url, max_answer_bytes=1000))
    error = await failure(client, 0.2)
    assert KEY not in f"{error!r} {error.message}"
    await client.aclose()


async def test_closed_client_says_so(raw: RawServer, provider: OpenAIProvider):
    raw.answers = [None]
    running = asyncio.create_task(provider.complete(ask()))
    await asyncio.sleep(0.05)
    await provider.aclose()
    for call in (running, provider.complete(ask()), provider.list_models(), anext(provider.stream(ask()))):
        with pytest.raises(WorkError) as caught:
            await call
        assert caught.value.code is ErrorCode.CONNECTION
    assert raw.connections == 1


@pytest.mark.parametrize(
    "config", [ProviderConfig(base_url="http://host:99999/v1"), ProviderConfig(organisation="Ümlaut")]
)
def test_configuration_that_no_request_can_carry_is_refused(config: ProviderConfig):
    with pytest.raises(WorkError) as caught:
        OpenAIProvider(config)
    assert caught.value.code is ErrorCode.INVALID_REQUEST


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for 127.0.0.1 that signs itself, with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    addresses = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    signed = builder.add_extension(addresses, critical=False).sign(key, hashes.SHA256())
    encoding = serialization.Encoding.PEM
    secret = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = tmp_path / "server.pem"
    path.write_bytes(secret + signed.public_bytes(encoding))
    return path


async def test_certificate_of_an_unknown_authority_is_refused_even_if_the_environment_names_it(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    tls_context.cache_clear()
    served = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    served.load_cert_chain(certificate)
    async with raw_server(served) as secure:
        for trusted in (False, True):
            if trusted:
                tls_context().load_verify_locations(certificate)
            client = OpenAIProvider(ProviderConfig(api_key=KEY, base_url=secure.base_url))
            if trusted:
                assert (await client.complete(ask())).text == "hi"
            else:
                error = await failure(client)
                assert (error.code, len(secure.requests)) == (ErrorCode.CONNECTION, 0)
                assert "certificate" in error.message
            await client.aclose()
    tls_context.cache_clear()
