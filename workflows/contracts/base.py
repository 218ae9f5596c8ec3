"""The base of every contract: frozen, strict about names, silent about values."""

from __future__ import annotations

import uuid
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict


def canonical_uuid(text: str) -> str:
    """The UUID in its usual form. Raises ValueError."""
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise ValueError("not a UUID") from None


UuidText = Annotated[str, AfterValidator(canonical_uuid)]
"""A UUID as text, in its usual form."""


class Contract(BaseModel):
    """What travels between client, workflow and activity. Unknown fields are refused; a validation error never
    repeats the value, which may be a secret."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False)
