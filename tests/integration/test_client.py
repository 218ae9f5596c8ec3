"""The integration client against real servers on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import gzip
import ssl
import zlib
from collections.abc import AsyncIterator, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
import structlog
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from codeai.integration.circuits import Circuits
from codeai.integration.client import Client, outbound_client
from codeai.integration.exchange import Sending
from codeai.integration.guard import Guard
from codeai.integration.pace import Pace
from codeai.integration.unanswered import Unanswered, Why
from codeai.integration.wire import MOST_READ, Wire
from codeai.settings import OutboundSettings
from codeai.targets import IPAddress, Target
from tests.activities.sites import Asked, Site, answer, site


async def loopback(host: str, port: int) -> Sequence[IPAddress]:
    """Every name is this machine."""
    return [ip_address("127.0.0.1")]


@contextlib.asynccontextmanager
async def client_for(
    *allowed: str, circuits: Circuits | None = None, proxy: str | None = None
) -> AsyncIterator[Client]:
    wire = Wire(Guard([Target.read(one) for one in allowed], loopback), proxy)
    try:
        yield Client(wire, Pace(None), circuits)
    finally:
        await wire.aclose()


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async with client_for("127.0.0.1") as client:
        yield client


def get(url: str, **more: Any) -> Sending:
    return Sending("GET", url, f"GET {url.partition('?')[0]}", more.pop("headers", {}), **more)


def post(url: str, **more: Any) -> Sending:
    return Sending("POST", url, f"POST {url}", more.pop("headers", {}), body=b"x", **more)


async def failure(client: Client, asked: Sending) -> Unanswered:
    with pytest.raises(Unanswered) as caught:
        await client.send(asked)
    return caught.value


async def test_a_request_and_its_answer(client: Client) -> None:
    async with site(lambda *_: answer(201, "made", X_One="a", x_one="b")) as there:
        found = await client.send(post(f"{there.origin}/a%20b?c=d#e", headers={"x-mine": "\u00fc"}))
    assert (found.status, found.body, found.headers["x-one"]) == (201, b"made", "a, b")
    (asked,) = there.asked
    assert (asked.method, asked.target, asked.body) == ("POST", "/a%20b?c=d", b"x")
    assert asked.headers["host"] == f"127.0.0.1:{there.port}"
    assert asked.headers["user-agent"].startswith("CodeAI/")
    assert asked.headers["x-mine"] == "\u00fc".encode().decode("latin-1")


async def test_loopback_is_closed_unless_settings_open_it() -> None:
    async with site(lambda *_: answer()) as there, outbound_client(OutboundSettings()) as client:
        assert (await failure(client, get(there.origin))).why is Why.REFUSED
        assert (await failure(client, get(f"http://localhost:{there.port}"))).why is Why.REFUSED
        opened = OutboundSettings(allow=(Target.read(f"localhost:{there.port}"),))
        async with outbound_client(opened) as other:
            assert (await other.send(get(f"http://localhost:{there.port}"))).status == 200
    assert len(there.asked) == 1


async def test_what_is_refused_opens_no_circuit_and_is_not_repeated(client: Client) -> None:
    for _ in range(7):
        failed = await failure(client, get("http://10.0.0.1/"))
        assert (failed.why, failed.attempts, failed.sent) == (Why.REFUSED, 1, False)


async def test_the_connection_goes_to_the_address_that_was_judged() -> None:
    """The resolver is asked once; what it would say next (a rebinding) is never heard."""
    said = [["127.0.0.1"], ["127.0.0.2"]]

    async def resolver(host: str, port: int) -> Sequence[IPAddress]:
        return [ip_address(one) for one in said.pop(0)]

    async with site(lambda *_: answer()) as there:
        wire = Wire(Guard([Target.read("127.0.0.1")], resolver))
        await Client(wire, Pace(None)).send(get(f"http://service.test:{there.port}/"))
        await wire.aclose()
    assert len(said) == 1
    assert there.asked[0].headers["host"] == f"service.test:{there.port}"


async def test_a_name_with_a_dead_address_is_reached_by_the_next() -> None:
    async def resolver(host: str, port: int) -> Sequence[IPAddress]:
        return [ip_address("127.0.0.9"), ip_address("127.0.0.1")]

    async with site(lambda *_: answer()) as there:
        wire = Wire(Guard([Target.read("127.0.0.0/8")], resolver))
        assert (await Client(wire, Pace(None)).send(get(f"http://service.test:{there.port}/"))).status == 200
        await wire.aclose()


def certificate_for(name: str, folder: Path) -> ssl.SSLContext:
    """A server's TLS with a certificate of its own, in `folder/ca.pem`."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    today = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(today - datetime.timedelta(days=1))
        .not_valid_after(today + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "ca.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    form = serialization.PrivateFormat.PKCS8
    (folder / "key.pem").write_bytes(key.private_bytes(serialization.Encoding.PEM, form, plain))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(folder / "ca.pem", folder / "key.pem")
    return tls


async def test_tls_is_for_the_name_not_for_the_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls = certificate_for("service.test", tmp_path)
    names: list[str | None] = []
    tls.sni_callback = lambda _socket, name, _context: names.append(name)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    async with site(lambda *_: answer(), tls) as there, client_for("127.0.0.1") as client:
        assert (await client.send(get(f"https://service.test:{there.port}/"))).status == 200
        wrong = await failure(client, get(f"https://other.test:{there.port}/", retry=0))
    assert names == ["service.test", "other.test"]
    assert wrong.why is Why.UNREACHABLE
    assert "certificate" in wrong.reason


@pytest.mark.parametrize(
    ("method", "headers", "retry", "sent"),
    [
        ("GET", {}, None, 3),
        ("PUT", {}, None, 3),
        ("POST", {}, None, 1),
        ("POST", {"idempotency-key": "1"}, None, 3),
        ("POST", {}, 1, 2),
        ("GET", {}, 0, 1),
    ],
)
@pytest.mark.parametrize("reply", [answer(503), None], ids=["503", "hangs up"])
async def test_how_often_a_failure_is_sent(
    client: Client, reply: bytes | None, method: str, headers: dict[str, str], retry: int | None, sent: int
) -> None:
    async with site(lambda *_: reply) as there:
        asked = Sending(method, there.origin, "it", headers, retry=retry)
        try:
            assert (await client.send(asked)).attempts == sent
        except Unanswered as failed:
            assert (failed.why, failed.attempts, failed.sent) == (Why.BROKEN, sent, True)
    assert len(there.asked) == sent


async def test_a_later_attempt_may_succeed(client: Client) -> None:
    async with site(lambda number, _: answer(200) if number == 3 else answer(502)) as there:
        found = await client.send(get(there.origin))
    assert (found.status, found.attempts) == (200, 3)


async def test_nobody_listens(client: Client) -> None:
    async with site(lambda *_: answer()) as gone:
        pass
    failed = await failure(client, post(gone.origin))
    assert (failed.why, failed.sent, failed.attempts) == (Why.UNREACHABLE, False, 3)
    assert "cannot connect" in failed.reason


async def test_a_server_that_does_not_answer(client: Client) -> None:
    forever = asyncio.Event()

    async def wait(number: int, asked: Asked) -> bytes:
        await forever.wait()
        return answer()

    async with site(wait) as there:
        failed = await failure(client, get(there.origin, timeout=0.5, retry=1))
        forever.set()
    assert (failed.why, failed.sent, failed.attempts) == (Why.TIMEOUT, True, 2)
    assert len(there.asked) == 2


async def test_a_server_that_drips(client: Client) -> None:
    """The time-out is for the whole answer: each piece in time does not help."""

    class Dripping(Site):
        async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            with contextlib.suppress(ConnectionError):
                while True:
                    writer.write(b".")
                    await writer.drain()
                    await asyncio.sleep(0.01)

    drips = Dripping(lambda *_: None)
    server = await asyncio.start_server(drips.serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    failed = await failure(client, get(url, timeout=0.2, retry=0))
    server.close()
    assert failed.why is Why.TIMEOUT


def bomb(size: int) -> bytes:
    packer = zlib.compressobj(wbits=31)
    return b"".join(packer.compress(bytes(2**20)) for _ in range(size >> 20)) + packer.flush()


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (bomb(1 << 30), {"content_encoding": "gzip"}),
        (bytes(MOST_READ + 1), {}),
        (gzip.compress(b"") + bytes(MOST_READ + 1), {"content_encoding": "gzip"}),  # it unpacks to nothing
    ],
    ids=["bomb", "plain", "nothing"],
)
async def test_an_answer_that_is_too_large_is_not_read(
    client: Client, body: bytes, headers: dict[str, str]
) -> None:
    async with site(lambda *_: answer(200, body, **headers)) as there:
        failed = await failure(client, get(there.origin))
    assert (failed.why, failed.attempts) == (Why.TOO_LARGE, 1)


