"""One command under its supervisor, without Temporal: what it sees, how it ends, what it leaves behind."""

from __future__ import annotations

import asyncio
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest

from codeai.activities.shell import commands, formats, spawner, supervisor
from codeai.activities.shell.settings import ShellSettings
from codeai.activities.shell.slots import Slots
from codeai.activities.shell.spawner import Spawner
from codeai.activities.shell.spool import Absent, Ended, Lost, Refused, Running
from codeai.workflows.contracts.errors import RunError
from codeai.workflows.contracts.shell import Outcome
from tests.activities.shell.bench import Bench, gone
from tests.activities.shell.rig import fork_server, processes_with, step

pytestmark = pytest.mark.timeout(60)


async def test_output_and_exit_code(bench: Bench) -> None:
    result = await bench.run("echo out; echo err >&2; exit 7")
    assert (result.outcome, result.exit_code, result.stdout, result.stderr) == (
        Outcome.FAILED,
        7,
        "out",
        "err",
    )
    assert (result.truncated, result.error, result.started) == (False, None, True)


@pytest.mark.parametrize(
    ("text", "stdout"),
    [
        (r"printf 'a\n\n'", "a\n"),
        (r"printf ' b '", " b "),
        (r"printf '\n'", ""),
        ("cat", ""),
        ("read -r line || echo end", "end"),
        ("(exit 3) | cat; echo not reached", ""),
        ("false; echo not reached", ""),
        (r"printf '\377a\0b'", "\ufffda\ufffdb"),
        ("umask", "0022"),
        ('test "$PWD" = "$CODEAI_WORKSPACE" && echo same', "same"),
        ("yes | head -1; true", "y"),
    ],
)
async def test_what_a_command_prints(bench: Bench, text: str, stdout: str) -> None:
    assert (await bench.run(text)).stdout == stdout


@pytest.mark.parametrize(("name", "code"), [("KILL", 137), ("TERM", 143), ("PIPE", 141)])
async def test_the_exit_code_of_a_signal_is_128_more(bench: Bench, name: str, code: int) -> None:
    assert (await bench.run(f"kill -{name} $$; sleep 5")).exit_code == code


@pytest.mark.parametrize(
    ("capture", "text", "stdout", "stderr", "truncated"),
    [
        (10, "printf 0123456789abc; printf 0123456789abc >&2", "0123456789", "3456789abc", True),
        (3, r"printf 'abc\n'; printf 'abc\n' >&2", "abc", "abc", False),
        (4, "printf aéé; printf ééa >&2", "aé", "éa", True),
        (5, r"printf 'ab\ncd\nef'", "ab\ncd", "", True),
        (0, "true", "", "", False),
    ],
)
async def test_past_capture_the_head_of_stdout_and_the_tail_of_stderr(
    bench: Bench, capture: int, text: str, stdout: str, stderr: str, truncated: bool
) -> None:
    result = await bench.run(text, capture=capture)
    assert (result.stdout, result.stderr, result.truncated) == (stdout, stderr, truncated)


async def test_the_log_keeps_the_order_of_arrival_and_ends_with_a_mark_at_its_limit(bench: Bench) -> None:
    run = await bench.begin("for i in 1 2 3; do echo o$i; sleep 0.02; echo e$i >&2; sleep 0.02; done")
    await run.result()
    assert run.log() == "o1\ne1\no2\ne2\no3\ne3\n"
    run = await bench.begin("head -c 300000 /dev/zero | tr '\\0' x", ShellSettings(log_limit=100_000))
    result = await run.result()
    assert run.log() == "x" * 100_000 + "[the output past 0 bytes is not kept]\n"
    assert (len(result.stdout), result.truncated) == (65536, True)


async def test_output_can_be_read_while_the_command_runs(bench: Bench) -> None:
    run = await bench.begin("echo early; sleep 30")
    await run.prints("early\n")
    run.attempt.say(formats.CANCEL)
    await run.result()


async def test_files_are_there_for_the_command_alone(bench: Bench) -> None:
    text = 'cd "$CODEAI_FILES"; cat "a b"; stat -c %a "a b"; mkdir more; touch more/x; ln -s / more/y'
    run = await bench.begin(text, files={"a b": "one\ntwo\n"})
    assert (await run.result()).stdout == "one\ntwo\n600"
    assert not run.attempt.files.exists()


