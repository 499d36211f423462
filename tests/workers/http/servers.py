"""Servers on addresses of this machine, which play the public and the private network."""

import datetime as dt
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from workers.http.allowed import OutboundRules

# The first plays a server of the internet: rules of tests allow it. The second plays one of the private network.
PUBLIC, PRIVATE = "127.0.0.2", "127.0.0.1"
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Server:
    """A running server: its port, and the requests that it got."""

    port: int = 0
    requests: list[web.BaseRequest] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)


@asynccontextmanager
async def serving(
    answer: Answer, address: str = PUBLIC, port: int = 0, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Server]:
    """Run a server whose every answer is `answer`'s."""
    server = Server()

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        server.requests.append(request)
        server.bodies.append(await request.read())
        return await answer(request)

    runner = web.ServerRunner(web.Server(handle), shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, address, port, ssl_context=tls)
    await site.start()
    server.port = site._server.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        await runner.cleanup()


def rules(*ports: int, allow: str = f"{PUBLIC}/32", hosts: tuple[str, ...] = ()) -> OutboundRules:
    """Return rules that allow `ports`, and of private addresses `allow` alone."""
    networks = (ip_network(allow),) if allow else ()
    return OutboundRules(frozenset({"http", "https"}), frozenset(ports), networks, frozenset(hosts))


def names(**known: list[str]) -> Callable[[str, int], Awaitable[list[str]]]:
    """Return a resolver that gives each name's addresses one after the other, the last for ever."""

    async def resolve(host: str, port: int) -> list[str]:
        found = known[host.split(".")[0]]
        return [found.pop(0) if len(found) > 1 else found[0]]

    return resolve


def certificate(name: str, folder: Path) -> Path:
    """Write a certificate for `name`, signed by itself, with its key; return the file's path."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
    signed = (
        builder.not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    form = serialization.PrivateFormat.PKCS8
    private = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    path = folder / "certificate.pem"
    path.write_bytes(signed.public_bytes(serialization.Encoding.PEM) + private)
    return path
