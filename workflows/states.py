"""Between the machine's plain data and what travels: packed data, errors and seeds of ids."""

from __future__ import annotations

import base64
import json
import uuid
import zlib
from typing import Any

from codeai.dsl.values import ErrorValue, to_result
from codeai.workflows.contracts.errors import RunError


def pack(value: Any) -> str:
    """Plain data as text for continue-as-new and checkpoints: JSON keeps `2.0` and `1e+22` as they are."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return base64.b64encode(zlib.compress(text.encode())).decode()


def unpack(packed: str) -> Any:
    """What `pack` was given."""
    return json.loads(zlib.decompress(base64.b64decode(packed)))


def step_id(execution_id: str, key: str) -> str:
    """The UUID of a step (`key` is its number): the same on every attempt and every replay."""
    return str(uuid.uuid5(uuid.UUID(execution_id), key))


def run_error(error: ErrorValue) -> RunError:
    """The error of a program as results and rows show it."""
    plain = to_result(error)
    return RunError(
        kind=error.kind,
        message=error.message,
        line=error.line,
        exit_code=plain.get("exit_code"),
        stderr=plain.get("stderr"),
        errors=tuple(plain["errors"]) if "errors" in plain else None,
    )
