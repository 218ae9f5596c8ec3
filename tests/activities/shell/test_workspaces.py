"""What a run's commands find in their workspace."""

from __future__ import annotations

import asyncio
import errno
import os
import re
import shutil
import subprocess
import threading
from pathlib import Path

import pytest

from codeai.activities.shell import workspaces
from codeai.activities.shell.errors import SeedError
from codeai.activities.shell.git_seeds import Way
from codeai.activities.shell.workspaces import Workspaces
from codeai.workflows.contracts.git_seeds import GitSeed, place_of
from codeai.workflows.contracts.shell import WorkspaceSeed


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "allowed" / "project"
    (folder / "src" / "empty").mkdir(parents=True)
    (folder / "src" / "main.py").write_text("main")
    (folder / "run.sh").write_text("#!/bin/sh\n")
    (folder / "run.sh").chmod(0o755)
    (folder / "link").symlink_to("src/main.py")
    os.mkfifo(folder / "pipe")
    (folder / ".codeai" / "workspaces").mkdir(parents=True)
    (folder / ".codeai" / "key").write_text("secret")
    return folder


@pytest.fixture
def made(tmp_path: Path, source: Path) -> Workspaces:
    return Workspaces(source / ".codeai" / "workspaces", [tmp_path / "allowed"], [source / ".codeai"])


def names(work: Path) -> set[str]:
    return {str(path.relative_to(work)) for path in work.rglob("*") if ".git" not in path.parts}


async def test_without_a_seed_it_is_empty_and_nobody_elses(made: Workspaces) -> None:
    work = await made.of("run", None)
    assert (list(work.iterdir()), work.stat().st_mode & 0o777) == ([], 0o700)


async def test_files(made: Workspaces) -> None:
    work = await made.of("run", WorkspaceSeed(files={"a.txt": "é\r\n", "deep/er/b": ""}))
    assert (work / "a.txt").read_bytes() == "é\r\n".encode()
    assert names(work) == {"a.txt", "deep", "deep/er", "deep/er/b"}


async def test_a_file_s_path_may_be_written_in_any_way_that_stays_inside(made: Workspaces) -> None:
    work = await made.of("run", WorkspaceSeed(files={"./a": "1", "b//c": "2", "b/../d": "3", "...": "4"}))
    assert {path.name: path.read_text() for path in work.rglob("?*") if path.is_file()} == {
        "a": "1",
        "c": "2",
        "d": "3",
        "...": "4",
    }


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"../x": ""}, "leads out of the workspace"),
        ({"/etc/x": ""}, "is an absolute path"),
        ({"a/../../x": ""}, "leads out of the workspace"),
        ({"": ""}, "names no file"),
        ({"a/": ""}, "names no file"),
        ({".": ""}, "is the workspace itself"),
        ({"a\0": ""}, "has a NUL in it"),
        ({"x" * 300: ""}, "is too long"),
        ({"a/b": "", "a": ""}, "'a/b' cannot lie below 'a', which is a file"),
        ({"a": "", "./a": ""}, "'a' and './a' are the same file"),
        ({"src": ""}, "'src' cannot be written: a folder has that name"),
        ({"run.sh/x": ""}, "'run.sh/x' cannot be written: what should be its folder is a file"),
        ({"run.sh/x/y": ""}, "'run.sh/x/y' cannot be written: what should be its folder is a file"),
        ({"out/x": ""}, "leads out of the workspace"),
    ],
)
async def test_a_file_that_cannot_be_there_is_refused_and_leaves_nothing(
    made: Workspaces, source: Path, files: dict[str, str], said: str
) -> None:
    (source / "out").symlink_to("/tmp")
    with pytest.raises(SeedError, match=re.escape(said)):
        await made.of("run", WorkspaceSeed(folder=str(source), files=files))
    assert list((source / ".codeai" / "workspaces").iterdir()) == []


async def test_a_folder_is_copied_whole_but_for_the_platforms_own_data(
    made: Workspaces, source: Path
) -> None:
    work = await made.of("run", WorkspaceSeed(folder=str(source)))
    assert names(work) == {"src", "src/empty", "src/main.py", "run.sh", "link"}
    assert (work / "run.sh").stat().st_mode & 0o777 == 0o755
    assert (work / "link").readlink() == Path("src/main.py")


async def test_of_a_repository_what_git_names_and_its_history(made: Workspaces, source: Path) -> None:
    (source / ".gitignore").write_text("*.log\n")
    (source / "debug.log").write_text("x")
    (source / "gone").write_text("x")

    def git(*words: str) -> None:
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", *words], cwd=source, check=True)

    git("init", "-q")
    git("add", "run.sh", "gone", ".gitignore")
    git("commit", "-qm", "first")
    (source / "gone").unlink()
    work = await made.of("run", WorkspaceSeed(folder=str(source)))
    assert names(work) == {"src", "src/main.py", "run.sh", "link", ".gitignore"}
    assert (work / ".git" / "HEAD").exists()


@pytest.mark.parametrize(
    ("folder", "message"),
    [
        ("relative", "must be an absolute path"),
        ("/etc", "not below a folder that workspaces may be copied from"),
        ("{allowed}/../secret", "not below a folder that workspaces may be copied from"),
        ("{allowed}/link", "not below a folder that workspaces may be copied from"),
        ("{allowed}/missing", "is not there"),
    ],
)
async def test_only_folders_below_the_allowed_roots(
    made: Workspaces, tmp_path: Path, folder: str, message: str
) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "allowed" / "link").symlink_to(tmp_path / "secret")
    with pytest.raises(SeedError, match=message):
        await made.of("run", WorkspaceSeed(folder=folder.format(allowed=tmp_path / "allowed")))


