import ipaddress
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.addresses import AllowedHosts

PRIVATE = [
    "127.0.0.1",
    "127.8.8.8",
    "0.0.0.0",  # noqa: S104 - an address to refuse, not to bind
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "::1",
    "::",
    "fe80::1",
    "fc00::1",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::7f00:1",
    "2002:7f00:1::",
    "2002:a9fe:a9fe::1",
    "198.18.0.1",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "198.51.100.7",
    "203.0.113.7",
    "240.0.0.1",
    "100.100.100.200",
    "168.63.129.16",
    "fd00:ec2::254",
    "fe80::1%lo",
    "fec0::1",
    "::7f00:1",
    "::ffff:0:127.0.0.1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::a9fe:a9fe",
    "100::1",
    "2001::1",
    "2001:0:7f00:1:0:0:80ff:fffe",
    "2001:10::1",
    "2001:20::1",
    "2001:db8::1",
    "3fff::1",
    "4000::1",
    "5f00::1",
    "ff0e::1",
]


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_are_refused(address: str) -> None:
    assert not AllowedHosts.of([]).permits("name.example", ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "address", ["93.184.216.34", "2606:2800:220:1::1", "64:ff9b::5db8:d822", "::ffff:8.8.8.8"]
)
def test_public_addresses_are_allowed(address: str) -> None:
    assert AllowedHosts.of([]).permits("name.example", ipaddress.ip_address(address))


@pytest.mark.parametrize(
    ("entry", "host", "address", "permitted"),
    [
        ("*", "any", "10.0.0.1", True),
        ("10.0.0.0/8", "any", "10.200.0.1", True),
        ("10.0.0.0/8", "any", "192.168.0.1", False),
        ("10.0.0.5", "any", "10.0.0.5", True),
        ("10.0.0.5", "any", "::ffff:10.0.0.5", True),
        ("fd00::/8", "any", "fd00::7", True),
        ("[::1]", "any", "::1", True),
        ("Internal.Example.", "internal.example", "10.0.0.1", True),
        ("internal.example", "other.example", "10.0.0.1", False),
        ("internal.example", "evil-internal.example", "10.0.0.1", False),
        ("", "any", "127.0.0.1", False),
        ("Bücher.example", "xn--bcher-kva.example", "10.0.0.1", True),
        ("xn--bcher-kva.example", "bücher.example.", "10.0.0.1", True),
        ("fe80::/10", "any", "fe80::1%lo", True),
        ("10.0.0.0/8", "any", "2002:a00:1::", True),
        ("10.0.0.0/8", "any", "64:ff9b::10.0.0.1", True),
        ("10.0.0.0/8", "any", "169.254.169.254", False),
    ],
)
def test_operators_open_private_hosts_one_by_one(
    entry: str, host: str, address: str, permitted: bool
) -> None:
    assert AllowedHosts.of([entry]).permits(host, ipaddress.ip_address(address)) is permitted


@pytest.mark.parametrize(
    "spelling",
    ["127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "017700000001"],
)
def test_the_resolver_reads_every_spelling_before_the_rule_does(spelling: str) -> None:
    """What the rule sees is the number; so no spelling needs a rule of its own."""
    entries = socket.getaddrinfo(spelling, 80, type=socket.SOCK_STREAM)

    assert {entry[4][0] for entry in entries} == {"127.0.0.1"}


@given(value=st.integers(0, 2**32 - 1), rest=st.integers(0, 2**80 - 1))
def test_wrapping_an_address_changes_nothing(value: int, rest: int) -> None:
    """Mapped, 6to4 and NAT64 addresses are as allowed as what they wrap."""
    bare = ipaddress.IPv4Address(value)
    wrapped = (
        (0xFFFF << 32) | value,
        (0x2002 << 112) | (value << 80) | rest,
        (0x0064_FF9B << 96) | value,
    )
    rule = AllowedHosts.of(["10.0.0.0/9"])

    for number in wrapped:
        assert rule.permits("any", ipaddress.IPv6Address(number)) == rule.permits("any", bare)


@given(st.integers(0, 2**128 - 1))
def test_only_global_unicast_and_wrapped_addresses_pass(number: int) -> None:
    address = ipaddress.IPv6Address(number)

    if AllowedHosts.of([]).permits("any", address):
        wraps = address.ipv4_mapped or address in ipaddress.ip_network("64:ff9b::/96")
        assert wraps or address in ipaddress.ip_network("2000::/3")
