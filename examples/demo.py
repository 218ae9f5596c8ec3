"""The main job, to watch: releases a real service on the real stack and kills the worker in its middle.

Starts the platform in a folder of its own, runs `release/release.cai`, sends SIGKILL to the worker while the smoke
test runs, and shows that the program goes on at its statement: nothing is lost, nothing runs twice.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.request import urlopen

HERE = Path(__file__).resolve().parent
CODEAI = Path(sys.executable).with_name("codeai")
EFFECTS = ["smoke test begins", "smoke test ends", "switched to 1.4.0"]


def say(text: str) -> None:
    print(f"\033[1m==> {text}\033[0m" if sys.stdout.isatty() else f"==> {text}", flush=True)


def free_ports(count: int) -> list[int]:
    """Ports nobody listens on."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def watch_and_kill(run: subprocess.Popen[str], up: dict[str, object], started: float) -> None:
    """Prints what the run prints; kills the worker when the smoke test is half way."""
    killed = False
    assert run.stdout is not None
    for line in run.stdout:
        print(f"    {time.monotonic() - started:5.1f}s  {line}", end="", flush=True)
        if not killed and "smoke test: 50 of" in line:
            worker = worker_pid(up)
            os.kill(worker, signal.SIGKILL)
            killed = True
            say(
                f"worker (pid {worker}) killed with SIGKILL; the command goes on, `codeai up` starts a new worker"
            )
    if not killed:
        sys.exit("the smoke test was never seen half way")


def worker_pid(up: dict[str, object]) -> int:
    children = json.loads(Path(str(up["data"]), "up.json").read_text())["children"]
    return int(children["worker"])


def main() -> int:
    options = argparse.ArgumentParser(description="Runs the main job and shows it.")
    options.add_argument("--keep", action="store_true", help="leave the platform running at the end")
    keep = options.parse_args().keep
    began = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="codeai-demo-"))
    home, data = folder / "shop", folder / ".codeai"
    home.mkdir()
    shutil.copytree(HERE / "release", folder / "release")
    api, temporal, ui, live, staging = free_ports(5)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("CODEAI_")},
        "CODEAI_DATA_DIR": str(data),
        "XDG_CONFIG_HOME": str(folder / "config"),
    }

    def codeai(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([CODEAI, *words], cwd=folder, env=environment, text=True, check=False)

    try:
        say("codeai up: Postgres, Temporal, the workers and the API on this machine")
        ports = ["--port", str(api), "--temporal-port", str(temporal), "--ui-port", str(ui)]
        if codeai("up", "--detach", *ports).returncode:
            return 1
        say(f"codeai run release.cai ({time.monotonic() - began:.1f} s after the start)")
        words = [
            "run",
            "release/release.cai",
            "-i",
            f"home={home}",
            "-i",
            f"port={live}",
            "-i",
            f"staging_port={staging}",
        ]
        with subprocess.Popen(
            [CODEAI, *words],
            cwd=folder,
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        ) as run:
            watch_and_kill(run, {"data": data}, time.monotonic())
        if run.returncode:
            return run.returncode
        effects = (home / "effects").read_text().splitlines()
        say(f"every effect ran exactly once: {effects}")
        if effects != EFFECTS:
            print(f"expected {EFFECTS}", file=sys.stderr)
            return 1
        with urlopen(f"http://127.0.0.1:{live}/health", timeout=5) as answer:
            say(f"the released service answers: {answer.read().decode()}")
        say(f"its history, statement by statement: http://127.0.0.1:{ui}")
        say(f"done in {time.monotonic() - began:.1f} s")
        return 0
    finally:
        with contextlib.suppress(OSError, ValueError):
            os.kill(int((home / "pid").read_text()), signal.SIGTERM)
        if keep:
            say(f"still running in {folder}; stop it with: codeai down (in that folder)")
        elif data.exists():
            codeai("down")
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
