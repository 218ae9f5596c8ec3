"""The base of every contract: frozen, strict about names, silent about values."""

from __future__ import annotations

import uuid
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, model_validator
from pydantic_core import PydanticCustomError

MOST_FIELDS = 1000
"""Fields of one object: no contract has as many, and telling of 100,000 unknown ones takes seconds."""


def canonical_uuid(text: str) -> str:
    """The UUID in its usual form. Raises ValueError."""
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise ValueError("not a UUID") from None


UuidText = Annotated[str, AfterValidator(canonical_uuid)]
"""A UUID as text, in its usual form."""


def at_most(most: int, of: str) -> BeforeValidator:
    """Refuses a collection of more than `most` before its items are looked at: each wrong one is an error to tell."""

    def checked(given: Any) -> Any:
        if isinstance(given, (dict, list, tuple)) and len(given) > most:
            raise PydanticCustomError("too_many", "there are at most {most} {of}", {"most": most, "of": of})
        return given

    return BeforeValidator(checked)


class Contract(BaseModel):
    """What travels between client, workflow and activity. Unknown fields are refused; a validation error never
    repeats the value, which may be a secret."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False)

    @property
    def json_size(self) -> int:
        """Bytes as it is sent. A text may have six times its own: a control character is written as \\u0001."""
        return len(self.model_dump_json().encode())

    @model_validator(mode="before")
    @classmethod
    def _has_few_fields(cls, given: Any) -> Any:
        if isinstance(given, dict) and len(given) > MOST_FIELDS:
            raise PydanticCustomError("too_many", "there are at most {most} fields", {"most": MOST_FIELDS})
        return given


class Exchanged(Contract):
    """What workers of several versions tell each other: hosts have no builds, and a run may be pinned to an old one.
    What a newer version has added says nothing to an older one."""

    model_config = ConfigDict(extra="ignore")
