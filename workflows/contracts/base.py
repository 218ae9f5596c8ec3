"""The base of every contract: frozen, strict about names, silent about values."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Contract(BaseModel):
    """What travels between client, workflow and activity. Unknown fields are refused; a validation error never
    repeats the value, which may be a secret."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False)
