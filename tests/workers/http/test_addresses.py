"""Which addresses are private, in whatever way they are written, and what the settings allow of them."""

from ipaddress import ip_address, ip_network

import pytest

from workers.http.addresses import METADATA, is_public
from workers.http.allowed import OutboundRules, outbound_rules
from workers.http.refusal import Refused
from workers.http.urls import check_url

PRIVATE = [
    *("0.0.0.1", "0.1.2.3", "10.1.2.3", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.255.0.1", "169.254.169.254"),
    *("172.16.0.1", "172.31.255.255", "192.0.0.8", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1"),
    *("198.51.100.1", "203.0.113.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "168.63.129.16", "100.100.100.200"),
    *("::", "::1", "::7f00:1", "::808:808", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:0:7f00:1", "fe80::1"),
    *("fec0::1", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1", "3fff::1", "5f00::1", "100::1", "2001:10::1"),
    *("2002:7f00:1::", "2002:a00:1::1", "2002:a9fe:a9fe::", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1"),
    *(
        "2001:0:808:808::80ff:fffe",
        "2001:0:7f00:1::f7f7:f7f7",
        "2606:4700::5efe:10.0.0.1",
        "2606:4700::200:5efe:7f00:1",
    ),
]
PUBLIC = ["8.8.8.8", "1.1.1.1", "100.63.0.1", "172.32.0.1", "2606:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8"]


@pytest.mark.parametrize("text", PRIVATE)
def test_a_private_address_is_not_public(text: str) -> None:
    assert not is_public(ip_address(text))


@pytest.mark.parametrize("text", PUBLIC)
def test_a_public_address_is(text: str) -> None:
    assert is_public(ip_address(text))


def test_metadata_services_are_allowed_by_their_very_address_alone() -> None:
    wide = OutboundRules(frozenset(), frozenset(), (ip_network("0.0.0.0/0"), ip_network("::/0")), frozenset({"cloud"}))
    assert wide.permits(ip_address("10.0.0.1"))
    assert not any(wide.permits(address, "cloud") for address in METADATA)
    assert not wide.permits(ip_address("64:ff9b::a9fe:a9fe"))
    own = OutboundRules(frozenset(), frozenset(), (ip_network("169.254.169.254/32"),))
    assert own.permits(ip_address("169.254.169.254"))


@pytest.mark.parametrize(
    "url",
    [
        *("", "example.com", "//example.com/", "http://", "http:///x", "ftp://example.com/", "file:///etc/passwd"),
        *(
            "http://user@example.com/",
            "http://user:pw@example.com/",
            "http://example.com:8080/",
        ),
        *("http://example.com:0/", "http://example.com:99999/", "http://example.com\\@10.0.0.1/", "http://a b/"),
        *("http://example.com/\r\nX: y", "http://exa\tmple.com/", "http://-a.com/", "http://a..b/", "http://a,b/"),
        *("http://[fe80::1%25eth0]/", "http://[::1", f"http://example.com/{'x' * 2048}", "javascript:alert(1)"),
        *("http://" + "a" * 64 + ".com/", "http://" + "a." * 127 + "com/"),
    ],
)
def test_what_is_no_plain_address_is_refused(url: str) -> None:
    with pytest.raises(Refused, match="url"):
        check_url(url)


@pytest.mark.parametrize(
    "url", ["http://example.com", "https://bücher.example/ä?b=ü", "http://a_b.example.:80/", "HTTP://X/"]
)
def test_a_plain_address_passes(url: str) -> None:
    assert check_url(url).host.isascii()


@pytest.mark.parametrize(
    "host", ["2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "127.1", "127.0.0.1.", "①②⑦.⓪.⓪.①", "1.2.3.0x", "0"]
)
def test_other_ways_to_write_an_ipv4_address_are_refused_whatever_is_allowed(host: str) -> None:
    anything = OutboundRules(frozenset({"http"}), frozenset({80}), (ip_network("10.0.0.0/8"),))
    with pytest.raises(Refused):
        check_url(f"http://{host}/", anything)


def test_the_settings_say_what_is_allowed(settings) -> None:
    settings.ARBORETUM_OUTBOUND_ALLOW = ["10.1.0.0/16", "Hooks.Internal"]
    rules = outbound_rules()
    assert rules.permits(ip_address("10.1.2.3"))
    assert rules.permits(ip_address("10.2.0.1"), "hooks.internal")
    assert not rules.permits(ip_address("10.2.0.1"), "other.internal")
    assert check_url("http://10.1.0.1/").port == 80
    with pytest.raises(Refused, match="ARBORETUM_OUTBOUND_ALLOW"):
        check_url("http://10.2.0.1/")
