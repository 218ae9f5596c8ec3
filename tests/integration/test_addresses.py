"""Which addresses are the public internet's, and how one may be written."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from codeai.integration.addresses import as_address, is_public
from codeai.targets import Target


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("1.1.1.1", True),
        ("93.184.216.34", True),
        ("172.15.255.255", True),
        ("172.32.0.1", True),
        ("223.255.255.255", True),
        ("0.0.0.0", False),
        ("0.1.2.3", False),
        ("10.0.0.1", False),
        ("100.64.0.1", False),
        ("100.100.100.200", False),  # metadata of a cloud
        ("127.0.0.1", False),
        ("127.255.255.254", False),
        ("168.63.129.16", False),  # Azure's host
        ("169.254.169.254", False),  # metadata of most clouds
        ("172.16.0.1", False),
        ("172.31.255.255", False),
        ("192.0.0.8", False),
        ("192.0.2.1", False),
        ("192.88.99.1", False),
        ("192.168.1.1", False),
        ("198.18.0.1", False),
        ("198.51.100.1", False),
        ("203.0.113.1", False),
        ("224.0.0.1", False),
        ("240.0.0.1", False),
        ("255.255.255.255", False),
        ("2606:4700:4700::1111", True),
        ("2a00:1450:4001:80b::200e", True),
        ("::", False),
        ("::1", False),
        ("::7f00:1", False),  # IPv4-compatible, of old
        ("100::1", False),
        ("2001:2::1", False),
        ("2001:10::1", False),
        ("2001:db8::1", False),
        ("3fff::1", False),
        ("5f00::1", False),
        ("fc00::1", False),
        ("fd00:ec2::254", False),  # metadata of a cloud
        ("fe80::1", False),
        ("fec0::1", False),
        ("ff02::1", False),
        # those that lead to an IPv4 address
        ("::ffff:1.1.1.1", True),
        ("::ffff:127.0.0.1", False),
        ("::ffff:169.254.169.254", False),
        ("::ffff:0:127.0.0.1", False),
        ("2002:0101:0101::1", True),  # 6to4
        ("2002:7f00:0001::1", False),
        ("2002:0a00:0001::1", False),
        ("64:ff9b::8.8.8.8", True),  # NAT64
        ("64:ff9b::10.0.0.1", False),
        ("64:ff9b::169.254.169.254", False),
        ("64:ff9b:1::8.8.8.8", False),  # NAT64 of a site's own
        ("2001:0:4136:e378:8000:63bf:f7f7:f7f7", True),  # Teredo: the client is 8.8.8.8
        ("2001:0:4136:e378:8000:63bf:80ff:fffe", False),  # 127.0.0.1
        ("2001:0:7f00:1:8000:63bf:f7f7:f7f7", False),  # its server is
    ],
)
def test_public_is_global_unicast_and_what_is_embedded_counts(address: str, public: bool) -> None:
    assert is_public(ip_address(address)) is public


@pytest.mark.parametrize(
    "host",
    [
        "example.com",
        "localhost",
        "a",
        "1and1.com",
        "0x7f.com",
        "127.0.0.1.example.com",
        "xn--bcher-kva.example",
        "a.b.",
    ],
)
def test_a_name_is_no_address(host: str) -> None:
    assert as_address(host) is None


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "8.8.8.8", "::1", "2001:db8::1", "::ffff:1.2.3.4", "::ffff:102:304"]
)
def test_an_address_is_read_in_its_usual_form(host: str) -> None:
    assert as_address(host) == ip_address(host)


@pytest.mark.parametrize(
    "host",
    [
        "2130706433",  # decimal
        "0x7f000001",  # hex
        "0x7f.0.0.1",
        "127.0.0.0x1",
        "0177.0.0.1",  # octal
        "127.0.0.01",
        "127.1",  # short
        "127.0.1",
        "0",
        "127.0.0.1.",
        "1.2.3.256",
        "1.2.3.4.5",
        "example.0x",
        "::ffff:127.0.0.01",
        "0:0:0:0:0:0:0:1",
        "::0001",
        "fe80::1%eth0",
        "fe80::1%251",
        ":::1",
    ],
)
def test_an_address_in_another_form_is_refused(host: str) -> None:
    with pytest.raises(ValueError):
        as_address(host)


@pytest.mark.parametrize(
    ("target", "host", "port", "address", "covered"),
    [
        ("db.internal", "db.internal", 80, "10.0.0.1", True),
        ("db.internal", "DB.Internal.", 80, "10.0.0.1", True),
        ("db.internal", "x.db.internal", 80, "10.0.0.1", False),
        ("db.internal:8080", "db.internal", 8080, "10.0.0.1", True),
        ("db.internal:8080", "db.internal", 80, "10.0.0.1", False),
        ("10.0.0.1", "whatever", 80, "10.0.0.1", True),
        ("10.0.0.1", "whatever", 80, "10.0.0.2", False),
        ("10.0.0.1:9000", "whatever", 80, "10.0.0.1", False),
        ("10.0.0.1:9000", "whatever", 9000, "10.0.0.1", True),
        ("10.0.0.0/8", "whatever", 80, "10.9.9.9", True),
        ("10.0.0.0/8", "whatever", 80, "11.0.0.1", False),
        ("::1", "whatever", 80, "::1", True),
        ("[::1]:8080", "whatever", 8080, "::1", True),
        ("[::1]:8080", "whatever", 80, "::1", False),
        ("fd00::/8", "whatever", 80, "fd12::1", True),
        ("127.0.0.1", "whatever", 80, "::1", False),
    ],
)
def test_a_target_is_a_host_an_address_or_a_network(
    target: str, host: str, port: int, address: str, covered: bool
) -> None:
    assert Target.read(target).covers(host, port, ip_address(address)) is covered


@pytest.mark.parametrize(
    "target",
    [
        "",
        "http://a",
        "a b",
        "a:0",
        "a:65536",
        "a:x",
        "10.0.0.1/8",
        "127.1",
        "0x7f000001",
        "*.internal",
        "a/b",
        "[::1",
        "-a",
    ],
)
def test_what_is_no_target_is_refused(target: str) -> None:
    with pytest.raises(ValueError):
        Target.read(target)
