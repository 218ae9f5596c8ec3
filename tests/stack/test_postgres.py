"""Our own Postgres: from nothing, again, after a crash, in folders that its account cannot reach by itself."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from codeai.stack.errors import StackError
from codeai.stack.postgres import OWNER, Cluster, free_port
from codeai.stack.processes import Process, spawn_options


@contextlib.contextmanager
def served(cluster: Cluster) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    port = free_port()
    command = cluster.command(port, {"fsync": "off"})
    process = subprocess.Popen(command.argv, **spawn_options(command, subprocess.DEVNULL))
    try:
        while not cluster.ready(process.pid):
            assert process.poll() is None
            time.sleep(0.01)
        yield port, process
    finally:
        if process.poll() is None:
            process.send_signal(command.stop)
        process.wait()


async def asked(port: int, password: str, question: str) -> object:
    connection = await asyncpg.connect(
        host="127.0.0.1", port=port, user=OWNER, password=password, database="postgres"
    )
    try:
        return await connection.fetchval(question)
    finally:
        await connection.close()


@pytest.fixture
def hidden(tmp_path: Path) -> Path:
    """A folder inside one that only its owner may enter, with a space in its name."""
    folder = tmp_path / "only mine"
    folder.mkdir(mode=0o700)
    return folder / "postgres"


async def test_data_and_a_new_password_after_a_stop_and_after_a_crash(hidden: Path) -> None:
    cluster = Cluster.at(hidden)
    cluster.prepare("one")
    with served(cluster) as (port, _):
        await asked(port, "one", "CREATE TABLE kept AS SELECT 1 AS n")
        for _ in range(2):
            await cluster.make_database("codeai", port, "one")
    cluster.prepare("two")
    with served(cluster) as (port, process):
        assert await asked(port, "two", "SELECT n FROM kept") == 1
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asked(port, "one", "SELECT 1")
        process.kill()
        process.wait()
    cluster.prepare("three")
    with served(cluster) as (port, _):
        assert await asked(port, "three", "SELECT n FROM kept") == 1


def test_a_server_that_was_left_behind_is_stopped(hidden: Path) -> None:
    cluster = Cluster.at(hidden)
    cluster.prepare("one")
    with served(cluster) as (_, process):
        cluster.stop_stale()
        assert process.wait(timeout=5) == 0


def test_a_note_of_another_process_is_not_believed(hidden: Path) -> None:
    cluster = Cluster.at(hidden)
    cluster.prepare("one")
    (hidden / "postmaster.pid").write_text(f"{os.getpid()}\n{hidden}\n")
    cluster.stop_stale()
    with served(cluster):
        pass


def test_another_versions_data_is_refused_with_what_to_do(hidden: Path) -> None:
    cluster = Cluster.at(hidden)
    cluster.make("one")
    (hidden / "PG_VERSION").write_text("12\n")
    with pytest.raises(StackError, match="was made by Postgres 12"):
        cluster.prepare("one")


def test_an_interrupted_beginning_is_begun_again(hidden: Path) -> None:
    hidden.mkdir()
    (hidden / "base").mkdir()
    cluster = Cluster.at(hidden)
    cluster.prepare("one")
    with served(cluster):
        pass


@pytest.mark.skipif(not Path("/proc").exists(), reason="needs Linux")
def test_postgres_ends_with_the_process_that_started_it(hidden: Path) -> None:
    cluster = Cluster.at(hidden)
    cluster.make("one")
    starter = os.fork()
    if starter == 0:
        command = cluster.command(free_port(), {"fsync": "off"})
        subprocess.Popen(command.argv, **spawn_options(command, subprocess.DEVNULL))
        time.sleep(60)
        os._exit(0)
    pid_file = hidden / "postmaster.pid"
    while not pid_file.exists() or len(pid_file.read_text().splitlines()) < 8:
        time.sleep(0.01)
    server = Process.of(int(pid_file.read_text().split()[0]))
    assert server is not None and server.alive
    os.kill(starter, signal.SIGKILL)
    os.waitpid(starter, 0)
    until = time.monotonic() + 10
    while server.alive and time.monotonic() < until:
        time.sleep(0.01)
    assert not server.alive and not pid_file.exists()
