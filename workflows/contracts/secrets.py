"""Secrets as workflows see them: sealed, and nothing but sealed."""

from __future__ import annotations

import re
from typing import Annotated, Any, Self

from pydantic import AfterValidator, model_validator
from pydantic_core import PydanticCustomError

from codeai.workflows.contracts.base import Contract

PREFIX = "sealed:v1"
LEAST, MOST = 8, 65_536
"""Bytes of a value. A shorter one would be masked in every second word: it can only be stored unmasked."""
NAME = r"^[A-Za-z_][A-Za-z0-9_.-]{0,127}$"
MOST_SEALED = 100_000
"""Characters of the sealed form of the longest."""
_SEALED = re.compile(PREFIX + r":([0-9a-f]{16}):[A-Za-z0-9+/]+={0,2}")


def _not_sealed() -> PydanticCustomError:
    return PydanticCustomError("sealed", "not sealed; do that first: codeai secrets seal NAME")


def _sealed(text: str) -> str:
    if len(text) > MOST_SEALED or _SEALED.fullmatch(text) is None:
        raise _not_sealed()
    return text


Sealed = Annotated[str, AfterValidator(_sealed)]
"""`sealed:v1:<key id>:<base64>`: a box that only the workers' key opens, over name and value."""


class SecretBody(Contract):
    """A secret as it is stored. `mask`: its value is taken out of every output. With `anew` it keeps value and mask,
    and is sealed for the workers' key in force."""

    sealed: Sealed | None = None
    mask: bool = True
    anew: bool = False

    @model_validator(mode="before")
    @classmethod
    def _has_no_value(cls, given: Any) -> Any:
        """A value in the clear, as the API takes it and seals it."""
        if isinstance(given, dict) and "value" in given:
            raise _not_sealed()
        return given

    @model_validator(mode="after")
    def _is_sealed(self) -> Self:
        if (self.sealed is None) is not self.anew:
            raise PydanticCustomError("sealed", "either sealed (by codeai secrets seal NAME), or anew: true")
        return self


def key_id_of(sealed: str) -> str:
    """The id of the key that a sealed form was made for."""
    return sealed.split(":", 3)[2]
