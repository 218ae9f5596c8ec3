"""Which addresses are the public internet's (★): global unicast, and nothing that leads to another place."""

from __future__ import annotations

import re
import socket
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from codeai.targets import IPAddress

NOT_PUBLIC_4 = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",  # this network
            "10.0.0.0/8",  # private
            "100.64.0.0/10",  # carrier-grade NAT
            "127.0.0.0/8",  # loopback
            "168.63.129.16/32",  # Azure's host, seen from its machines
            "169.254.0.0/16",  # link-local: metadata of clouds
            "172.16.0.0/12",  # private
            "192.0.0.0/24",  # protocol assignments
            "192.0.2.0/24",  # documentation
            "192.88.99.0/24",  # 6to4 relays
            "192.168.0.0/16",  # private
            "198.18.0.0/15",  # benchmarks
            "198.51.100.0/24",  # documentation
            "203.0.113.0/24",  # documentation
            "224.0.0.0/4",  # multicast
            "240.0.0.0/4",  # reserved, broadcast
        ),
    )
)
"""IANA's special-purpose addresses that are not globally reachable. Not `is_global`: what Python means by it has
changed between versions."""
PUBLIC_6 = IPv6Network("2000::/3")
NOT_PUBLIC_6 = tuple(
    map(
        IPv6Network,
        (
            "2001::/23",  # protocol assignments
            "2001:db8::/32",  # documentation
            "3fff::/20",  # documentation
        ),
    )
)
NAT64 = IPv6Network("64:ff9b::/96")
_ENDS_IN_A_NUMBER = re.compile(r"(.*\.)?([0-9]+|0x[0-9a-f]*)\.?", re.IGNORECASE)


def is_public(address: IPAddress) -> bool:
    """Whether it is a global unicast address; one that embeds IPv4 addresses is what those are."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in NOT_PUBLIC_4)
    if inner := embedded(address):
        return all(map(is_public, inner))
    return address in PUBLIC_6 and not any(address in network for network in NOT_PUBLIC_6)


def embedded(address: IPAddress) -> tuple[IPv4Address, ...]:
    """The IPv4 addresses that an IPv6 address leads to: mapped, 6to4, Teredo (server and client), NAT64."""
    if isinstance(address, IPv4Address):
        return ()
    if address.ipv4_mapped is not None:
        return (address.ipv4_mapped,)
    if address.sixtofour is not None:
        return (address.sixtofour,)
    if address.teredo is not None:
        return address.teredo
    if address in NAT64:
        return (IPv4Address(int(address) & 0xFFFFFFFF),)
    return ()


def as_address(host: str) -> IPAddress | None:
    """The address that a URL's host is; None for a name. ValueError for an address in another than its usual form
    (decimal, octal, hex, short, with a zone): one program reads it as this and the next as that."""
    if ":" in host:
        return _usual(IPv6Address(host), host)
    if _ENDS_IN_A_NUMBER.fullmatch(host):
        return _usual(IPv4Address(host), host)
    return None


def _usual(address: IPAddress, host: str) -> IPAddress:
    forms = {str(address)}
    if isinstance(address, IPv6Address):
        forms.add(socket.inet_ntop(socket.AF_INET6, address.packed))
    if host.lower() not in forms or "%" in host:  # Python reads a zone as a part of the address
        raise ValueError("not the usual form")
    return address
