"""A step as a command, and its end as a result."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from codeai.activities.shell import commands
from codeai.activities.shell.errors import SeedError
from codeai.activities.shell.formats import Exit, Spec
from codeai.activities.shell.settings import ShellSettings
from codeai.activities.shell.spool import Ended, Lost, Refused, Spool
from codeai.workflows.contracts.errors import RunError
from codeai.workflows.contracts.shell import CommandInput, Outcome
from tests.activities.shell.rig import step


def spec(folder: Path, given: CommandInput, settings: ShellSettings | None = None) -> Spec:
    work = folder / "work"
    work.mkdir(exist_ok=True)
    return commands.spec(
        given, work, Spool.open(folder / "spool").attempt(given), settings or ShellSettings()
    )


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"cwd": "/"}, "'/' leads out of the workspace"),
        ({"cwd": "a/../.."}, "'a/../..' leads out of the workspace"),
        ({"cwd": "link"}, "'link' leads out of the workspace"),
        ({"cwd": "a\0b"}, "'a\\x00b' is no path in the workspace: embedded null byte"),
        ({"cwd": "missing"}, "cwd 'missing' is not a folder in the workspace"),
        ({"files": {"a/b": ""}}, "'a/b' in files: is no file name"),
        ({"files": {"..": ""}}, "'..' in files: is no file name"),
        ({"env": {"a=b": "1"}}, "'a=b' is no name of an environment variable"),
    ],
)
def test_what_a_step_cannot_have(tmp_path: Path, option: dict[str, Any], message: str) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "link").symlink_to("/tmp")
    with pytest.raises(SeedError) as caught:
        spec(tmp_path, step("true", **option))
    assert str(caught.value) == message


def test_cwd_may_be_reached_by_a_link_that_stays_inside(tmp_path: Path) -> None:
    (tmp_path / "work" / "a" / "b").mkdir(parents=True)
    (tmp_path / "work" / "link").symlink_to("a/b")
    assert spec(tmp_path, step("true", cwd="link")).cwd == str(tmp_path / "work" / "a" / "b")
    assert spec(tmp_path, step("true", cwd=str(tmp_path / "work" / "a"))).cwd == str(tmp_path / "work" / "a")


def test_without_bash_the_step_says_so(tmp_path: Path) -> None:
    with pytest.raises(commands.NoShell, match="no zork on this host"):
        spec(tmp_path, step("true"), ShellSettings(shell="zork"))


def test_a_spec_is_read_as_it_was_written(tmp_path: Path) -> None:
    given = step("true", env={"x": "a=b\n é", "empty": ""}, timeout=1.25)
    written = spec(tmp_path, given, ShellSettings(limits={"cpu": 9, "memory": 1 << 40}))
    found = Spec.decode(written.encode())
    assert all(getattr(found, name) == getattr(written, name) for name in Spec.__slots__)
    with pytest.raises(ValueError, match="NUL"):
        spec(tmp_path, step("true", env={"x": "a\0"})).encode()


@pytest.mark.parametrize(
    ("end", "outcome", "kind", "started"),
    [
        (Ended(Exit("exited", 0, 1.0, b"", False, b"", False)), Outcome.SUCCEEDED, None, True),
        (Ended(Exit("exited", 3, 1.0, b"", False, b"", False)), Outcome.FAILED, None, True),
        (Ended(Exit("timeout", 0, 1.0, b"", False, b"", False)), Outcome.TIMEOUT, "timeout", True),
        (Ended(Exit("cancelled", 143, 1.0, b"", False, b"", False)), Outcome.CANCELLED, "cancelled", True),
        (Ended(Exit("killed", 143, 1.0, b"", False, b"", False)), Outcome.LOST, "lost", True),
        (Ended(Exit("memory", 137, 1.0, b"", False, b"", False)), Outcome.FAILED, "exec_failed", True),
        (Ended(Exit("cpu", 0, 1.0, b"", False, b"", False)), Outcome.FAILED, "exec_failed", True),
        (Refused(RunError(kind="value_error", message="no")), Outcome.FAILED, "value_error", False),
        (Refused(RunError(kind="cancelled", message="no")), Outcome.CANCELLED, "cancelled", False),
        (Refused(RunError(kind="lost", message="no")), Outcome.LOST, "lost", False),
        (Lost(noted=True), Outcome.LOST, "lost", True),
        (Lost(noted=False), Outcome.LOST, "lost", False),
    ],
)
def test_how_an_attempt_ended(
    end: Ended | Refused | Lost, outcome: Outcome, kind: str | None, started: bool
) -> None:
    result = commands.result(step("true"), end)
    assert (result.outcome, result.error and result.error.kind, result.started) == (outcome, kind, started)


@pytest.mark.parametrize("byte", [b"x", b"\x01", b"\xff", b'"'])
def test_a_result_is_small_enough_for_temporal(byte: bytes) -> None:
    most = 256 * 1024
    end = Ended(Exit("timeout", 1, 1.0, byte * most, False, byte * most, False))
    result = commands.result(step("true", capture=most), end)
    assert len(result.model_dump_json().encode()) <= commands.RESULT_LIMIT
    assert result.stdout and result.stderr
    assert result.truncated == (byte != b"x")
