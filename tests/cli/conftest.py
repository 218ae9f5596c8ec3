"""The installed command, and one platform for what needs one."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.platform import CODEAI, Platform, platform

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def command(tmp_path: Path) -> Command:
    """Runs `codeai` in a folder of the test's own, far from any platform."""

    def run(*words: str, data: str = "") -> subprocess.CompletedProcess[str]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("CODEAI_")}
        environment |= {
            "XDG_CONFIG_HOME": str(tmp_path / "config"),
            "CODEAI_DATA_DIR": str(tmp_path / "none"),
        }
        return subprocess.run(
            [CODEAI, *words],
            cwd=tmp_path,
            env=environment,
            input=data,
            text=True,
            capture_output=True,
            timeout=60,
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def stack() -> Iterator[Platform]:
    with platform() as running:
        yield running
