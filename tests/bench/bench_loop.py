"""For how long one request holds up all others: the API's event loop is watched while large bodies come in and large
answers go out. The promise is 100 ms.

`python -m tests.bench.bench_loop [WORD]` asks what has WORD in its name. Of several rounds the best counts: what else
the machine does must not decide.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from tests.platform import Platform, free_ports, platform, wait_until

MOST = 100.0
"""Milliseconds."""
ROUNDS = 3
MIB = 1 << 20
LINES = 10_000


@dataclass(frozen=True)
class Case:
    """A request, and what is its status; `place` stands for the id of a run or of a config in the path."""

    name: str
    method: str
    path: str
    body: Any
    status: tuple[int, ...] = (200, 201, 202)


def text_of(size: int) -> str:
    return "a comment, as long as a line is allowed to be\n# " * (size // 48)


def bodies() -> dict[str, Any]:
    """What is large in a body, and how."""
    return {
        "a string of 1 MiB": "x" * MIB,
        "escapes": '\u0001"\\\n' * (MIB // 16),
        "letters beyond ASCII": "ä€𝄞" * (MIB // 24),
        "700,000 numbers": [1] * 700_000,
        "250,000 fractions": [1.25] * 250_000,
        "150,000 short strings": ["ab"] * 150_000,
        "99,000 arrays": [[]] * 99_000,
        "99,000 objects": [{"a": 1}] * 99_000,
        "80,000 names": {f"x{n}": n for n in range(80_000)},
        "64 levels": json.loads("[" * 60 + "]" * 60),
    }


def cases() -> Iterator[Case]:
    programs = {
        "1 MiB of comments": ("# " + text_of(MIB))[: MIB - 1000] + "\n",
        "10,000 lines": "".join(f"log({n})\n" for n in range(LINES)),
        "10,000 lines with an error each": "".join(f"log(nothing{n})\n" for n in range(LINES)),
        "10,000 lines that are no program": ")(\n" * LINES,
        "one line of 1 MiB": "x = 1" + " + 1" * (MIB // 4 - 1000) + "\n",
        "a text of 1 MiB": 'log("' + "x" * (MIB - 1000) + '")\n',
    }
    for name, program in programs.items():
        yield Case(f"validate {name}", "POST", "/configs/validate", {"content": program}, (200, 422, 503))
        yield Case(f"format {name}", "POST", "/configs/format", {"content": program}, (200, 422, 503))
        yield Case(
            f"save {name}", "POST", "/configs", {"name": f"{name} {{new}}", "content": program}, (201, 202)
        )
        yield Case(f"run {name}", "POST", "/executions", {"program": program}, (202, 422, 503))
    for name, value in bodies().items():
        yield Case(f"validate, {name}", "POST", "/configs/validate", {"content": value}, (200, 422, 503))
        yield Case(
            f"inputs, {name}",
            "POST",
            "/executions",
            {"program": "param x\n", "inputs": {"x": value}},
            (202, 422),
        )
        if isinstance(value, dict):
            yield Case(
                f"inputs are {name}", "POST", "/executions", {"program": "param x\n", "inputs": value}, (422,)
            )
            files = {name: str(number) for name, number in value.items()}
            seed = {"program": "log(1)\n", "workspace": {"files": files}}
            yield Case(f"files, {name}", "POST", "/executions", seed, (202, 422))
        yield Case(
            f"deployment, {name}",
            "POST",
            "/deployments",
            {"name": "{new}", "inputs": {"x": value}},
            (201, 202, 422),
        )
        yield Case(
            f"event, {name}", "POST", "/events", {"type": "bench.large", "data": {"x": value}}, (202, 422)
        )
        yield Case(
            f"query, {name}",
            "POST",
            "/query",
            {"query": "COUNT FROM configs", "params": {"x": value}},
            (200, 422),
        )
        yield Case(f"secret, {name}", "PUT", "/secrets/BENCH", {"value": value}, (200, 202, 422))
        yield Case(f"role, {name}", "PUT", "/roles/bench", {"permissions": value}, (422,))


class Served:
    """The API that is watched."""

    def __init__(self, running: Platform, url: str, process: subprocess.Popen[str], token: str) -> None:
        self.asking = Platform(running.folder)
        self.asking.url = url
        self.process = process
        self.token = token
        self.made = 0

    def held(self, case: Case) -> tuple[float, float]:
        """Milliseconds for which the loop was held while it answered, and those in which it computed."""
        self._longest()
        self.made += 1
        data = json.dumps(case.body, separators=(",", ":")).replace("{new}", f"bench-{self.made}").encode()
        status, _, answer = self.asking.request(
            case.method, case.path, data if case.body is not None else None, token=self.token
        )
        assert status in case.status, (case.name, status, str(answer)[:300])
        return self._longest()

    def _longest(self) -> tuple[float, float]:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        held, computed = map(float, self.process.stdout.readline().split())
        return held, computed


@contextmanager
def watched(running: Platform) -> Iterator[Served]:
    """The API in a process of its own, on the platform's database and Temporal."""
    (port,) = free_ports(1)
    told = Path(f"/proc/{running.child('api')}/environ").read_bytes().decode().split("\0")
    environment = dict(line.partition("=")[::2] for line in told if line)
    environment |= {"CODEAI_SERVER_PORT": str(port), "CODEAI_API_RATE": "off", "LOG_OUTPUT": os.devnull}
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.loop_server"],
        env=os.environ | environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    served = Served(running, f"http://127.0.0.1:{port}", process, running.token)
    try:

        def answers() -> bool:
            try:
                return served.asking.request("GET", "/health/ready")[0] == 200
            except OSError:
                return False

        wait_until(answers, 30, "the watched API")
        yield served
    finally:
        process.terminate()
        process.wait()


def answers(served: Served) -> Iterator[Case]:
    """Large answers: things that are as large as they may be, one by one and a page of them."""
    value = [{"a": "x" * 10}] * 24_000
    for _ in range(20):
        body = {"name": f"large {served.made}", "content": "# " + text_of(MIB // 2) + "\n"}
        served.made += 1
        config = served.asking.request("POST", "/configs", body, token=served.token)[2]
        run = {"program": "param x\nreturn x\n", "inputs": {"x": value}, "wait": True}
        execution = served.asking.request("POST", "/executions", run, token=served.token)[2]["execution_id"]
    yield Case("one large config", "GET", f"/configs/{config['id']}", None)
    yield Case("its version with its tree", "GET", f"/configs/{config['id']}/versions/1", None)
    yield Case("20 large configs", "GET", "/configs?limit=20", None)
    yield Case("one large run", "GET", f"/executions/{execution}", None)
    yield Case("its result", "GET", f"/executions/{execution}/result", None)
    yield Case("20 large runs", "GET", "/executions?limit=20", None)
    yield Case(
        "a query for 20 large runs",
        "POST",
        "/query",
        {"query": "SELECT inputs, result FROM executions LIMIT 20"},
    )


def main(word: str = "") -> None:
    with platform() as running, watched(running) as served:
        for case in chain(cases(), answers(served)):
            if word not in case.name:
                continue
            held, computed = map(min, zip(*(served.held(case) for _ in range(ROUNDS)), strict=True))
            told = f"{case.name:46} held {held:7.1f} ms of {MOST:.0f}, computed {computed:7.1f}"
            print(told + ("" if held < MOST else "   TOO LONG"), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:2])
