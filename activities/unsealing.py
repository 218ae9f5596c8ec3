"""Opening a sealed secret, with the workers' private keys."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable

from nacl.exceptions import CryptoError
from nacl.public import PrivateKey, SealedBox

from codeai.sealing import key_id, read_key, seal
from codeai.workflows.contracts.secrets import key_id_of


class CannotOpen(Exception):
    """Why a sealed secret stays closed, and what to do."""


class Keys:
    """The private keys of a worker, by their ids. The first is the one in force, the others open what was sealed
    before it."""

    def __init__(self, private: Iterable[str]) -> None:
        """ValueError for what is no key."""
        pairs = [PrivateKey(read_key(one)) for one in private]
        self._current = bytes(pairs[0].public_key) if pairs else None
        self._boxes = {key_id(bytes(pair.public_key)): SealedBox(pair) for pair in pairs}

    def anew(self, name: str, sealed: str) -> str:
        """The same value, sealed for the key in force; unchanged where it is. Raises CannotOpen."""
        if self._current is None:
            raise CannotOpen("this worker has no key to seal for: CODEAI_SEAL_PRIVATE_KEY is not set")
        value = self.open(name, sealed)
        if key_id_of(sealed) == key_id(self._current):
            return sealed
        return seal(base64.b64encode(self._current).decode(), name, value, mask=False)

    def open(self, name: str, sealed: str) -> str:
        """The value. Raises CannotOpen."""
        wanted = key_id_of(sealed)
        box = self._boxes.get(wanted)
        if box is None:
            has = ", ".join(self._boxes) or "none (CODEAI_SEAL_PRIVATE_KEY is not set)"
            raise CannotOpen(
                f"secret {name!r} is sealed for the key {wanted}, and the keys of this worker are: {has}; "
                f"give it that key, or set the secret anew: codeai secrets set {name}"
            )
        try:
            clear = box.decrypt(base64.b64decode(sealed.rpartition(":")[2], validate=True))
            inside, _, value = clear.partition(b"\0")
            if inside == name.encode():
                return value.decode()
        except (CryptoError, binascii.Error, ValueError):
            pass
        raise CannotOpen(
            f"secret {name!r} cannot be opened: it was damaged, or sealed for another name; "
            f"set it anew: codeai secrets set {name}"
        )
