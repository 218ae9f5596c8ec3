"""Sealing a secret: a box over name and value that only the workers' private key opens."""

from __future__ import annotations

import base64
import binascii
import hashlib

from nacl.public import PrivateKey, PublicKey, SealedBox

from codeai.workflows.contracts.secrets import LEAST, MOST, PREFIX


class Unfit(ValueError):
    """The value cannot be a secret; says why, never what it is."""


def seal(public: str, name: str, value: str, *, mask: bool = True) -> str:
    """`sealed:v1:<key id>:<base64>`, another text each time. Raises Unfit."""
    clear = value.encode()
    if len(clear) > MOST:
        raise Unfit(f"a secret has at most {MOST:,} bytes, this one has {len(clear):,}")
    if len(clear) < LEAST and mask:
        raise Unfit(
            f"a secret has at least {LEAST} bytes; a shorter one can only be stored unmasked (mask: false, --no-mask)"
        )
    key = read_key(public)
    box = SealedBox(PublicKey(key)).encrypt(name.encode() + b"\0" + clear)
    return f"{PREFIX}:{key_id(key)}:{base64.b64encode(box).decode()}"


def read_key(text: str) -> bytes:
    """The 32 bytes of a key, public or private. ValueError where it is none, without repeating it."""
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != PrivateKey.SIZE:
        raise ValueError("is no key (32 bytes in base64)")
    return key


def new_private() -> str:
    """A new private key."""
    return base64.b64encode(bytes(PrivateKey.generate())).decode()


def public_of(private: str) -> str:
    """The public key that belongs to a private one."""
    return base64.b64encode(bytes(PrivateKey(read_key(private)).public_key)).decode()


def key_id(public: bytes) -> str:
    """What names a pair of keys."""
    return hashlib.sha256(public).hexdigest()[:16]
