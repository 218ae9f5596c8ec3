"""What the conformance cases call in one process (`run.py --fast`), without the command line."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from codeai.dsl.check import check as check_source
from codeai.dsl.format import format_source


def check(source: bytes) -> list[dict[str, Any]]:
    """What `codeai check --format json` prints, without `file`."""
    return [asdict(one) for one in check_source(source).diagnostics]


def format(source: bytes) -> str:
    """What `codeai fmt` writes: the program as it was where it has syntax errors."""
    text = format_source(source).text
    return source.decode() if text is None else text
