"""Plain data as text that travels and is kept: JSON, deflated, base64."""

from __future__ import annotations

import base64
import json
import zlib
from typing import Any


def pack(value: Any) -> str:
    """Plain data as text for continue-as-new and checkpoints: JSON keeps `2.0` and `1e+22` as they are."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return base64.b64encode(zlib.compress(text.encode())).decode()


def unpack(packed: str) -> Any:
    """What `pack` was given."""
    return json.loads(zlib.decompress(base64.b64decode(packed)))
