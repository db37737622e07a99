"""Which addresses of the internet are everybody's: no machine, network or service of our own. Knows no sockets."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

# What Python 3.11 takes for global, and is not: the registries of 6890's successors, and ways into IPv4.
# https://www.iana.org/assignments/iana-ipv4-special-registry/ and …/iana-ipv6-special-registry/
_IPV4_TRAPS = (
    IPv4Network("192.0.0.0/24"),  # protocol assignments
    IPv4Network("192.88.99.0/24"),  # 6to4 relays
    # Registered as anybody's, but every machine of that cloud reaches the cloud's own services there, with no route
    # from outside. Those of other clouds are link-local, shared or unique-local: 169.254.169.254, 100.100.100.200.
    # https://learn.microsoft.com/azure/virtual-network/what-is-ip-address-168-63-129-16
    IPv4Network("168.63.129.16/32"),
    IPv4Network("161.26.0.0/16"),  # https://cloud.ibm.com/docs/vpc?topic=vpc-service-endpoints-for-vpc
    IPv4Network("166.8.0.0/14"),  # the same
)
_UNICAST = IPv6Network("2000::/3")  # all that was ever given out; 64:ff9b::/96 and ::ffff:0:0/96 are outside of it
_IPV6_TRAPS = (
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
        known = ip_address(address)
    except ValueError:
        return False
    if known.is_multicast or known.is_reserved or not known.is_global:
        return False
    if isinstance(known, IPv4Address):
        return not any(known in trap for trap in _IPV4_TRAPS)
    return known in _UNICAST and not any(known in trap for trap in _IPV6_TRAPS)


def to_network(address: str) -> str:
    """Return what one client holds of the internet: an IPv4 address, or the /64 that an IPv6 one is in.

    Text that is no address comes back as it is.
    """
    try:
        known = ip_address(address)
    except ValueError:
        return address
    if isinstance(known, IPv6Address):
        return str(known.ipv4_mapped or IPv6Network((int(known), 64), strict=False))
    return str(known)
