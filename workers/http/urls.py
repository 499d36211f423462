"""Reading an address as it will be called, and refusing every other way to write it."""

import re
from dataclasses import dataclass
from ipaddress import ip_address

from yarl import URL

from .addresses import Address
from .allowed import OutboundRules, outbound_rules
from .refusal import Refused

LONGEST_URL = 2048
_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(\.(?!-)[a-z0-9_-]{1,63}(?<!-))*\.?\Z")
# A last label of this kind makes the whole an IPv4 address (https://url.spec.whatwg.org/#ends-in-a-number-checker):
# 2130706433, 0x7f.1 and 0177.0.0.1 are all 127.0.0.1 to a resolver.
_NUMERIC = re.compile(r"(^|\.)(\d+|0x[0-9a-f]*)\.?\Z")


@dataclass(frozen=True, slots=True)
class Target:
    """An address that may be asked for: `host` in ASCII, and its IP address where it is one."""

    url: URL
    host: str
    port: int
    address: Address | None

    @property
    def origin(self) -> tuple[str, str, int]:
        """What makes two addresses one server's (RFC 6454)."""
        return self.url.scheme, self.host, self.port


def check_url(text: str, rules: OutboundRules | None = None) -> Target:
    """Return what `text` asks for. Raises Refused unless it is an address that may be called, by all that it shows.

    Names are not resolved here: what they stand for is looked at when they are called. `rules` are the settings' where
    None.
    """
    rules = rules or outbound_rules()
    if len(text) > LONGEST_URL:
        raise Refused(f"url: at most {LONGEST_URL} characters are allowed")
    if not text.isprintable() or " " in text or "\\" in text:
        raise Refused("url: blanks, control characters and backslashes are not allowed")
    return _target(_parsed(text), rules)


def _parsed(text: str) -> URL:
    try:
        url = URL(text)
        has_port = url.port is not None
    except ValueError:
        raise Refused("url: must be like https://host/path") from None
    if not url.absolute or not url.raw_host or not has_port:
        raise Refused("url: must be like https://host/path")
    return url.with_fragment(None)


def _target(url: URL, rules: OutboundRules) -> Target:
    if url.scheme not in rules.schemes:
        raise Refused(f"url: the scheme must be one of: {', '.join(sorted(rules.schemes))}")
    if url.raw_user is not None or url.raw_password is not None or "@" in url.raw_authority:
        raise Refused("url: a user name or password is not allowed")
    port = url.port or 0
    if port not in rules.ports:
        raise Refused(f"url: the port must be one of: {', '.join(map(str, sorted(rules.ports)))}")
    host = (url.raw_host or "").lower()
    address = _address(host)
    if address is None and not (_NAME.match(host) and len(host) <= 253):
        raise Refused("url: the host is not a valid name")
    if address is not None and not rules.permits(address):
        raise Refused(PRIVATE)
    return Target(url, host.rstrip("."), port, address)


def _address(host: str) -> Address | None:
    if "%" in host:
        raise Refused("url: an address with a zone is not allowed")
    try:
        return ip_address(host)
    except ValueError:
        if _NUMERIC.search(host):
            raise Refused("url: an IPv4 address must be four decimal numbers, like 192.0.2.1") from None
        return None


PRIVATE = "url: the host is an address of a private network; ARBORETUM_OUTBOUND_ALLOW can allow it"