async def test_the_environment_is_the_steps_and_little_else(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_PASSWORD", "hidden")
    monkeypatch.setenv("ALSO", "seen")
    run = await bench.begin(
        "env -0 | cut -z -d= -f1 | tr '\\0' ' '; echo; printenv x",
        ShellSettings(environment=("ALSO",)),
        env={"x": "$(touch pwned)\n'"},
        unset=("HOME",),
    )
    names, _, x = (await run.result()).stdout.partition("\n")
    given = {"PATH", "LANG", "TZ"} & os.environ.keys()
    own = {f"CODEAI_{name}" for name in ("EXECUTION_ID", "STEP_ID", "ATTEMPT", "WORKSPACE", "FILES")}
    bash = {"PWD", "SHLVL", "_", "OLDPWD"}
    assert set(names.split()) - bash == given | own | {"x", "ALSO"}
    assert x == "$(touch pwned)\n'"
    assert not (bench.work / "pwned").exists()


async def test_a_command_that_cannot_be_started_says_why(bench: Bench) -> None:
    result = await bench.run("true", env={"x": "y" * 200_000})
    assert (result.exit_code, result.outcome) == (126, Outcome.FAILED)
    assert "environment is too long" in result.stderr


async def test_two_supervisors_for_one_attempt_run_it_once(bench: Bench) -> None:
    given = step('echo x >> "$CODEAI_WORKSPACE/counter"; sleep 0.2')
    attempt = bench.spool.attempt(given)
    attempt.write_input(given)
    attempt.prepare(commands.spec(given, bench.work, attempt, ShellSettings()), given.text, {})
    for _ in range(8):
        slot = await bench.slots.take("run")
        await bench.spawner.ask(str(attempt.folder), slot)
        os.close(slot)
    while not isinstance(attempt.look(), Ended):
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    assert (bench.work / "counter").read_text() == "x\n"


async def test_what_was_refused_never_starts(bench: Bench) -> None:
    given = step("touch ran")
    attempt = bench.spool.attempt(given)
    attempt.write_input(given)
    attempt.prepare(commands.spec(given, bench.work, attempt, ShellSettings()), given.text, {})
    assert attempt.refuse(RunError(kind="cancelled", message="too late"))
    slot = await bench.slots.take("run")
    await bench.spawner.ask(str(attempt.folder), slot)
    os.close(slot)
    await asyncio.sleep(0.1)
    assert isinstance(attempt.look(), Refused)
    assert not (bench.work / "ran").exists()
    running = await bench.begin("sleep 0.2")
    assert not running.attempt.refuse(RunError(kind="cancelled", message="it runs"))


async def test_a_dead_supervisor_means_lost_and_what_it_left_is_killed(bench: Bench) -> None:
    run = await bench.begin("setsid sleep 30 & echo on; sleep 30")
    await run.prints("on")
    assert isinstance(run.attempt.look(), Running)
    os.kill(run.pid("supervisor"), signal.SIGKILL)
    while isinstance(run.attempt.look(), Running):
        await asyncio.sleep(0.005)
    assert run.attempt.look() == Lost(noted=True)
    run.attempt.kill_rest()
    while processes_with(run.given.step_id):
        await asyncio.sleep(0.01)


async def test_a_command_outlives_the_fork_server_and_the_next_one_is_started_at_once(bench: Bench) -> None:
    first = await bench.begin("sleep 0.5; echo first")
    server = fork_server(bench.spool)
    os.kill(server, signal.SIGKILL)
    await gone(server)
    assert (await bench.run("echo second")).stdout == "second"
    assert (await first.result()).stdout == "first"


async def test_a_worker_of_other_code_has_its_own_fork_server_and_what_runs_goes_on(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after an upgrade, also where the old code has been removed."""
    before = await bench.begin("sleep 1; echo before")
    old = fork_server(bench.spool)
    monkeypatch.setattr("codeai.activities.shell.spawner.version", lambda: "another")
    upgraded = Spawner(bench.spool.path)
    await upgraded.open()
    assert fork_server(bench.spool) != old
    await gone(old)
    assert (await bench.run("echo after")).stdout == "after"
    assert (await before.result()).stdout == "before"
    kept = fork_server(bench.spool)
    again = Spawner(bench.spool.path)
    await again.open()
    assert fork_server(bench.spool) == kept
    for one in (upgraded, again):
        one.close()


async def test_a_worker_of_other_code_is_served_by_it_also_where_one_of_the_old_starts_another_meanwhile(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two workers on one root while it is upgraded: the old one needs a fork server just when its was ended."""
    restarted: list[int] = []
    kill = os.kill

    def kill_and_restart(pid: int, number: int) -> None:
        kill(pid, number)
        if not restarted:
            monkeypatch.setattr("codeai.activities.shell.spawner.version", lambda: old)
            bench.spawner._launch()
            monkeypatch.setattr("codeai.activities.shell.spawner.version", lambda: "another")
            restarted.append(pid)
            until_another_serves(pid)

    def until_another_serves(pid: int) -> None:
        noted = bench.spool.path / formats.LISTENER_LOCK
        while noted.read_text().split()[:1] in ([], [str(pid)]):
            time.sleep(0.005)

    old = spawner.version()
    monkeypatch.setattr("codeai.activities.shell.spawner.version", lambda: "another")
    monkeypatch.setattr("codeai.activities.shell.spawner.os.kill", kill_and_restart)
    upgraded = Spawner(bench.spool.path)
    await asyncio.wait_for(upgraded.open(), 20)
    assert (bench.spool.path / formats.LISTENER_LOCK).read_text().split()[1] == "another"
    upgraded.close()


async def test_a_full_disk_ends_the_output_with_a_word_and_not_the_command(bench: Bench) -> None:
    """A limit on the size of files stands for the disk."""
    resource.prlimit(fork_server(bench.spool), resource.RLIMIT_FSIZE, (100_000, 100_000))
    run = await bench.begin("head -c 300000 /dev/zero | tr '\\0' x; echo; echo on >&2; exit 3", capture=1000)
    result = await run.result()
    assert (result.exit_code, result.stdout, result.stderr) == (3, "x" * 1000, "on")
    said = "[from here on the output could not be written on its host: File too large]\n"
    assert run.log().lstrip("x") == said


async def test_what_could_not_be_started_for_want_of_room_says_so_and_leaves_nothing(bench: Bench) -> None:
    server = fork_server(bench.spool)
    resource.prlimit(server, resource.RLIMIT_FSIZE, (0, 100_000))
    run = bench.prepare("echo on")
    for _ in range(3):
        slot = await bench.slots.take("run")
        await bench.spawner.ask(str(run.attempt.folder), slot)
        os.close(slot)
        await asyncio.sleep(0.1)
    assert run.attempt.look() == Absent()
    assert [file.name for file in run.attempt.folder.glob("entry*")] == []
    resource.prlimit(server, resource.RLIMIT_FSIZE, (100_000, 100_000))
    slot = await bench.slots.take("run")
    await bench.spawner.ask(str(run.attempt.folder), slot)
    os.close(slot)
    while isinstance(run.attempt.look(), Absent):
        await asyncio.sleep(0.002)
    assert (await run.result()).stdout == "on"


async def test_a_command_whose_spool_is_removed_is_ended(bench: Bench) -> None:
    """Nobody could hear of it any more, or cancel it."""
    run = await bench.begin("echo on; sleep 60")
    await run.prints("on")
    supervisor, command = run.pid("supervisor"), run.pid()
    shutil.rmtree(run.attempt.folder.parent)
    await gone(command)
    await gone(supervisor)


async def test_four_commands_at_a_time_counted_on_disk(bench: Bench) -> None:
    runs = [await bench.begin("sleep 0.5") for _ in range(4)]
    taking = asyncio.create_task(bench.slots.take("run"))
    elsewhere = asyncio.create_task(Slots(bench.spool.path / "slots", 4).take("other"))
    await asyncio.sleep(0.2)
    assert not taking.done() and not elsewhere.done()
    for run in runs:
        await run.result()
    for slot in await asyncio.gather(taking, elsewhere):
        os.close(slot)


async def test_a_long_path_with_spaces(tmp_path: Path) -> None:
    folder = tmp_path / ("a long name " * 10) / str(uuid.uuid4())
    folder.mkdir(parents=True)
    bench = Bench(folder)
    await bench.spawner.open()
    assert (await bench.run('basename "$PWD"')).stdout == "work"
    bench.spawner.close()


async def test_the_fork_server_ends_when_no_worker_is_there(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    await bench.spawner.open()
    server = fork_server(bench.spool)
    bench.spawner.close()
    await gone(server)


def test_a_process_group_that_is_gone_is_not_signalled_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """What has left it may live on for the whole grace; its number may be that of another command by then."""
    signalled: list[int] = []

    def kill_group(_group: int, number: int) -> bool:
        signalled.append(number)
        return number != 0

    monkeypatch.setattr(supervisor, "kill_group", kill_group)
    command = supervisor.Command.__new__(supervisor.Command)
    command.pid, command.code, command.group_is_gone = 999_999_999, None, False
    assert not command.to_group(0), "it has not made its group yet"
    assert command.to_group(supervisor.TERM)
    command.code = 0
    assert not command.to_group(0)
    assert not command.to_group(supervisor.KILL)
    assert signalled == [0, supervisor.TERM, 0]


def test_fork_server_and_supervisor_import_nothing_that_costs() -> None:
    script = (
        "import sys; sys.path.append(sys.argv[1])\n"
        "from codeai.activities.shell import forkserver, supervisor\n"
        "print(*sorted({'signal', 'subprocess', 'json', 'typing', 'pathlib', 'dataclasses'} & sys.modules.keys()))"
    )
    root = Path(__file__).parents[3]
    shown = subprocess.run(
        [sys.executable, "-S", "-E", "-c", script, str(root)], capture_output=True, text=True
    )
    assert (shown.stdout, shown.stderr) == ("\n", "")
