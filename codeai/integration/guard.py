"""The outbound guard: which URLs and addresses a request may go to."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import ip_address

from codeai.integration.addresses import as_address, embedded, is_public
from codeai.integration.unanswered import Unanswered, Why, refused
from codeai.targets import IPAddress, Target

Resolver = Callable[[str, int], Awaitable[Sequence[IPAddress]]]
"""Every address of a name. OSError where it has none."""

_URL = re.compile(r"(?P<scheme>[^:/?#]*)://(?P<authority>[^/?#]*).*", re.DOTALL)
_NAME = re.compile(
    r"(?=.{1,254}$)([a-z0-9_]([a-z0-9_-]{0,62})\.)*[a-z0-9_][a-z0-9_-]{0,62}\.?", re.IGNORECASE
)
LONGEST = 8192


def form_problem(url: str) -> str | None:
    """What is wrong with the form of a URL; None where nothing is."""
    if len(url) > LONGEST:
        return f"the URL has more than {LONGEST:,} characters"
    if any(character <= " " or "\x7f" <= character <= "\xa0" for character in url):
        return "the URL has a space or control character in it"
    if "\\" in url:
        return "the URL has a backslash in it"
    found = _URL.fullmatch(url)
    if found is None or found["scheme"].lower() not in ("http", "https"):
        return "the URL must begin with https:// or http://"
    authority = found["authority"]
    if "@" in authority:
        return "the URL has a user or password in it: use the header Authorization"
    host, port = re.fullmatch(r"(\[.*\]|[^:]*)(.*)", authority, re.DOTALL).groups()  # type: ignore[union-attr]
    if not host:
        return "the URL names no host"
    if "%" in host:
        return "the URL's host has a % in it (a zone, or an encoded character)"
    if port and not (re.fullmatch(r":[0-9]{1,5}", port, re.ASCII) and 0 < int(port[1:]) < 65536):
        return "the URL's port is not a number from 1 to 65535"
    return None


async def resolve(host: str, port: int) -> list[IPAddress]:
    """What the system's resolver says, in its order."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(ip_address(str(sockaddr[0]).partition("%")[0]) for *_, sockaddr in found))


class Guard:
    """Judges where a connection may go: the public internet, and the targets that settings allow."""

    def __init__(self, allowed: Sequence[Target] = (), resolver: Resolver = resolve) -> None:
        self._allowed = tuple(allowed)
        self._resolver = resolver

    async def addresses(self, host: str, port: int) -> Sequence[IPAddress]:
        """The addresses of a host, every one judged: the connection goes to one of these and asks nobody again.

        Raises:
            Unanswered: it may not be reached, or has no address.
        """
        try:
            literal = as_address(host)
        except ValueError:
            raise refused("the URL's host is an address in an unusual form: write it out") from None
        if literal is None and not _NAME.fullmatch(host):
            raise refused("the URL's host is no name")
        found = [literal] if literal is not None else await self._resolved(host, port)
        if not all(self._may_reach(host, port, address) for address in found):
            what = "this address is" if literal is not None else "the name leads to an address that is"
            raise refused(
                f"{what} not on the public internet; who runs the workers can allow it by CODEAI_OUTBOUND_ALLOW"
            )
        return found

    async def _resolved(self, host: str, port: int) -> Sequence[IPAddress]:
        try:
            found = await self._resolver(host, port)
        except (OSError, UnicodeError) as problem:
            words = getattr(problem, "strerror", None) or str(problem)
            raise Unanswered(Why.UNREACHABLE, f"the host's name was not found: {words}") from None
        if not found:
            raise Unanswered(Why.UNREACHABLE, "the host's name has no address")
        return found

    def _may_reach(self, host: str, port: int, address: IPAddress) -> bool:
        return all(
            is_public(one) or any(target.covers(host, port, one) for target in self._allowed)
            for one in embedded(address) or (address,)
        )
