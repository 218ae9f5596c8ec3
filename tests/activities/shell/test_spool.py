"""The spool on disk: what is in it after a power cut, who may remove it, and which of its facts are the newest."""

from __future__ import annotations

import base64
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codeai.activities.shell import descendants, formats
from codeai.activities.shell.cgroups import Cgroup
from codeai.activities.shell.formats import Exit, Spec
from codeai.activities.shell.spool import Absent, Attempt, Lost, Refused, Spool
from codeai.workflows.contracts.errors import RunError
from tests.activities.shell.rig import step

UNTIMED = settings(deadline=None, max_examples=50)
ERROR = RunError(kind="lost", message="gone", line=1)
ENDED = Exit("exited", 3, 1.5, b"out", True, b"err", False)
SPEC = Spec(["sh"], {"HOME": "x" * 50}, "/", 1.0, 1.0, 10, 10, ["CODEAI_STEP_ID=none"], {})


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool.open(tmp_path / "spool")


@pytest.fixture(scope="module", autouse=True)
def killed() -> Iterator[list[object]]:
    """What would have been killed. Nothing is here, whatever the code under test takes for a command's."""
    would: list[object] = []
    with pytest.MonkeyPatch.context() as patch:
        for name in ("kill_one", "kill_group"):
            patch.setattr(descendants, name, lambda *whom: would.append(whom))
        patch.setattr(Cgroup, "kill", lambda self: would.append(self.path))
        yield would


def an_attempt(spool: Spool) -> Attempt:
    asked = step("true")
    attempt = spool.attempt(asked)
    attempt.write_input(asked)
    return attempt


@pytest.fixture(scope="module")
def attempt() -> Iterator[Attempt]:
    with tempfile.TemporaryDirectory() as folder:
        yield an_attempt(Spool.open(Path(folder) / "spool"))


# After a power cut, which leaves of a file what had come to the disk by then


def torn(whole: bytes) -> st.SearchStrategy[bytes]:
    """A beginning of it, or zeros."""
    return st.integers(0, len(whole) - 1).flatmap(
        lambda size: st.sampled_from([whole[:size], bytes(size + 1)])
    )


@UNTIMED
@given(torn(ENDED.encode()))
def test_an_exit_that_is_not_whole_is_none(attempt: Attempt, left: bytes) -> None:
    (attempt.folder / formats.ENTRY).write_bytes(b"supervisor 1 2\ncommand 999999999 4\n")
    (attempt.folder / formats.EXIT).write_bytes(left)
    look = attempt.look()
    (attempt.folder / formats.EXIT).unlink()
    assert look == Lost(noted=True)


@UNTIMED
@given(torn(b"supervisor 1 2\n"))
def test_of_an_entry_that_is_not_whole_nobody_knows_whether_it_began(attempt: Attempt, left: bytes) -> None:
    (attempt.folder / formats.ENTRY).write_bytes(left)
    assert attempt.look() == Lost(noted=True)


@UNTIMED
@given(torn(b"refused " + ERROR.model_dump_json().encode()))
def test_a_refusal_that_is_not_whole_is_none(attempt: Attempt, left: bytes) -> None:
    (attempt.folder / formats.ENTRY).write_bytes(left)
    assert attempt.look() == Lost(noted=True)


@UNTIMED
@given(torn(SPEC.encode()) | st.integers(0, 200).map(lambda size: SPEC.encode()[:size].ljust(200, b"\0")))
def test_by_a_spec_that_is_not_whole_nobody_is_killed(
    attempt: Attempt, killed: list[object], left: bytes
) -> None:
    """Without marks, or with empty ones, everybody would be meant."""
    (attempt.folder / formats.SPEC).write_bytes(left)
    assert not descendants.kill_marked(str(attempt.folder))
    assert killed == []


@pytest.mark.parametrize("marks", [[], [""], ["="], ["CODEAI_STEP_ID="], ["CODEAI_STEP_ID=none", ""]])
def test_marks_that_are_not_whole_are_nobodys(marks: list[str]) -> None:
    assert formats.with_marks(marks) == []


@UNTIMED
@given(torn(b"supervisor 1 2\ncgroup /sys/fs/cgroup/codeai/codeai.run.step.1\ncommand 1 2\n"))
def test_by_an_entry_that_is_not_whole_nobody_else_is_killed(
    attempt: Attempt, killed: list[object], left: bytes
) -> None:
    """The beginning of a control group's path is that of another, which holds the worker."""
    (attempt.folder / formats.ENTRY).write_bytes(left)
    descendants.kill_noted(str(attempt.folder))
    assert set(killed) <= {"/sys/fs/cgroup/codeai/codeai.run.step.1"}
    killed.clear()


@UNTIMED
@given(torn(b"1234567.123"))
def test_a_lease_that_is_not_whole_is_over_by_then(left: bytes) -> None:
    with tempfile.NamedTemporaryFile() as file:
        file.write(left)
        file.flush()
        assert (formats.lease(file.name) or 0.0) <= 1234567.123


