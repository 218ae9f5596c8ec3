"""Targets: what may be reached beside the public internet, as settings name it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

IPAddress = IPv4Address | IPv6Address

_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_][a-z0-9_-]{0,62})*")
_LAST_IS_NUMBER = re.compile(r"(.*\.)?([0-9]+|0x[0-9a-f]*)")
_PORT = re.compile(r"[1-9][0-9]{0,4}")


@dataclass(frozen=True, slots=True)
class Target:
    """A host by its name, or addresses; with a port only that one."""

    text: str
    name: str | None
    network: IPv4Network | IPv6Network | None
    port: int | None

    @classmethod
    def read(cls, text: str) -> Target:
        """From `host[:port]`, `address[:port]`, `[address]:port` or a CIDR. ValueError, in the words of a setting's
        reader."""
        given = text.strip().lower()
        if found := re.fullmatch(r"\[([0-9a-f:.]+)\](?::([0-9]+))?", given):
            host, port = found[1], found[2]
        elif given.count(":") == 1:
            host, _, port = given.partition(":")
        else:
            host, port = given, None
        if port is not None and (not _PORT.fullmatch(port) or int(port) > 65535):
            raise ValueError(f"has a port that is none: {text}")
        network = _network(host)
        if network is None and (not _NAME.fullmatch(host) or _LAST_IS_NUMBER.fullmatch(host)):
            raise ValueError(f"is no host[:port], address or CIDR: {text}")
        return cls(given, None if network else host, network, int(port) if port else None)

    def covers(self, host: str, port: int, address: IPAddress) -> bool:
        """Whether a connection to this address, found for that host, is one of those meant."""
        if self.port not in (None, port):
            return False
        return address in self.network if self.network else host.rstrip(".").lower() == self.name

    def __str__(self) -> str:
        return self.text


def _network(text: str) -> IPv4Network | IPv6Network | None:
    try:
        return ip_network(text)
    except ValueError:
        return None
