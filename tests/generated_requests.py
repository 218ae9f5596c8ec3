"""Requests that Schemathesis makes up from the OpenAPI, good and bad ones, alone and one after the other."""

from __future__ import annotations

import sys
from pathlib import Path

SCHEMATHESIS = Path(sys.prefix) / "bin" / "schemathesis"


def words(url: str, authorization: str, seconds: int, *phases: str, seed: int | None = None) -> list[str]:
    """The command that compares the API's answers with its document for so long; it ends with 0 where they fit.
    `phases`: examples, coverage, fuzzing, or stateful (what an answer names is used by the next request)."""
    return [
        *(str(SCHEMATHESIS), "run", f"{url}/openapi.json", "--header", f"Authorization: {authorization}"),
        *("--request-timeout", "70"),  # `wait: true` may be answered after 55 s
        *("--max-time", str(seconds), "--phases", ",".join(phases)),
        *("--exclude-checks", "positive_data_acceptance,unsupported_method", "--no-color"),
        *("--exclude-path", "/events/stream"),  # has no end
        # One worker: ast.parse of Python 3.11, which Hypothesis uses, breaks in threads.
        *("--workers", "1", "--generation-database", "none", "--continue-on-failure"),
        *(("--seed", str(seed)) if seed is not None else ()),
    ]
