"""The outbound guard: the form of URLs, and the addresses behind names."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address

import pytest

from codeai.integration.guard import Guard, form_problem
from codeai.integration.unanswered import Unanswered, Why
from codeai.integration.wire import Url
from codeai.targets import IPAddress, Target


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com",
        "HTTPS://Example.com/a?b=c#d",
        "http://example.com:8080/%2e%2e/a@b?c@d\u00e9",
        "http://1.2.3.4/",
        "http://[2001:db8::1]:80/",
        "https://b\u00fccher.example/",
    ],
)
def test_a_plain_url_is_fine(url: str) -> None:
    assert form_problem(url) is None
    Url.read(url)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("ftp://example.com/", "must begin with https"),
        ("file:///etc/passwd", "must begin with https"),
        ("gopher://example.com/", "must begin with https"),
        ("//example.com/", "must begin with https"),
        ("example.com", "must begin with https"),
        ("javascript:alert(1)", "must begin with https"),
        ("http:/example.com", "must begin with https"),
        ("", "must begin with https"),
        ("http://", "names no host"),
        ("http:///path", "names no host"),
        ("http://:80/", "names no host"),
        ("http://user:pw@example.com/", "user or password"),
        ("http://user@example.com/", "user or password"),
        ("http://@example.com/", "user or password"),
        ("http://1.1.1.1@127.0.0.1/", "user or password"),
        ("http://example.com\\@127.0.0.1/", "backslash"),
        ("http://example.com/a\\b", "backslash"),
        ("http://example.com/\r\nHost: x", "control character"),
        ("http://exa\tmple.com/", "control character"),
        ("http://example.com/ x", "space"),
        (" http://example.com/", "space"),
        ("http://example.com/\x00", "control character"),
        ("http://example.com/\x85", "control character"),
        ("http://127.0.0.%31/", "a %"),
        ("http://[fe80::1%25eth0]/", "a %"),
        ("http://example.com:/", "port"),
        ("http://example.com:0/", "port"),
        ("http://example.com:65536/", "port"),
        ("http://example.com:80a/", "port"),
        ("http://example.com:-1/", "port"),
        ("http://example.com:\u0661/", "port"),
        ("http://a:80:90/", "port"),
        ("http://" + "a" * 9000, "characters"),
    ],
)
def test_a_url_in_another_form_never_leaves(url: str, words: str) -> None:
    with pytest.raises(Unanswered) as caught:
        Url.read(url)
    assert caught.value.why is Why.REFUSED
    assert words in caught.value.reason


@pytest.mark.parametrize(
    "url",
    [
        "http://\uff11\uff12\uff17.0.0.1/",
        "http://[::1/",
        "http://[x]/",
        "http://1.2.3.400/",
        "http://\u2488\u2488/",
    ],
)
def test_what_a_parser_might_read_as_something_else_never_leaves(url: str) -> None:
    with pytest.raises(Unanswered) as caught:
        Url.read(url)
    assert caught.value.why is Why.REFUSED


def answering(*addresses: str) -> tuple[Guard, list[str]]:
    """A guard whose resolver answers that, and the names that it was asked for."""
    names: list[str] = []

    async def resolver(host: str, port: int) -> Sequence[IPAddress]:
        names.append(host)
        return [ip_address(one) for one in addresses]

    return Guard((Target.read("10.1.0.0/16"), Target.read("inner.test:8443")), resolver), names


@pytest.mark.parametrize(
    ("host", "port", "addresses"),
    [
        ("example.com", 443, ("1.1.1.1",)),
        ("example.com", 443, ("1.1.1.1", "2606:4700:4700::1111")),
        ("example.com", 443, ("10.1.2.3",)),  # allowed as a network
        ("example.com", 443, ("10.1.2.3", "1.1.1.1")),
        ("example.com", 443, ("::ffff:10.1.2.3",)),
        ("inner.test", 8443, ("127.0.0.1",)),  # allowed by its name
        ("INNER.test.", 8443, ("127.0.0.1",)),
    ],
)
async def test_a_name_whose_every_address_may_be_reached(
    host: str, port: int, addresses: tuple[str, ...]
) -> None:
    guard, names = answering(*addresses)
    assert [str(one) for one in await guard.addresses(host, port)] == [
        str(ip_address(one)) for one in addresses
    ]
    assert names == [host]


@pytest.mark.parametrize(
    ("host", "port", "addresses"),
    [
        ("example.com", 443, ("127.0.0.1",)),
        ("example.com", 443, ("1.1.1.1", "127.0.0.1")),
        ("example.com", 443, ("10.1.2.3", "10.2.0.1")),
        ("example.com", 443, ("64:ff9b::a9fe:a9fe",)),
        (
            "example.com",
            443,
            ("2001:0:a01:203:8000:63bf:80ff:fffe",),
        ),  # Teredo by an allowed server, to 127.0.0.1
        ("inner.test", 443, ("127.0.0.1",)),  # another port
        ("not.inner.test", 8443, ("127.0.0.1",)),
    ],
)
async def test_one_address_that_may_not_be_reached_is_enough(
    host: str, port: int, addresses: tuple[str, ...]
) -> None:
    guard, _ = answering(*addresses)
    with pytest.raises(Unanswered, match=r"not on the public internet.*CODEAI_OUTBOUND_ALLOW") as caught:
        await guard.addresses(host, port)
    assert caught.value.why is Why.REFUSED


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "::1", "169.254.169.254", "::ffff:127.0.0.1", "127.1", "0x7f000001", "a%b"]
)
async def test_an_address_is_judged_and_no_resolver_asked(host: str) -> None:
    guard, names = answering("1.1.1.1")
    with pytest.raises(Unanswered):
        await guard.addresses(host, 80)
    assert names == []


async def test_a_name_that_nobody_knows_is_unreachable() -> None:
    async def resolver(host: str, port: int) -> Sequence[IPAddress]:
        raise OSError(-2, "Name or service not known")

    with pytest.raises(Unanswered, match="Name or service not known") as caught:
        await Guard(resolver=resolver).addresses("nowhere.test", 80)
    assert caught.value.why is Why.UNREACHABLE


async def test_localhost_is_resolved_for_real_and_refused() -> None:
    with pytest.raises(Unanswered) as caught:
        await Guard().addresses("localhost", 80)
    assert caught.value.why is Why.REFUSED
