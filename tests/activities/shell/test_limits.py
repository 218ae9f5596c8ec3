"""What a step may use, and what it sees in a sandbox: under the real supervisor, by the real kernel."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from codeai.activities.shell import formats
from codeai.activities.shell.descendants import passed
from codeai.activities.shell.sandbox import NoSandbox, Sandbox, try_it
from codeai.activities.shell.settings import ShellSettings
from codeai.workflows.contracts.shell import CommandResult, Outcome
from tests.activities.shell.bench import Bench, works
from tests.activities.shell.rig import processes_with

pytestmark = pytest.mark.timeout(60)


GREEDY = (
    "exec python3 -c 'a = bytearray(300_000_000); a[::4096] = b\"x\" * len(a[::4096]); input()' < <(sleep 30)"
)
TOGETHER = f"for n in 1 2 3; do {GREEDY.removeprefix('exec ').replace('300_', '90_')} & done; wait"


@pytest.mark.parametrize(
    ("limits", "text", "said"),
    [
        ({formats.CPU: 1}, "while :; do :; done", "cpu_limit"),
        ({formats.CPU: 1}, "for n in 1 2 3; do (while :; do :; done) & done; wait", "cpu_limit"),
        (
            {formats.CPU: 1},
            "for n in {1..999}; do timeout 0.2 bash -c 'while :; do :; done' || :; done",
            "cpu_limit",
        ),
        ({formats.MEMORY: 200 << 20}, TOGETHER, "memory_limit"),
        ({formats.FILE_SIZE: 100_000}, "head -c 200000 /dev/zero > large", "file_size_limit"),
        ({formats.PROCESSES: 20}, "f() { f | f & }; f; sleep 30", "process_limit"),
        ({formats.PROCESSES: 5}, "for n in {1..9}; do setsid sleep 30 & done; wait", "process_limit"),
    ],
)
async def test_a_step_that_passes_a_limit_is_ended_whole_and_says_which(
    bench: Bench, limits: dict[str, int], text: str, said: str
) -> None:
    run = await bench.begin(text, ShellSettings(limits=limits))
    result = await run.result()
    assert result.outcome is Outcome.FAILED and result.exit_code, result
    assert result.error is not None and (result.error.kind, result.error.line) == ("exec_failed", 1)
    assert f"worker.{said}" in result.error.message
    assert processes_with(run.given.step_id) == []


def test_a_flood_of_processes_is_told_as_one_whatever_it_uses_besides() -> None:
    with subprocess.Popen(["sleep", "30"]) as child:
        try:
            assert passed({formats.MEMORY: 1, formats.PROCESSES: 0}) == formats.PROCESSES
            assert passed({formats.MEMORY: 1, formats.PROCESSES: 9999}) == formats.MEMORY
        finally:
            child.kill()


async def test_one_process_that_asks_for_too_much_memory_is_refused_it(bench: Bench) -> None:
    run = await bench.begin(GREEDY, ShellSettings(limits={formats.MEMORY: 200 << 20}))
    result = await run.result()
    assert result.exit_code == 1 and "MemoryError" in result.stderr


async def test_within_the_limits_nothing_is_different(bench: Bench) -> None:
    limits = {formats.CPU: 60, formats.MEMORY: 1 << 30, formats.FILE_SIZE: 1 << 20, formats.PROCESSES: 50}
    run = await bench.begin(
        "head -c 500000 /dev/zero > f; echo $(seq 9 | wc -l)", ShellSettings(limits=limits)
    )
    result = await run.result()
    assert (result.outcome, result.stdout, result.error) == (Outcome.SUCCEEDED, "9", None)


@contextlib.contextmanager
def _listening() -> Iterator[int]:
    """A port on loopback that somebody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


async def inside(bench: Bench, text: str, of: Sandbox | None = None, **more: object) -> CommandResult:
    settings = ShellSettings(sandbox=of or Sandbox(private=(bench.spool.path.parent,)))
    return await (await bench.begin(text, settings, **more)).result()  # type: ignore[arg-type]


@works
async def test_in_a_sandbox_the_workspace_and_the_files_are_there_and_can_be_written(bench: Bench) -> None:
    text = """
        echo one > here; cat here; pwd; cat "$CODEAI_FILES/given"; echo x > "$CODEAI_FILES/more"
        test "$CODEAI_WORKSPACE" = "$PWD"; echo t > /tmp/t; cat /tmp/t
        echo h > "$HOME/h"; cat "$HOME/h"; exit 7
    """
    result = await inside(bench, text, files={"given": "of the step\n"})
    assert (result.exit_code, result.stdout.splitlines()) == (
        7,
        ["one", str(bench.work), "of the step", "t", "h"],
    ), result.stderr
    assert (bench.work / "here").read_text() == "one\n"