def test_a_token_that_is_not_whole_is_forgotten_as_its_activity_is_repeated(spool: Spool) -> None:
    attempt = an_attempt(spool)
    put = spool.put_token(attempt, b"token", "workflow", "run")
    (file,) = (spool.path / "tokens").iterdir()
    file.write_bytes(file.read_bytes()[:9])
    assert spool.token(attempt.key, put.time) is None
    assert spool.newest_tokens() == {}


# What was refused


def test_a_refusal_of_any_length_is_read_as_it_was_written(spool: Spool) -> None:
    for begun in (False, True):
        attempt = an_attempt(spool)
        long = ERROR.model_copy(update={"message": "m" * 200_000})
        assert attempt.refuse(long, begun=begun)
        assert attempt.look() == Refused(long, begun=begun)
        assert not attempt.refuse(ERROR)


# Which is the newest


def test_the_newest_token_counts_whatever_the_clock_says(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempt = an_attempt(spool)
    for clock, token in ((2_000, b"first"), (1_000, b"second"), (1_000, b"third")):
        monkeypatch.setattr("time.time_ns", lambda clock=clock: clock)
        newest = spool.put_token(attempt, token, "workflow", "run")
        assert spool.newest_tokens() == {attempt.key: newest.time}
        found = spool.token(attempt.key, newest.time)
        assert found is not None and base64.b64encode(found.token) == base64.b64encode(token)


@UNTIMED
@given(st.lists(st.floats(0, 100), min_size=1))
def test_a_lease_never_becomes_shorter_in_whatever_order_its_answers_are_noted(ages: list[float]) -> None:
    now = formats.clock()
    with tempfile.TemporaryDirectory() as folder:
        attempt = an_attempt(Spool.open(Path(folder) / "spool"))
        file = formats.lease_file(str(attempt.folder))
        for count, age in enumerate(ages, 1):
            attempt.renew(now - age, 540.0)
            assert formats.lease(file) == pytest.approx(now - min(ages[:count]) + 540.0, abs=0.01)


def test_a_lease_of_an_earlier_boot_counts_for_nothing(spool: Spool) -> None:
    attempt = an_attempt(spool)
    attempt.renew(formats.clock() + 1e6, 540.0)
    attempt.renew(formats.clock(), 540.0)
    assert (formats.lease(formats.lease_file(str(attempt.folder))) or 0) < formats.clock() + 541


# Who may remove it


def test_attempts_go_with_all_that_is_theirs_and_their_execution_with_the_last(spool: Spool) -> None:
    attempt = an_attempt(spool)
    attempt.renew(formats.clock(), 540.0)
    (attempt.folder.parent / ".half-made").mkdir()
    spool.remove(attempt.key.partition("/")[0], [attempt])
    assert spool.executions() == [] == list((spool.path / formats.LEASES).iterdir())
    assert list((spool.path / "trash").iterdir()) == []


def test_what_a_worker_had_not_quite_removed_when_it_died_goes(spool: Spool) -> None:
    (spool.path / "trash" / "away" / "files").mkdir(parents=True)
    spool.empty_trash()
    assert list((spool.path / "trash").iterdir()) == []


def is_waited_for(spool: Spool, attempt: Attempt) -> None:
    spool.put_token(attempt, b"token", "workflow", "run")


def is_attended(spool: Spool, attempt: Attempt) -> None:
    os.set_inheritable(attempt.lock() or -1, False)  # held until the test ends


@pytest.mark.parametrize("comes", [is_waited_for, is_attended])
def test_what_is_wanted_again_since_it_was_found_over_stays(
    spool: Spool, comes: Callable[[Spool, Attempt], None]
) -> None:
    """A run that had ended is taken up again in that moment; without its folder a command would be started twice."""
    attempt = an_attempt(spool)
    found = spool.attempts()
    comes(spool, attempt)
    spool.remove(attempt.key.partition("/")[0], found)
    assert attempt.look() == Absent() and attempt.folder.is_dir()


def test_what_came_since_stays(spool: Spool) -> None:
    asked = step("true")
    later = asked.model_copy(update={"attempt": 2})
    spool.attempt(asked).write_input(asked)
    found = spool.attempts()
    spool.attempt(later).write_input(later)
    spool.remove(asked.execution_id, found)
    assert [one.key for one in spool.attempts()] == [spool.attempt(later).key]


def test_a_folder_that_is_removed_while_it_is_being_locked_is_not_locked(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempt = an_attempt(spool)
    lock = formats.lock

    def removed_before(descriptor: int, shared: bool = False) -> bool:
        attempt.folder.rename(spool.path / "trash" / "away")
        return lock(descriptor, shared)

    monkeypatch.setattr(formats, "lock", removed_before)
    assert attempt.lock() is None
