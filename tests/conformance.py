"""Runs the conformance pack through the installed command, against a platform of its own.

python -m tests.conformance FOLDER [PATTERN] [options of the pack's run.py]
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.platform import CODEAI, platform

ALONE = "^13-effects"
"""A case that approves takes the newest run that waits: beside another one that waits for its time-out it would
approve that."""


def main() -> int:
    folder = Path(sys.argv[1])
    if not folder.is_dir():
        print(f"conformance: {folder} is not there; nothing was run")
        return 0
    parts = (
        [sys.argv[2:]]
        if sys.argv[2:]
        else [[ALONE, "--jobs", "1"], ["^(?!13-effects)", "--jobs", "4"], ["--programs"]]
    )
    with platform() as stack:
        environment = stack.environment | {"CODEAI": str(CODEAI), "CODEAI_PACK_CWD": str(stack.folder)}
        done = [
            subprocess.run([sys.executable, "run.py", *words], cwd=folder, env=environment, check=False)
            for words in parts
        ]
    return max(one.returncode for one in done)


if __name__ == "__main__":
    sys.exit(main())