@works
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("touch /usr/x || echo refused", "refused"),
        ("echo x >> /etc/passwd || echo refused", "refused"),
        ("mount -t tmpfs none /usr || echo refused", "refused"),
        ('ls "{spool}" "{beside}" "{kept}" 2>&1 | grep -c "No such file"', "3"),
        ("ls -d /proc/[0-9]* | wc -l", "^[1-9]$"),
        ("kill -9 {me} || echo refused", "refused"),
        ("cat /proc/{me}/environ || echo refused", "refused"),
        ("exec 3<> /dev/tcp/127.0.0.1/{port} && echo reached", "reached"),
    ],
)
async def test_in_a_sandbox_the_rest_is_read_only_or_not_there(bench: Bench, text: str, said: str) -> None:
    beside, kept = bench.work.parent / "another", bench.spool.path.parent / "kept"
    beside.mkdir()
    kept.write_text("a key")
    with _listening() as port:
        filled = text.format(
            spool=bench.spool.path / "tokens", beside=beside, kept=kept, me=os.getpid(), port=port
        )
        result = await inside(bench, filled)
    assert re.search(said, result.stdout), result


@works
async def test_a_sandbox_without_the_network_reaches_nobody(bench: Bench) -> None:
    with _listening() as port:
        text = f"exec 3<> /dev/tcp/127.0.0.1/{port} || echo nobody"
        result = await inside(bench, text, Sandbox(network=False))
    assert result.stdout == "nobody"


@works
async def test_what_is_private_is_hidden_also_within_what_is_shown(bench: Bench, tmp_path: Path) -> None:
    shown = tmp_path / "tools"
    (shown / "data").mkdir(parents=True)
    for name in ("tool", "key", "data/row"):
        (shown / name).write_text(f"the {name}\n")
    text = f'cd "{shown}"; cat tool key || :; ls data; touch tool || echo refused'
    of = Sandbox(paths=(shown,), private=(shown / "data", shown / "key"))
    assert (await inside(bench, text, of)).stdout == "the tool\nrefused"


@works
async def test_a_sandboxed_step_is_cancelled_with_all_that_it_started(bench: Bench) -> None:
    text = "trap '' TERM; for n in 1 2 3; do (trap '' TERM; setsid sleep 60) & done; echo on; while :; do sleep 1; done"
    run = await bench.begin(text, ShellSettings(sandbox=Sandbox()), grace=0.3)
    await run.prints("on")
    run.attempt.say(formats.CANCEL)
    result = await run.result()
    assert result.outcome is Outcome.CANCELLED
    assert processes_with(run.given.step_id) == []


@works
async def test_in_a_sandbox_children_have_the_grace_to_clean_up(bench: Bench) -> None:
    text = "bash -c 'trap \"sleep 0.3; echo clean; exit\" TERM; echo on; while true; do sleep 0.02; done'"
    run = await bench.begin(text, ShellSettings(sandbox=Sandbox()), grace=5.0)
    await run.prints("on")
    run.attempt.say(formats.CANCEL)
    assert (await run.result()).stdout == "on\nclean"


@works
async def test_a_limit_holds_in_a_sandbox(bench: Bench) -> None:
    settings = ShellSettings(sandbox=Sandbox(), limits={formats.PROCESSES: 20})
    run = await bench.begin("f() { f | f & }; f; sleep 30", settings)
    result = await run.result()
    assert result.error is not None and "worker.process_limit" in result.error.message
    assert processes_with(run.given.step_id) == []


def test_where_bubblewrap_is_missing_or_does_not_work_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NoSandbox, match="no bubblewrap on this host: install it"):
        try_it(Sandbox(), tmp_path)
    broken = tmp_path / "bwrap"
    broken.write_text("#!/bin/sh\necho bwrap: No permissions to create new namespace >&2\nexit 1\n")
    broken.chmod(0o755)
    with pytest.raises(
        NoSandbox, match=r"does not work here: bwrap: No permissions .* allow user namespaces"
    ):
        try_it(Sandbox(), tmp_path)
    assert list(tmp_path.iterdir()) == [broken]


@works
def test_where_bubblewrap_works_nothing_is_said_and_nothing_left(tmp_path: Path) -> None:
    try_it(Sandbox(network=False), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_two_workers_of_a_host_that_begin_at_once_both_try_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second would take the first one's folder away while bubblewrap is on its way into it."""
    works_always = tmp_path / "bwrap"
    works_always.write_text("#!/bin/sh\nexit 0\n")
    works_always.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    run, began = subprocess.run, []

    def meanwhile(words: list[str], **more: Any) -> Any:
        began.append(words)
        if len(began) == 1:
            try_it(Sandbox(), tmp_path)
            assert Path(words[words.index("--chdir") + 1]).is_dir()
        return run(words, **more)

    monkeypatch.setattr(subprocess, "run", meanwhile)
    try_it(Sandbox(), tmp_path)
    assert len(began) == 2 and list(tmp_path.iterdir()) == [works_always]
