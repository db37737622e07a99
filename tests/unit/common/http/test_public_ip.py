"""Public IP addresses, and all others."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.http.public_ip import is_public, to_network

OURS = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "100.100.100.200",
    "100.127.255.255",
    "127.0.0.1",
    "127.255.0.1",
    "161.26.0.10",
    "166.8.0.1",
    "166.11.255.254",
    "168.63.129.16",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.9",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",
    "::ffff:127.0.0.1",
    "::ffff:8.8.8.8",
    "64:ff9b::7f00:1",
    "64:ff9b::808:808",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:10::1",
    "2001:3::1",
    "2001:4:112::1",
    "2001:20::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:808:808::1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
    "",
    "localhost",
    "1",
]


@pytest.mark.parametrize("address", OURS)
def test_our_own_networks_are_not_public(address: str) -> None:
    """Loopback, private, link-local, shared, multicast, reserved, embedded IPv4, and invalid addresses."""
    assert not is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "8.8.8.8",
        "1.1.1.1",
        "100.63.255.255",
        "100.128.0.0",
        "172.32.0.1",
        "2a00:1450:4001:80e::200e",
        "2001:4860::8888",
    ],
)
def test_the_internet_is_public(address: str) -> None:
    """Also those next to our own networks."""
    assert is_public(address)


@given(st.ip_addresses())
def test_nothing_is_public_that_python_knows_not_to_be(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    """Our rules are stricter than Python's, also for IPv4 embedded in IPv6."""
    if is_public(str(address)):
        assert address.is_global
        assert not any((address.is_private, address.is_multicast, address.is_reserved, address.is_unspecified))
    if address.version == 4:
        assert not is_public(f"::ffff:{address}")
        assert not is_public(str(ipaddress.IPv6Address("64:ff9b::") + int(address)))


@given(st.text())
def test_no_text_makes_it_stumble(text: str) -> None:
    """Resolvers and proxies give texts."""
    is_public(text)
    to_network(text)


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("8.8.8.8", "8.8.8.8"),
        ("2a00:1450:4001:80e::200e", "2a00:1450:4001:80e::/64"),
        ("2a00:1450:4001:80e:ffff::1", "2a00:1450:4001:80e::/64"),
        ("2a00:1450:4001:80f::1", "2a00:1450:4001:80f::/64"),
        ("::ffff:8.8.8.8", "8.8.8.8"),
        ("nobody", "nobody"),
    ],
)
def test_one_client_is_one_network(address: str, network: str) -> None:
    """A client with an IPv6 address has 2^64 of them."""
    assert to_network(address) == network
