"""The wire: URLs, connections and bytes. Nobody else imports httpx2 (and httpcore2 below it)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import httpcore2
import httpx2

from codeai.integration.exchange import Answer, Headers
from codeai.integration.guard import Guard, form_problem
from codeai.integration.unanswered import Unanswered, Why, refused

logging.getLogger("httpcore2").setLevel(logging.WARNING)  # at debug it prints headers

MOST_READ = 10 * 2**20
"""Bytes of a body that are read, before and after decompression."""
NEXT_ADDRESS = 5.0
"""Seconds that an address of several has to answer a connection before the next is tried."""


@dataclass(frozen=True, slots=True)
class Url:
    """A URL in good form. The connection goes to `host`, as it stands here."""

    parsed: httpx2.URL

    @classmethod
    def read(cls, text: str) -> Url:
        """Raises Unanswered where its form is refused."""
        if problem := form_problem(text):
            raise refused(problem)
        try:
            return cls(httpx2.URL(text).copy_with(fragment=None))
        except (httpx2.InvalidURL, ValueError):
            raise refused("this is no URL") from None

    def joined(self, location: str) -> Url:
        """Where a redirect leads from here. Raises Unanswered where that is refused."""
        try:
            return Url.read(str(self.parsed.join(location)))
        except httpx2.InvalidURL:
            raise refused("it redirects to what is no URL") from None

    @property
    def host(self) -> str:
        return self.parsed.raw_host.decode("ascii")

    @property
    def port(self) -> int:
        return self.parsed.port or (443 if self.parsed.scheme == "https" else 80)

    @property
    def origin(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.parsed.scheme}://{host}:{self.port}"


class _Judging(httpcore2.AsyncNetworkBackend):
    """Connects to the addresses that the guard has judged: the name is resolved nowhere else."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._network = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 (httpcore2's signature)
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        *first, last = await self._guard.addresses(host, port)
        for address in first:
            try:
                return await self._network.connect_tcp(
                    str(address), port, NEXT_ADDRESS, local_address, socket_options
                )
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
                continue
        return await self._network.connect_tcp(str(last), port, timeout, local_address, socket_options)


class _Transport(httpx2.AsyncHTTPTransport):
    """httpx2's own, on a pool of ours: its constructor takes no network backend. Without that pool it fails."""

    def __init__(self, pool: httpcore2.AsyncConnectionPool) -> None:
        self._pool = pool


class _Counted(httpx2.AsyncByteStream):
    """A body as it comes, up to a size: what is compressed may come without end and never unpack to anything."""

    def __init__(self, stream: httpx2.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        count = 0
        async for piece in self._stream:
            count += len(piece)
            if count > MOST_READ:
                raise _too_large()
            yield piece

    async def aclose(self) -> None:
        await self._stream.aclose()


class Wire:
    """Sends a request once, to where the guard lets it, and reads the answer. Every request has a connection of its
    own: one that the other side is just closing would lose a request that cannot be repeated."""

    def __init__(self, guard: Guard, proxy: str | None = None) -> None:
        tls = httpx2.create_ssl_context()
        self._judge = guard.addresses if proxy else None
        self._transport = _Transport(
            _proxied(proxy, tls)
            if proxy
            else httpcore2.AsyncConnectionPool(
                ssl_context=tls,
                max_connections=None,
                max_keepalive_connections=0,
                network_backend=_Judging(guard),
            )
        )

    async def exchange(
        self, method: str, url: Url, headers: Headers, body: bytes | None, deadline: float
    ) -> Answer:
        """One request and its answer, by a time of the loop's clock.

        Raises:
            Unanswered: why there is none.
        """
        sent = False

        async def trace(event: str, _: Any) -> None:
            nonlocal sent
            sent = sent or event.endswith("send_request_headers.started")

        try:
            async with asyncio.timeout_at(deadline):
                await self._judge_before_proxy(url)
                request = httpx2.Request(
                    method,
                    url.parsed,
                    headers=[(name.encode("ascii"), value.encode()) for name, value in headers.items()],
                    content=body,
                    extensions={"trace": trace},
                )
                return await self._read(await self._transport.handle_async_request(request))
        except TimeoutError:
            raise Unanswered(Why.TIMEOUT, "no answer in time", sent=sent) from None
        except Unanswered as failure:
            failure.sent = sent
            raise
        except httpx2.HTTPError as problem:
            raise Unanswered(Why.BROKEN if sent else Why.UNREACHABLE, _words(problem), sent=sent) from None

    async def _judge_before_proxy(self, url: Url) -> None:
        """With a proxy it is the proxy that resolves the name: what it is here is judged all the same, and a name that
        is unknown here is the proxy's."""
        if self._judge is not None:
            try:
                await self._judge(url.host, url.port)
            except Unanswered as failure:
                if failure.why is Why.REFUSED:
                    raise

    async def _read(self, response: httpx2.Response) -> Answer:
        """The answer, decompressed piece by piece and counted on the way."""
        try:
            # Inside a second layer a bomb would be unpacked unseen.
            if "," in response.headers.get("content-encoding", ""):
                raise Unanswered(Why.BROKEN, "the answer is compressed more than once")
            assert isinstance(response.stream, httpx2.AsyncByteStream)
            response.stream = _Counted(response.stream)
            body = bytearray()
            async with aclosing(response.aiter_bytes()) as pieces:
                async for piece in pieces:
                    body += piece
                    if len(body) > MOST_READ:
                        raise _too_large()
        finally:
            await response.aclose()
        headers: dict[str, str] = {}
        for name, value in ((_text(name).lower(), _text(value)) for name, value in response.headers.raw):
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        return Answer(response.status_code, headers, bytes(body))

    async def aclose(self) -> None:
        await self._transport.aclose()


def _proxied(proxy: str, tls: Any) -> httpcore2.AsyncHTTPProxy:
    url = httpx2.URL(proxy)
    login = (unquote(url.username), unquote(url.password)) if url.username or url.password else None
    return httpcore2.AsyncHTTPProxy(
        httpcore2.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=b"/"),
        login,
        ssl_context=tls,
        proxy_ssl_context=tls if url.scheme == "https" else None,
        max_connections=None,
        max_keepalive_connections=0,
    )


def _text(header: bytes) -> str:
    """UTF-8, or where it is not, as of old."""
    try:
        return header.decode()
    except UnicodeDecodeError:
        return header.decode("latin-1")


def _too_large() -> Unanswered:
    return Unanswered(Why.TOO_LARGE, f"the answer has more than {MOST_READ:,} bytes")


def _words(problem: httpx2.HTTPError) -> str:
    """The first line of what the network said."""
    said = str(problem).partition("\n")[0].strip()
    if isinstance(problem, httpx2.DecodingError):
        return "the answer cannot be decompressed"
    if isinstance(problem, httpx2.ConnectError):
        return f"cannot connect: {said or 'no address of it answers'}"
    return said or type(problem).__name__
