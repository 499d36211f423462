"""Finds where code could reach the network by itself: by what it imports, and by what it calls."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
APPS = ("arboretum", "workers", "credentials", "agents", "batches", "dashboard")
CLIENTS = {
    *("aiohttp", "anthropic", "boto3", "botocore", "ftplib", "http.client", "httpcore", "httpx", "httpx2", "niquests"),
    *("openai", "pycurl"),
    *("requests", "smtplib", "telnetlib", "tornado.httpclient", "tornado.simple_httpclient", "urllib.request"),
    *("urllib3", "websocket", "websockets", "xmlrpc.client"),
}
# Functions of any object that open a connection, and the class whose objects do.
OPENERS = {"create_connection", "open_connection", "open_unix_connection", "create_unix_connection", "sock_connect"}
SOCKETS = {"socket.socket", "socket.socketpair", "_socket.socket"}
IMPORTERS = {"import_module", "__import__"}


def sources() -> Iterator[Path]:
    """Yield every Python file of the product."""
    yield ROOT / "manage.py"
    for app in APPS:
        yield from sorted((ROOT / app).rglob("*.py"))


def ways_out(text: str) -> set[str]:
    """Return the clients that a module names, and the calls with which it opens connections."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        found |= {client for name in _named(node) for client in CLIENTS if _is_within(name, client)}
        if isinstance(node, ast.Call):
            found |= _opened(node.func)
    return found


def _named(node: ast.AST) -> Iterator[str]:
    """Yield the modules that an import names, or a call that imports by name; also `import urllib` and its use."""
    match node:
        case ast.Import(names=names):
            yield from (alias.name for alias in names)
        case ast.ImportFrom(module=str(module), level=0, names=names):
            yield module
            yield from (f"{module}.{alias.name}" for alias in names)
        case ast.Attribute():
            yield ast.unparse(node)
        case ast.Call(func=function, args=[ast.Constant(value=str(name)), *_]):
            if ast.unparse(function).rsplit(".", 1)[-1] in IMPORTERS:
                yield name


def _is_within(name: str, client: str) -> bool:
    return name == client or name.startswith(f"{client}.")


def _opened(function: ast.expr) -> set[str]:
    name = ast.unparse(function)
    last = name.rsplit(".", 1)[-1]
    return {last} if last in OPENERS else ({name} if name in SOCKETS else set())
