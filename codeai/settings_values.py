"""How the value of a setting is read, from YAML or from the environment: each reader raises ValueError with
words that follow the value (`'x' is not a whole number`)."""

from __future__ import annotations

import ipaddress
import math
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from codeai.targets import Target

SIZES = {"": 1, "B": 1, "KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30, "TIB": 1 << 40}
LEAST_SECRET_BYTES = 32
"""Of a secret that signs tokens (RFC 7518, 3.2)."""
LEAST_RSA_BITS = 2048
"""Of a key that tokens are checked with (RFC 7518, 3.3)."""
_PORTS = {"http": "80", "https": "443"}
UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def text(value: object) -> str:
    """Text that is not empty."""
    if isinstance(value, bool | dict | list):
        raise ValueError("is not text")
    if not str(value).strip():
        raise ValueError("is empty")
    return str(value)


def whole(least: int, most: int) -> Callable[[object], int]:
    """A whole number between the two."""

    def read(value: object) -> int:
        if isinstance(value, bool) or not re.fullmatch(r"-?[0-9]{1,18}", str(value), re.ASCII):
            raise ValueError("is not a whole number")
        number = int(str(value))
        if not least <= number <= most:
            raise ValueError(f"is not between {least} and {most}")
        return number

    return read


def fraction(value: object) -> float:
    """A number from 0 to 1."""
    try:
        number = math.nan if isinstance(value, bool) else float(str(value))
    except ValueError:
        number = math.nan
    if not 0 <= number <= 1:
        raise ValueError("is not a number from 0 to 1")
    return number


def flag(value: object) -> bool:
    """Yes or no, in the usual words."""
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower()
    if word in ("1", "true", "yes", "on"):
        return True
    if word in ("0", "false", "no", "off"):
        return False
    raise ValueError("is neither true nor false")


def duration(value: object) -> float:
    """Seconds, from `60s`, `5m`, `100ms`, `1h`, `7d` or a number of seconds."""
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)?", str(value).strip(), re.ASCII)
    if isinstance(value, bool) or found is None:
        raise ValueError("is not a duration such as 60s, 5m or 100ms")
    return float(found[1]) * UNITS[found[2] or "s"]


def size(value: object) -> int:
    """Bytes, from `512MiB`, `2GiB`, `64KiB` or a number of bytes."""
    found = re.fullmatch(r"([1-9][0-9]{0,15}) ?([KMGT]iB|B|)", str(value).strip(), re.ASCII | re.IGNORECASE)
    if isinstance(value, bool) or found is None:
        raise ValueError("is not a size such as 512MiB or 2GiB")
    return int(found[1]) * SIZES[found[2].upper()]


def off_or(read: Callable[[object], int]) -> Callable[[object], int | None]:
    """What `read` takes, or None for `off` (which YAML reads as false)."""

    def read_it(value: object) -> int | None:
        return None if value is False or str(value).strip().lower() == "off" else read(value)

    return read_it


def never_or_duration(value: object) -> float | None:
    """Seconds, or None for `never`."""
    return None if str(value).strip().lower() == "never" else duration(value)


def choice(*allowed: str) -> Callable[[object], str]:
    """One of the words, in lower or upper case."""

    def read(value: object) -> str:
        word = str(value).strip().lower()
        if word not in allowed:
            raise ValueError(f"is none of: {', '.join(allowed)}")
        return word

    return read


def words(value: object) -> tuple[str, ...]:
    """A list, or words with commas between them."""
    parts = value if isinstance(value, list) else str(value).split(",")
    return tuple(text(part).strip() for part in parts if str(part).strip())


def addresses(value: object) -> tuple[str, ...]:
    """A list of IP addresses and networks, as text."""
    found = words(value)
    for one in found:
        try:
            ipaddress.ip_network(one)
        except ValueError:
            raise ValueError(
                f"has {one!r}, which is neither an address nor a network such as 10.0.0.0/8"
            ) from None
    return found


