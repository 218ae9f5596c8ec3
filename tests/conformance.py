"""Runs the conformance pack through the installed command, against a platform of its own.

    python -m tests.conformance FOLDER [PATTERN] [options of the pack's run.py]
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.platform import CODEAI, platform

def main() -> int:
    folder = Path(sys.argv[1])
    if not folder.is_dir():
        print(f"conformance: {folder} is not there; nothing was run")
        return 0
    words = sys.argv[2:] or ["--jobs", "4"]
    with platform() as stack:
        environment = stack.environment | {"CODEAI": str(CODEAI), "CODEAI_PACK_CWD": str(stack.folder)}
        done = subprocess.run([sys.executable, "run.py", *words], cwd=folder, env=environment, check=False)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
