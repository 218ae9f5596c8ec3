"""What is removed although a command has closed it. Nobody is root here, whom everything lets in."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from codeai.activities.shell import formats
from codeai.activities.shell.removal import remove_tree
from codeai.activities.shell.supervisor import remove_files

NOBODY = 65534


@pytest.fixture
def folder() -> Iterator[Path]:
    """Of somebody who is not root."""
    was = os.geteuid()
    if was == 0:
        os.seteuid(NOBODY)
    made = Path(tempfile.mkdtemp())
    try:
        yield made
    finally:
        os.seteuid(was)
        shutil.rmtree(made, ignore_errors=True)


def remove_files_of(place: Path) -> None:
    before = Path.cwd()
    os.chdir(place.parent)
    try:
        remove_files()
    finally:
        os.chdir(before)


@pytest.mark.parametrize("remove", [remove_tree, remove_files_of])
@pytest.mark.parametrize("mode", [0o000, 0o500])
def test_what_a_command_has_closed_goes_with_all_that_it_holds(
    folder: Path, remove: Callable[[Path], None], mode: int
) -> None:
    """A secret may be in it."""
    files = folder / formats.FILES
    (files / "deep" / "deeper").mkdir(parents=True)
    for holds in (files, files / "deep", files / "deep" / "deeper"):
        (holds / "token").write_text("secret")
    for closed in (files / "deep" / "deeper", files / "deep", files):
        closed.chmod(mode)
    remove(files)
    assert not files.exists()


@pytest.mark.parametrize("remove", [remove_tree, remove_files_of])
@pytest.mark.parametrize("within", [True, False])
def test_what_a_link_leads_to_stays_as_it_is(
    folder: Path, remove: Callable[[Path], None], within: bool
) -> None:
    files, other = folder / formats.FILES, folder / "other"
    (other / "kept").mkdir(parents=True)
    (other / "kept").chmod(0o500)
    if within:
        files.mkdir()
    (files / "link" if within else files).symlink_to(other)
    remove(files)
    assert not files.is_symlink() and not files.exists()
    assert (other / "kept").stat().st_mode & 0o777 == 0o500
