"""Programs are compiled in a process beside: 10,000 lines take most of a second, which no event loop has.

Imports little, because that process imports it, too, before its first program.
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait
from typing import Any, TypeVar

from codeai.activities.canonical import canonical
from codeai.dsl.check import check
from codeai.dsl.compile import compile_source
from codeai.dsl.diagnostics import Diagnostic
from codeai.dsl.diagnostics import to_json as diagnostics_to_json
from codeai.dsl.patch import Differs, patch
from codeai.dsl.patched import Standing
from codeai.dsl.program import Code, pack
from codeai.dsl.tree_json import to_json as tree_to_json
from codeai.workflows.contracts.errors import RunError

MOST_PACKED = 1024 * 1024
"""Bytes of a compiled program as it travels (PLATFORM.md, 3)."""

Answer = TypeVar("Answer")


def compiled(text: str) -> str | RunError:
    """The packed form of a program, or why it cannot be run: it has errors, or it is too large."""
    made = compile_source(text)
    return _invalid(made.diagnostics) if made.code is None else _packed(made.code)


def patched(before: str, standing: dict[str, Any], text: str) -> tuple[str, dict[str, Any]] | RunError:
    """The packed form of an edited program and where a run that stands so in the one before stands in it (as plain
    data, see `dsl/patched.py`), or why it cannot go on with it."""
    checked = check(text)
    if checked.errors:
        return _invalid(checked.diagnostics)
    try:
        code, to = patch(check(before), checked, Standing.from_json(standing))
    except Differs as differs:
        return RunError(kind="has_run", message=str(differs), line=differs.line)
    packed = _packed(code)
    return packed if isinstance(packed, RunError) else (packed, to.to_json())


def _invalid(diagnostics: Sequence[Diagnostic]) -> RunError:
    errors = [one for one in diagnostics if one.severity == "error"]
    first = errors[0]
    return RunError(
        kind="invalid_input",
        message=f"the program has {len(errors)} error{'s' if len(errors) > 1 else ''}; "
        f"line {first.line}: {first.message}",
        line=first.line,
        details=tuple(
            {"field": f"program:{one.line}:{one.column}", "message": one.message} for one in errors
        ),
    )


def _packed(code: Code) -> str | RunError:
    packed = pack(code)
    if len(packed) > MOST_PACKED:
        said = f"the compiled program is over {MOST_PACKED >> 20} MiB; split it with run()"
        return RunError(kind="limit", message=said)
    return packed


def examined(content: str) -> tuple[str | None, str]:
    """A program's tree (None where it has errors) and its errors, both as canonical JSON."""
    checked = check(content)
    errors = diagnostics_to_json([one for one in checked.diagnostics if one.severity == "error"])
    ast = canonical(tree_to_json(checked.tree)) if checked.tree is not None and not errors else None
    return ast, canonical(errors)


class CompilerGone(Exception):
    """The process died over its work; there is another one for the next."""


class Compilers:
    """One process, started when it is first needed. What it raises must survive pickling: failures of programs
    are values here."""

    def __init__(self) -> None:
        self._pool = _new_pool()

    async def run(self, work: Callable[[str], Answer], text: str) -> Answer:
        """`work(text)`, done there. Raises CompilerGone."""
        pool = self._pool
        try:
            return await asyncio.get_running_loop().run_in_executor(pool, work, text)
        except BrokenExecutor:
            # A BrokenExecutor would end Temporal's worker for good, with all that it does.
            if self._pool is pool:
                self._pool = _new_pool()
            raise CompilerGone("the process that compiles programs has ended; it is started anew") from None

    def close(self) -> None:
        """Ends the process when it has finished what it is at; waits for nothing."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _new_pool() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=_end_with_the_worker)


def _end_with_the_worker() -> None:
    """In the process: Ctrl-C goes to the whole group and is the worker's affair; a worker that was killed cannot
    end us, and waiting for work would keep us for ever."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()
    assert parent is not None

    def watch() -> None:
        wait([parent.sentinel])
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()