async def test_as_much_as_is_allowed_is_read(client: Client) -> None:
    async with site(lambda *_: answer(200, bomb(MOST_READ), content_encoding="gzip")) as there:
        assert len((await client.send(get(there.origin))).body) == MOST_READ


@pytest.mark.parametrize(
    ("coding", "body", "words"),
    [("gzip, gzip", b"", "more than once"), ("gzip", b"no gzip", "cannot be decompressed")],
)
async def test_what_cannot_be_unpacked(client: Client, coding: str, body: bytes, words: str) -> None:
    async with site(lambda *_: answer(200, body, content_encoding=coding)) as there:
        failed = await failure(client, post(there.origin))
    assert (failed.why, failed.attempts) == (Why.BROKEN, 1)
    assert words in failed.reason


async def test_what_is_no_http(client: Client) -> None:
    async with site(lambda *_: b"220 mail.test ESMTP\r\n") as there:
        assert (await failure(client, post(there.origin))).why is Why.BROKEN


async def test_a_redirect_within_an_origin_keeps_everything(client: Client) -> None:
    def reply(number: int, asked: Asked) -> bytes:
        return (
            answer(302, location="/there?x=1#y")
            if asked.target == "/"
            else answer(200, asked.headers["cookie"])
        )

    async with site(reply) as there:
        found = await client.send(get(f"{there.origin}/", headers={"cookie": "a=b"}))
    assert (found.body, [one.target for one in there.asked]) == (b"a=b", ["/", "/there?x=1"])


