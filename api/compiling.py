"""Checks programs outside of the event loop, in processes that are ended when a program takes too long."""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
from dataclasses import dataclass
from typing import Any

from codeai.api.frames import LENGTH
from codeai.api.problems import Refused

PROCESSES = 2
MOST_KNOWN = 1000
"""Answers about programs that are kept."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How many seconds an answer may take, and the problem where it takes longer."""

    seconds: float
    code: str
    detail: str

    def over(self) -> Refused:
        return Refused(self.code, self.detail.format(self.seconds))


CHECKING = Patience(20.0, "invalid_program", "checking the program takes more than {:.0f} s; make it smaller")
INSPECTING = Patience(
    45.0, "busy", "going through the run takes more than {:.0f} s; ask for one of its workflow runs (run=N)"
)


class Compilers:
    """A few processes that take one program at a time; started when first needed."""

    def __init__(self) -> None:
        self._idle: asyncio.LifoQueue[asyncio.subprocess.Process | None] = asyncio.LifoQueue()
        for _ in range(PROCESSES):
            self._idle.put_nowait(None)
        self._inspectors = asyncio.Semaphore(PROCESSES - 1)
        self._good: dict[bytes, dict[str, Any]] = {}
        """What was said of programs without errors: a deployment's is asked about at each of its starts."""

    async def examine(self, content: str, inputs: dict[str, Any] | None = None) -> dict[str, Any]:
        """`{valid, diagnostics, params, input_errors}`. Raises Refused."""
        question = _question("examine", content=content, inputs=inputs)
        named = hashlib.sha256(question).digest()
        if (known := self._good.get(named)) is not None:
            return known
        found = await self._answer(question)
        if found["valid"]:
            self._good[named] = found
            if len(self._good) > MOST_KNOWN:
                del self._good[next(iter(self._good))]
        return found

    async def layout(self, content: str) -> dict[str, Any]:
        """`{content, diagnostics}`; no content where there are syntax errors. Raises Refused."""
        return await self._answer(_question("layout", content=content))

    async def planned(self, content: str, inputs: dict[str, Any]) -> dict[str, Any]:
        """As `compiler_process.planned`. Raises Refused."""
        return await self._inspected(_question("planned", content=content, inputs=inputs))

    async def traced(self, **asked: Any) -> dict[str, Any]:
        """As `inspecting.traced`. Raises Refused."""
        return await self._inspected(_question("traced", **asked))

    async def standing(self, content: str, carried: str) -> dict[str, Any]:
        """As `inspecting.standing`. Raises Refused."""
        return await self._inspected(_question("standing", content=content, carried=carried))

    async def _inspected(self, question: bytes) -> dict[str, Any]:
        """Looking at runs takes long and can wait: one process is left to those who start them."""
        async with self._inspectors:
            return await self._answer(question, INSPECTING)

    async def _answer(self, question: bytes, patience: Patience = CHECKING) -> dict[str, Any]:
        """Raises Refused: that of `patience`, busy where the process died on it."""
        process = await self._idle.get()
        try:
            async with asyncio.timeout(patience.seconds):
                if process is None or process.returncode is not None:
                    process = await _start()
                return await _ask(process, question)
        except TimeoutError:
            await _end(process)
            raise patience.over() from None
        except (asyncio.IncompleteReadError, OSError):
            await _end(process)
            raise Refused("busy", "the process that checks programs has ended; try again") from None
        except asyncio.CancelledError:
            # Its answer would be taken for that of the next question.
            await _end(process)
            raise
        finally:
            self._idle.put_nowait(process)

    async def warm_up(self) -> None:
        """Starts a process ahead of the first program."""
        await self.examine("")

    async def close(self) -> None:
        """Ends all processes."""
        while not self._idle.empty():
            await _end(self._idle.get_nowait())


def _question(ask: str, **asked: Any) -> bytes:
    return json.dumps({"ask": ask, **asked}).encode()


async def _start() -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "codeai.api.compiler_process",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )


async def _ask(process: asyncio.subprocess.Process, question: bytes) -> dict[str, Any]:
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(LENGTH.pack(len(question)) + question)
    await process.stdin.drain()
    (length,) = LENGTH.unpack(await process.stdout.readexactly(LENGTH.size))
    answer: dict[str, Any] = json.loads(await process.stdout.readexactly(length))
    return answer


async def _end(process: asyncio.subprocess.Process | None) -> None:
    if process is not None and process.returncode is None:
        process.kill()
        await process.wait()