async def test_a_folder_over_the_limit_is_refused(
    made: Workspaces, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (source / "big").open("wb") as file:
        file.truncate(workspaces.LIMIT + 1)
    with pytest.raises(SeedError, match="more than 1 GiB"):
        await made.of("run", WorkspaceSeed(folder=str(source)))


async def test_it_is_seeded_once_whoever_asks_and_however_many(
    made: Workspaces, source: Path, tmp_path: Path
) -> None:
    other = Workspaces(source / ".codeai" / "workspaces", [tmp_path], [])
    seed = WorkspaceSeed(files={"a": "1"})
    works = await asyncio.gather(*(one.of("run", seed) for one in (made, made, other, made)))
    assert len(set(works)) == 1
    (works[0] / "a").write_text("changed")
    assert await made.of("run", seed) == works[0]
    assert (works[0] / "a").read_text() == "changed"
    assert [path.name for path in (source / ".codeai" / "workspaces").iterdir()] == ["run"]


async def test_however_many_wait_for_a_slow_repository_others_have_their_workspace(
    made: Workspaces, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A repository may take ten minutes, and there are few threads for all that a worker does."""
    may_end, begun = threading.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    class Slow:
        def __init__(self, *_: object) -> None: ...

        def make(self) -> None:
            loop.call_soon_threadsafe(begun.set)
            may_end.wait()

    async def way(*_: object) -> Way:
        return Way(place_of("https://slow.example/repository"))

    monkeypatch.setattr(workspaces, "Checkout", Slow)
    monkeypatch.setattr(workspaces, "way_to", way)
    seed = WorkspaceSeed(git=GitSeed(url="https://slow.example/repository", revision="main"))
    slow = [asyncio.create_task(made.of(f"slow{number}", seed)) for number in range(40)]
    await begun.wait()
    try:
        await asyncio.wait_for(made.of("other", None), 10)
    finally:
        may_end.set()
        await asyncio.gather(*slow)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EMFILE])
@pytest.mark.parametrize("kind", ["files", "folder"])
async def test_for_want_of_room_it_is_waited_and_nothing_is_the_seeds_fault(
    made: Workspaces, source: Path, monkeypatch: pytest.MonkeyPatch, kind: str, number: int
) -> None:
    """Whoever asks again, asks when there is room."""
    seed = WorkspaceSeed(files={"a": "1"}) if kind == "files" else WorkspaceSeed(folder=str(source))

    def full(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", full)
        patch.setattr(shutil, "copy2", full)
        with pytest.raises(OSError, match=re.escape(os.strerror(number))) as error:
            await made.of("run", seed)
        assert not isinstance(error.value, SeedError)
    assert names(await made.of("run", seed))


async def test_what_git_leaves_out_is_not_copied_as_git_cannot_be_asked_just_now(
    made: Workspaces, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*_: object, **__: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    def slow(*_: object, **__: object) -> None:
        raise subprocess.TimeoutExpired("git", 60.0)

    for asked, problem in ((busy, "Too many open files"), (slow, "git did not say within 60 s")):
        monkeypatch.setattr(subprocess, "run", asked)
        with pytest.raises((OSError, SeedError), match=problem):
            await made.of("run", WorkspaceSeed(folder=str(source)))


async def test_one_that_a_command_removed_is_not_made_anew(made: Workspaces) -> None:
    (await made.of("run", None)).rmdir()
    with pytest.raises(SeedError, match="is gone"):
        await made.of("run", None)


async def test_removing_also_what_a_command_has_closed(made: Workspaces, source: Path) -> None:
    work = await made.of("run", WorkspaceSeed(files={"a/b": "1"}))
    (work / "a").chmod(0o000)
    await made.of("other", None)
    assert (made.held(), made.held("other")) == (["other", "run"], ["run"])
    for _ in range(2):
        made.remove("run")
    for no_run in ("", ".", "..", "../runs", "/etc"):
        made.remove(no_run)
    assert [path.name for path in (source / ".codeai" / "workspaces").iterdir()] == ["other"]


async def test_all_workspaces_of_a_run_are_held_for_it_and_go_with_it(made: Workspaces, source: Path) -> None:
    """One for each label, and a fresh one for each rerun: as long as the run goes on, all of them are its."""
    for name in ("run", "run@gpu", "run@gpu~1", "run~2", "run2@gpu"):
        await made.of(name, None)
    assert (made.held(), made.held("run")) == (["run", "run2"], ["run2"])
    made.remove("run")
    assert [path.name for path in (source / ".codeai" / "workspaces").iterdir()] == ["run2@gpu"]


async def test_what_a_dead_worker_left_half_made_goes_after_a_day(made: Workspaces, source: Path) -> None:
    for name in ("old", "new"):
        (source / ".codeai" / "workspaces" / f".{name}" / "work").mkdir(parents=True)
    os.utime(source / ".codeai" / "workspaces" / ".old", (0, 0))
    made.tidy()
    assert [path.name for path in (source / ".codeai" / "workspaces").iterdir()] == [".new"]
