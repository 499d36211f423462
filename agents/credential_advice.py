"""What to do about a credential that does not work."""

from urllib.parse import urlsplit

from agents.llm.errors import ConnectionFailed, ConnectionFault, ResponseError
from workers.errors import ErrorCode, WorkError

# Answers of a server that is there, but not an API at this path.
_WRONG_PLACE = frozenset({ErrorCode.NOT_FOUND, ErrorCode.BAD_RESPONSE})


class ModelsUnlisted(WorkError):
    """A server without a list of models, where no model is known that could be called in its place."""

    def __init__(self, said: str) -> None:
        """Hold what the server said in place of the list."""
        super().__init__(ErrorCode.NOT_FOUND, f"the key could not be verified, for the server lists no models: {said}")


def advice_for(error: WorkError, name: str, base_url: str, api_path: str = "/v1") -> str:
    """Return what to do about `error`, met as the credential `name` was checked at `base_url`; empty: nothing known.

    `api_path` is the path under which the provider's API usually stands; empty: it stands at the root.
    """
    update = f"manage.py credentials update {name}"
    if isinstance(error, ConnectionFailed):
        return _of_connection(error.fault, base_url)
    if isinstance(error, ResponseError) and error.status // 100 == 3:
        return f"The server sends callers elsewhere: give the address that it leads to ({update} --base-url URL)."
    if isinstance(error, ModelsUnlisted):
        path = _of_path(base_url, update, api_path)
        return f"{path} Or name a model that can be called in place of the list, with --model."
    if error.code is ErrorCode.NOT_FOUND and "model" in error.message.lower():
        return "The server answers, but has no such model: name one that it has with --model."
    if error.code in _WRONG_PLACE or (isinstance(error, ResponseError) and _is_no_api(error)):
        return _of_path(base_url, update, api_path)
    return _BY_CODE.get(error.code, "").format(update=update, where=_host(base_url))


def _is_no_api(error: ResponseError) -> bool:
    return not error.is_json and error.status < 500 and error.code is ErrorCode.INVALID_REQUEST


def _of_connection(fault: ConnectionFault, base_url: str) -> str:
    where = _host(base_url)
    match fault:
        case ConnectionFault.DNS:
            return f"No address is known for {where}: look for a typo in the base URL, and at this machine's DNS."
        case ConnectionFault.TLS:
            return (
                f"The secure connection to {where} failed: does the server speak http, or is its certificate expired, "
                "for another name, or of an authority that this machine does not know?"
            )
        case ConnectionFault.REFUSED:
            return f"Nothing listens at {where}: is the server running, and is the port right?"
        case ConnectionFault.OTHER:
            return f"No connection to {where}: look at the network and its firewalls."


def _of_path(base_url: str, update: str, api_path: str) -> str:
    path = urlsplit(base_url).path.rstrip("/")
    if path.endswith(("/v1", api_path)):
        return f"Something else than the provider's API answers at {base_url}: look at host, port and path."
    # Of /openai/v1 the first part may be there.
    missing = api_path.removeprefix(path)
    return (
        f"The path of {base_url} is likely incomplete: servers of this kind have their API under {api_path}. "
        f"Try {update} --base-url {base_url}{missing}"
    )


def _host(base_url: str) -> str:
    try:
        return urlsplit(base_url).netloc or base_url
    except ValueError:
        return base_url


_BY_CODE = {
    ErrorCode.INVALID_KEY: "Give the right key, of the right account: {update} --key-env VARIABLE",
    ErrorCode.QUOTA_EXHAUSTED: "The key is known, but its account has nothing left: add credit, or raise its limit.",
    ErrorCode.RATE_LIMITED: "The key is known, but has been called too often: try again in a minute.",
    ErrorCode.TIMEOUT: "{where} takes connections, but does not answer: is the server busy, or still loading a model?",
    ErrorCode.SERVER_ERROR: "The server has trouble of its own: try again, or look at its logs or status page.",
    ErrorCode.OVERLOADED: "The server has too much to do: try again in a minute.",
}
