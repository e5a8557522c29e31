"""Recognizes loopback names and addresses, which other machines cannot reach."""

from ipaddress import ip_address

LOOPBACK_NAMES = frozenset({"localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback"})


def is_loopback(host: str) -> bool:
    """Return whether a host name or IP address (without brackets) is a loopback address.

    `*.localhost` counts as loopback (RFC 6761, section 6.3). Names are not resolved.
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