async def test_a_redirect_to_another_origin_loses_credentials(client: Client) -> None:
    headers = {"authorization": "Bearer t", "cookie": "a=b", "x-api-key": "k", "accept": "text/plain"}
    async with (
        site(lambda *_: answer(200, "there")) as other,
        site(lambda *_: answer(307, location=f"{other.origin}/x")) as first,
    ):
        asked = get(f"{first.origin}/", headers=headers, private=frozenset({"x-api-key"}))
        assert (await client.send(asked)).body == b"there"
    assert headers.items() <= first.asked[0].headers.items()
    assert not {"authorization", "cookie", "x-api-key"} & set(other.asked[0].headers)
    assert other.asked[0].headers["accept"] == "text/plain"


async def test_a_cookie_of_an_answer_is_never_sent_by_the_next_request(client: Client) -> None:
    async with site(lambda *_: answer(200, set_cookie="a=b")) as there:
        await client.send(get(there.origin))
        await client.send(get(there.origin))
    assert "cookie" not in there.asked[1].headers


@pytest.mark.parametrize(
    "location",
    [
        "http://169.254.169.254/latest",
        "http://127.1/",
        "file:///etc/passwd",
        "//u:p@127.0.0.1/",
        "http://[::1]/",
    ],
)
async def test_a_redirect_is_judged_like_any_request(client: Client, location: str) -> None:
    async with site(lambda *_: answer(302, location=location)) as there:
        failed = await failure(client, get(there.origin))
    assert failed.why is Why.REFUSED
    assert failed.reason.startswith("after a redirect: ") or "redirects" in failed.reason
    assert len(there.asked) == 1


async def test_redirects_end(client: Client) -> None:
    async with site(lambda number, _: answer(302, location=f"/{number}")) as there:
        assert "more than 5 times" in (await failure(client, get(there.origin))).reason
    assert len(there.asked) == 6


async def test_a_redirect_that_is_not_followed_is_an_answer(client: Client) -> None:
    async with site(lambda *_: answer(302, location="/x")) as there:
        assert (await client.send(get(there.origin, follow=False))).status == 302


async def test_a_post_that_was_redirected_is_not_sent_again(client: Client) -> None:
    """The first request has done its work, whatever became of the second."""
    async with site(lambda *_: answer()) as gone:
        pass
    async with site(lambda *_: answer(303, location=f"{gone.origin}/")) as there:
        failed = await failure(client, post(there.origin))
    assert (failed.sent, failed.attempts, len(there.asked)) == (True, 1, 1)


