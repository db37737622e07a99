"""Tell public IP addresses from private and reserved ones (SSRF guard)."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

# What Python 3.11 takes for global, and is not: the registries that followed RFC 6890, and ways into IPv4.
# https://www.iana.org/assignments/iana-ipv4-special-registry/ and …/iana-ipv6-special-registry/
_PRIVATE_IPV4 = (
    IPv4Network("192.0.0.0/24"),  # protocol assignments
    IPv4Network("192.88.99.0/24"),  # 6to4 relays
    # Registered as public, but at these addresses a cloud's machines reach the cloud's own services, with no route from
    # outside. Those of other clouds are link-local, shared or unique-local: 169.254.169.254, 100.100.100.200.
    # https://learn.microsoft.com/azure/virtual-network/what-is-ip-address-168-63-129-16
    IPv4Network("168.63.129.16/32"),
    IPv4Network("161.26.0.0/16"),  # https://cloud.ibm.com/docs/vpc?topic=vpc-service-endpoints-for-vpc
    IPv4Network("166.8.0.0/14"),  # the same
)
_UNICAST = IPv6Network("2000::/3")  # all that was ever given out; 64:ff9b::/96 and ::ffff:0:0/96 are outside of it
_PRIVATE_IPV6 = (
    IPv6Network("2001::/23"),  # protocol assignments, Teredo among them
    IPv6Network("2001:db8::/32"),  # documentation
    IPv6Network("2002::/16"),  # 6to4
    IPv6Network("3fff::/20"),  # documentation
)


def is_public(address: str) -> bool:
    """Say whether an address belongs to the public internet.

    Loopback, private, link-local, shared (CGNAT), multicast and reserved addresses do not, nor do those that lead to
    IPv4 by another way: IPv4-mapped, NAT64, 6to4, Teredo; nor do those at which a cloud answers its own machines only.
    What is no address is not public.
    """
    try:
        ip = ip_address(address)
    except ValueError:
        return False
    if ip.is_multicast or ip.is_reserved or not ip.is_global:
        return False
    if isinstance(ip, IPv4Address):
        return not any(ip in network for network in _PRIVATE_IPV4)
    return ip in _UNICAST and not any(ip in network for network in _PRIVATE_IPV6)


def to_network(address: str) -> str:
    """Return the network that belongs to one client: an IPv4 address, or the /64 that an IPv6 one is in.

    Text that is no address comes back as it is.
    """
    try:
        ip = ip_address(address)
    except ValueError:
        return address
    if isinstance(ip, IPv6Address):
        return str(ip.ipv4_mapped or IPv6Network((int(ip), 64), strict=False))
    return str(ip)
