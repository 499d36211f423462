"""What Anthropic tells of its limits, in the words that `agents.llm.rate_headers` understands.

Headers: https://platform.claude.com/docs/en/api/rate-limits#response-headers. Its limits are per minute and for each
model. When one is full again is left out, since nothing else could follow from it than that minute.
"""

import re
from collections.abc import Mapping

from agents.llm.rate_headers import rate_limit_headers

_PREFIX = "anthropic-ratelimit-"
_NUMBER = re.compile(r"\d{1,15}", re.ASCII)
# Tokens are limited three times. Arboretum knows one limit, of input and output together: it is held to that of the
# input, by far the larger part, and the share that is left is that of the scarcest.
_TOKENS = ("input-tokens", "tokens", "output-tokens")


def told_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the limits that `headers` tell, as `x-ratelimit-*` headers; those of another server as they are."""
    told = {name[len(_PREFIX) :].lower(): value for name, value in headers.items() if name.lower().startswith(_PREFIX)}
    if not told:
        return rate_limit_headers(headers)
    return _limit("requests", told, ("requests",)) | _limit("tokens", told, _TOKENS)


def _limit(name: str, told: Mapping[str, str], kinds: tuple[str, ...]) -> dict[str, str]:
    """Return one limit: that of the first kind told, and of it the smallest share that is left of any."""
    limits = [(most, _number(told, f"{kind}-remaining")) for kind in kinds if (most := _number(told, f"{kind}-limit"))]
    if not limits:
        return {}
    limit = limits[0][0]
    headers = {f"x-ratelimit-limit-{name}": str(limit)}
    shares = [min(left / most, 1.0) for most, left in limits if left is not None]
    if shares:
        headers[f"x-ratelimit-remaining-{name}"] = str(int(limit * min(shares)))
    return headers


def _number(told: Mapping[str, str], name: str) -> int | None:
    value = told.get(name, "")
    return int(value) if _NUMBER.fullmatch(value) else None
