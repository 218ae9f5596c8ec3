"""Where the installed Postgres lies below a folder that its account cannot enter, a copy is used."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from codeai.stack import postgres
from codeai.stack.errors import StackError
from codeai.stack.postgres import Cluster

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs Postgres as another account")


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty cache that every account may enter, and an installation that none may."""
    folder = Path(tempfile.mkdtemp(dir="/var/tmp"))
    folder.chmod(0o755)
    monkeypatch.setattr(postgres, "CACHE", folder)
    monkeypatch.setattr(postgres, "_may_enter", lambda account, binaries: folder in binaries.parents)
    yield folder
    shutil.rmtree(folder)


def test_the_copy_is_made_once_and_works(cache: Path, tmp_path: Path) -> None:
    cluster = Cluster.at(tmp_path / "postgres")
    assert cache in cluster.binaries.parents
    cluster.prepare("one")
    made = cluster.binaries.stat().st_ino
    assert Cluster.at(tmp_path / "postgres").binaries.stat().st_ino == made
    version = subprocess.run(
        [cluster.binaries / "postgres", "-V"], capture_output=True, text=True, check=True
    )
    assert "PostgreSQL" in version.stdout


def test_a_cache_that_others_may_write_to_is_not_trusted(cache: Path, tmp_path: Path) -> None:
    cache.chmod(0o777)
    with pytest.raises(StackError, match="must belong to root alone; correct it with: chown root"):
        Cluster.at(tmp_path / "postgres")