async def test_an_origin_that_keeps_failing_is_left_alone_then_tried_by_one() -> None:
    now = [0.0]
    broken, hold = True, asyncio.Event()

    async def reply(number: int, asked: Asked) -> bytes:
        if asked.target == "/slow":
            await hold.wait()
        return answer(500 if broken else 200)

    async with (
        client_for("127.0.0.1", circuits=Circuits(lambda: now[0])) as client,
        site(reply) as there,
        site(lambda *_: answer()) as other,
    ):
        for _ in range(5):
            assert (await client.send(get(there.origin, retry=0))).status == 500
        assert (await failure(client, get(there.origin))).why is Why.CIRCUIT_OPEN
        assert (await client.send(get(other.origin))).status == 200  # another origin
        assert len(there.asked) == 5

        now[0] = 60.0  # half open: a probe fails, and it is open again
        assert (await client.send(get(there.origin, retry=0))).status == 500
        assert (await failure(client, get(there.origin))).why is Why.CIRCUIT_OPEN
        assert len(there.asked) == 6

        now[0], broken = 120.0, False
        there.came.clear()
        probe = asyncio.create_task(client.send(get(f"{there.origin}/slow")))
        await there.came.wait()
        assert (await failure(client, get(there.origin))).why is Why.CIRCUIT_OPEN  # one probe at a time
        hold.set()
        assert (await probe).status == 200
        for _ in range(2):
            await client.send(get(there.origin))
        many = await asyncio.gather(*(client.send(get(there.origin)) for _ in range(4)))  # closed
        assert {one.status for one in many} == {200}


async def test_a_probe_that_is_cancelled_makes_room_for_the_next() -> None:
    now = [0.0]
    async with client_for("127.0.0.1", circuits=Circuits(lambda: now[0])) as client:
        async with site(lambda *_: None) as broken:
            await failure(client, get(broken.origin, retry=9))
        now[0] = 60.0
        hold = asyncio.Event()

        async def wait(number: int, asked: Asked) -> bytes:
            await hold.wait()
            return answer()

        server = await asyncio.start_server((slow := Site(wait)).serve, "127.0.0.1", broken.port)
        probe = asyncio.create_task(client.send(get(broken.origin)))
        await slow.came.wait()
        probe.cancel()
        await asyncio.gather(probe, return_exceptions=True)
        hold.set()
        assert (await client.send(get(broken.origin))).status == 200
        server.close()


async def test_attempts_end_when_the_circuit_opens_and_say_what_opened_it(client: Client) -> None:
    async with site(lambda *_: None) as there:
        failed = await failure(client, get(there.origin, retry=9))
    assert (failed.why, failed.attempts, len(there.asked)) == (Why.BROKEN, 5, 5)


async def test_a_status_that_is_asked_for_opens_no_circuit(client: Client) -> None:
    async with site(lambda *_: answer(503)) as there:
        for _ in range(7):
            assert (await client.send(get(there.origin, retry=0, any_status=True))).status == 503


async def test_proxies_of_the_environment_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with site(lambda *_: answer()) as there, client_for("127.0.0.1") as client:
        assert (await client.send(get(there.origin))).status == 200


async def test_a_proxy_of_the_settings_is_used_and_the_target_still_judged() -> None:
    async with site(lambda *_: answer(200, "by proxy")) as proxy:
        url = f"http://user:p%40ss@127.0.0.1:{proxy.port}"
        async with client_for("127.0.0.1:81", proxy=url) as client:
            found = await client.send(get("http://service.test:81/x"))
            assert found.body == b"by proxy"
            assert (await failure(client, get("http://service.test:82/"))).why is Why.REFUSED
            assert (await failure(client, get("http://169.254.169.254/"))).why is Why.REFUSED
    (asked,) = proxy.asked
    assert asked.target == "http://service.test:81/x"
    assert asked.headers["proxy-authorization"] == "Basic dXNlcjpwQHNz"
    assert asked.headers["host"] == "service.test:81"


async def test_requests_to_one_host_keep_a_pace() -> None:
    wire = Wire(Guard([Target.read("127.0.0.1")]))
    async with site(lambda *_: answer()) as there:
        client = Client(wire, Pace((1, 2), clock=lambda: 0.0))
        for _ in range(2):
            await client.send(get(there.origin))
        failed = await failure(client, get(there.origin, timeout=0.05, retry=0))
    await wire.aclose()
    assert (failed.why, failed.sent) == (Why.TIMEOUT, False)
    assert len(there.asked) == 2


async def test_logs_have_no_query_and_no_header(client: Client) -> None:
    with structlog.testing.capture_logs() as lines:
        async with site(lambda *_: answer(200, "quiet", set_cookie="quiet")) as there:
            await client.send(get(f"{there.origin}/x?quiet=quiet", headers={"x-a": "quiet"}))
        await failure(client, get(f"{there.origin}/x?quiet=quiet", retry=0))
    assert [line["event"] for line in lines] == ["request answered", "request failed"]
    assert "quiet" not in str(lines)
