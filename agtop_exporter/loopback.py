"""Names and addresses of this machine itself, which no other machine can reach."""

from ipaddress import ip_address

LOOPBACK_NAMES = frozenset({"localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback"})


def is_loopback(host: str) -> bool:
    """Say whether a host name or an IP address, without brackets, is this machine's loopback.

    `*.localhost` is (RFC 6761, section 6.3). No name is looked up.
    """
    name = host.rstrip(".").lower()
    if name in LOOPBACK_NAMES or name.endswith(".localhost"):
        return True
    try:
        address = ip_address(name)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if address.version == 6 else None  # noqa: PLR2004 - IPv6
    return (mapped or address).is_loopback
