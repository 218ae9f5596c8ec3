"""The API keeps what its OpenAPI says, and no request gets a 5xx out of it."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from tests.api.conftest import Served, bearer

SECONDS = 30


async def test_generated_requests_are_answered_as_documented(served: Served, tmp_path: Path) -> None:
    """Schemathesis makes requests up, good and bad ones, and compares the answers with the document."""
    words = [
        *(
            "run",
            f"{served.url}/openapi.json",
            "--header",
            f"Authorization: {bearer('admin')['Authorization']}",
        ),
        # `wait: true` may be answered after 55 s.
        *("--request-timeout", "60"),
        *("--max-time", str(SECONDS), "--phases", "examples,coverage,fuzzing", "--workers", "1"),
        *("--exclude-checks", "positive_data_acceptance,unsupported_method", "--no-color"),
        *("--exclude-path", "/events/stream"),  # has no end
        # One worker: ast.parse of Python 3.11, which Hypothesis uses, breaks in threads.
        *("--generation-database", "none", "--continue-on-failure"),
    ]
    tester = await asyncio.create_subprocess_exec(
        Path(sys.prefix) / "bin" / "schemathesis",
        *words,
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await asyncio.wait_for(tester.communicate(), 4 * SECONDS)
    assert tester.returncode == 0, said.decode(errors="replace")[-6000:]