def path(value: object) -> Path:
    """A path; `~` is the home folder."""
    return Path(text(value)).expanduser()


def paths(value: object) -> tuple[Path, ...]:
    """A list of paths, or paths with `:` between them."""
    parts = value if isinstance(value, list) else str(value).split(":")
    return tuple(path(part) for part in parts if str(part).strip())


def rate(value: object) -> tuple[int, int] | None:
    """`50/100`: how many a second and how many at once; None for `off` (which YAML reads as false)."""
    if value is False or str(value).strip().lower() == "off":
        return None
    found = re.fullmatch(r"([1-9][0-9]{0,8})/([1-9][0-9]{0,8})", str(value).strip(), re.ASCII)
    if found is None:
        raise ValueError("is neither like 50/100 (requests a second / at once) nor off")
    return int(found[1]), int(found[2])


def targets(value: object) -> tuple[Target, ...]:
    """What requests may reach beside the public internet."""
    return tuple(map(Target.read, words(value)))


def proxy(value: object) -> str:
    """The URL of an HTTP proxy."""
    url = text(value).strip()
    if not re.match(r"https?://[^/?#]", url) or urlsplit(url).hostname is None:
        raise ValueError("is not the URL of an HTTP proxy, such as http://proxy.internal:3128")
    return url


def curve_key(value: object) -> str:
    """A key that seals, opens or signs."""
    from codeai.sealing import read_key

    read_key(text(value))
    return str(value).strip()


def curve_keys(value: object) -> tuple[str, ...]:
    """A list of keys, or keys with blanks, line ends or commas between them."""
    parts = value if isinstance(value, list) else re.split(r"[\s,]+", text(value).strip())
    return tuple(curve_key(part) for part in parts)


def token_secret(value: object) -> str:
    """A secret that tokens are signed with."""
    secret = text(value)
    if secret.lstrip().startswith("-----BEGIN"):
        # A public key as a secret would let everybody sign who knows it (RFC 8725, 2.1).
        raise ValueError("is a PEM key, not a secret; a public key is JWT_PUBLIC_KEY")
    if len(secret.encode()) < LEAST_SECRET_BYTES:
        raise ValueError(f"must have at least {LEAST_SECRET_BYTES} bytes")
    return secret


def rsa_public_key(value: object) -> str:
    """A public RSA key as PEM."""
    from joserfc.errors import JoseError
    from joserfc.jwk import RSAKey

    pem = text(value).strip()
    if "PRIVATE KEY" in pem:
        raise ValueError("is a private key; the API needs the public one: openssl pkey -pubout")
    try:
        with warnings.catch_warnings(action="ignore"):  # of its size: we say that ourselves
            bits = RSAKey.import_key(pem).public_key.key_size
    except (JoseError, ValueError, TypeError, AttributeError):
        raise ValueError("is not a public RSA key in PEM (-----BEGIN PUBLIC KEY-----)") from None
    if bits < LEAST_RSA_BITS:
        raise ValueError(f"has {bits} bits; an RSA key must have at least {LEAST_RSA_BITS}")
    return pem


def web_url(value: object) -> str:
    """A URL to be read from."""
    url = text(value).strip()
    try:
        parts = urlsplit(url)
        fits = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.username is None
        _ = parts.port
    except ValueError:
        fits = False
    if not fits:
        raise ValueError("is not a URL such as https://service.example.com/path")
    return url


def web_origins(value: object) -> tuple[str, ...]:
    """A list of origins, as browsers write them: without a path, and without the port that is the scheme's own."""
    return tuple(map(_web_origin, words(value)))


def _web_origin(given: str) -> str:
    found = re.fullmatch(r"(https?)://(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::([0-9]{1,5}))?", given.lower())
    if found is None:
        raise ValueError(f"has {given!r}, which is no origin such as https://console.example.com")
    scheme, host, port = found.groups()
    return f"{scheme}://{host}" + ("" if port in (None, _PORTS[scheme]) else f":{port}")
