"""Programs are compiled beside the worker; whatever becomes of that process, the worker goes on."""

from __future__ import annotations

import os
import random
import string
import subprocess
import sys
from contextlib import closing

import pytest

from codeai.activities.compilers import CompilerGone, Compilers, compiled, examined
from codeai.dsl.program import unpack
from codeai.stack.processes import Process
from codeai.workflows.contracts.errors import RunError
from tests.platform import wait_until

DENSE = string.ascii_letters + string.digits + "-_.,:;=+@%^!~"
"""Letters without a meaning to shell or language, so many that a random text of them hardly gets smaller."""


def end_yourself(_text: str) -> str:
    os._exit(9)


def own_id(_text: str) -> int:
    return os.getpid()


def test_a_program_is_packed() -> None:
    packed = compiled("param who\nreturn who")
    assert isinstance(packed, str)
    assert [param.name for param in unpack(packed).params] == ["who"]


def test_every_error_of_a_program_is_told_with_its_place() -> None:
    assert compiled("return 1\nreturn nobody + noone") == RunError(
        kind="invalid_input",
        message='the program has 2 errors; line 2: unknown name "nobody"',
        line=2,
        details=(
            {"field": "program:2:8", "message": 'unknown name "nobody"'},
            {"field": "program:2:17", "message": 'unknown name "noone"'},
        ),
    )


def test_a_program_that_is_too_large_to_travel_is_refused() -> None:
    chance = random.Random(1)
    error = compiled("\n".join(f'log("{"".join(chance.choices(DENSE, k=4000))}")' for _ in range(260)))
    assert isinstance(error, RunError)
    assert (error.kind, error.message) == (
        "limit",
        "the compiled program is over 1 MiB; split it with run()",
    )


@pytest.mark.parametrize(
    ("content", "has_tree", "errors"), [("return 1", True, "[]"), ("return nobody", False, "unknown name")]
)
def test_a_saved_program_has_its_tree_or_its_errors(content: str, has_tree: bool, errors: str) -> None:
    tree, found = examined(content)
    assert (tree is not None) is has_tree
    assert errors in found


async def test_a_refusal_comes_back_from_the_process_as_it_is(compilers: Compilers) -> None:
    assert await compilers.run(compiled, "return nobody") == compiled("return nobody")


async def test_a_process_that_died_is_told_and_replaced() -> None:
    with closing(Compilers()) as compilers:
        first = await compilers.run(own_id, "")
        with pytest.raises(CompilerGone):
            await compilers.run(end_yourself, "")
        second = await compilers.run(own_id, "")
        assert second not in (first, os.getpid())


ORPHAN = """
import asyncio, os, signal
from codeai.activities.compilers import Compilers
from tests.activities.test_compilers import own_id
if __name__ == "__main__":
    print(asyncio.run(Compilers().run(own_id, "")), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_process_ends_with_a_worker_that_was_killed() -> None:
    done = subprocess.run([sys.executable, "-c", ORPHAN], capture_output=True, text=True, check=False)
    assert done.returncode == -9, done.stderr
    wait_until(lambda: Process.of(int(done.stdout)) is None, 10, "the end of the orphan")
