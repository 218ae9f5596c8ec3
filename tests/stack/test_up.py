"""`codeai up`: everything by one command, one at a time on a folder, and nothing that blocks the next start."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from codeai.stack.processes import Process
from tests.platform import CODEAI, Platform, wait_until
from tests.postgres import PASSWORD, Server

pytestmark = pytest.mark.stack


@pytest.fixture
def stopped(tmp_path: Path) -> Iterator[Platform]:
    """A platform that was not started, in a folder that only its owner may enter, with a space in its name."""
    folder = tmp_path / "only mine"
    folder.mkdir(mode=0o700)
    made = Platform(folder)
    yield made
    made.close()


def status(stack: Platform) -> dict[str, object]:
    done = stack.command("status", "--output", "json")
    found: dict[str, object] = json.loads(done.stdout)
    return found


def children(stack: Platform) -> dict[str, Process]:
    pids = json.loads((stack.data / "up.json").read_text())["children"]
    return {name: process for name, pid in pids.items() if (process := Process.of(pid)) is not None}


def ports(stack: Platform) -> list[str]:
    return ["--port", str(stack.api), "--temporal-port", str(stack.temporal), "--ui-port", str(stack.ui)]


def test_everything_runs_and_a_second_start_goes_on_where_it_was(stopped: Platform) -> None:
    stopped.up()
    assert status(stopped)["status"] == "running"
    assert set(children(stopped)) == {"postgres", "temporal", "api", "worker"}
    assert stopped.request("GET", "/health/live")[0] == 200
    assert stat.S_IMODE(stopped.data.stat().st_mode) == 0o700
    private = [
        stopped.data / name
        for name in ("jwt.secret", "seal.key", "approvals.key", "up.json", "temporal.db", "logs")
    ]
    assert all(stat.S_IMODE(path.stat().st_mode) & 0o077 == 0 for path in private)

    made = stopped.write("one.cai", "return 1")
    assert stopped.command("configs", "create", "one", str(made)).returncode == 0
    again = stopped.command("up", *ports(stopped))
    assert again.returncode == 1 and len(again.stderr.splitlines()) == 1
    assert "already (pid " in again.stderr and stopped.url in again.stderr

    held = children(stopped)
    down = stopped.command("down")
    assert down.returncode == 0, down.stderr
    assert not any(process.alive for process in held.values())
    nothing = stopped.command("status")
    assert (nothing.returncode, nothing.stderr) == (
        1,
        "codeai: nothing is running here; start it with: codeai up\n",
    )
    stopped.up()
    assert "one" in stopped.command("configs", "list").stdout


def test_what_a_killed_up_leaves_does_not_block_the_next_start(stopped: Platform) -> None:
    for _ in range(2):
        stopped.up()
        left = children(stopped)
        os.kill(json.loads((stopped.data / "up.json").read_text())["pid"], signal.SIGKILL)
        stopped.up()
        assert not any(process.alive for process in left.values())
        assert stopped.request("GET", "/health/live")[0] == 200
        assert stopped.command("down").returncode == 0


def test_ctrl_c_stops_everything_in_order(stopped: Platform) -> None:
    with stopped.start("up", *ports(stopped)) as up:
        assert up.stdout is not None
        banner = [up.stdout.readline() for _ in range(4)]
        assert stopped.url in banner[1] and f"http://127.0.0.1:{stopped.ui}" in banner[2]
        held = children(stopped)
        up.send_signal(signal.SIGINT)
        assert up.wait(timeout=60) == 0
        assert up.stderr is not None and up.stderr.read() == ""
    assert not any(process.alive for process in held.values())
    assert not (stopped.data / "up.json").exists()


def test_ctrl_c_during_the_start_leaves_nothing(stopped: Platform) -> None:
    with stopped.start("up", *ports(stopped)) as up:
        wait_until(
            lambda: (stopped.data / "up.json").exists() and "postgres" in children(stopped), 30, "Postgres"
        )
        held = children(stopped)
        up.send_signal(signal.SIGINT)
        assert up.wait(timeout=30) == 0
    assert held and not any(process.alive for process in held.values())


def test_a_child_that_dies_is_started_again(stopped: Platform) -> None:
    stopped.up()
    for name in ("worker", "api", "temporal", "postgres"):
        died = stopped.kill(name)
        wait_until(
            lambda died=died, name=name: children(stopped).get(name, Process(died, "")).pid != died, 30, name
        )

    def well() -> bool:
        token = stopped.token
        try:
            return stopped.request("GET", "/configs", token=token)[0] == 200
        except OSError:
            return False  # it is being started

    wait_until(well, 60, "the API's answer from the database")
    said = (stopped.data / "logs" / "up.log").read_text()
    assert all(f"{name} (pid " in said for name in ("worker", "api", "temporal", "postgres"))
    assert "ended with SIGKILL; started again" in said


@pytest.mark.parametrize(
    ("flag", "which"), [("--port", "api"), ("--temporal-port", "temporal"), ("--ui-port", "ui")]
)
def test_a_port_that_is_taken_is_one_clear_line(stopped: Platform, flag: str, which: str) -> None:
    port = getattr(stopped, which)
    with socket.create_server(("127.0.0.1", port)):
        done = stopped.command("up", *ports(stopped))
    assert done.returncode == 1
    assert done.stderr == f"codeai: port {port} of 127.0.0.1 is in use; choose another with {flag}\n"


def test_bad_settings_stop_the_start_with_a_line_each(stopped: Platform) -> None:
    stopped.environment |= {"LOG_LEVEL": "loud", "CODEAI_SERVER_PROT": "1"}
    done = stopped.command("up", *ports(stopped))
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 2
    assert "LOG_LEVEL" in done.stderr and "CODEAI_SERVER_PROT" in done.stderr


def test_what_the_user_set_for_another_server_is_not_taken(stopped: Platform) -> None:
    stopped.environment |= {
        "DATABASE_HOST": "db.example.invalid",
        "DATABASE_NAME": "other",
        "TEMPORAL_ADDRESS": "temporal.example.invalid:7233",
        "TEMPORAL_NAMESPACE": "other",
    }
    stopped.up()
    assert status(stopped)["status"] == "running"
    assert stopped.request("GET", "/configs", token=stopped.token)[0] == 200


def test_a_postgres_of_ones_own_is_used_with_external(stopped: Platform, postgres: Server) -> None:
    owner = postgres.owner("external")
    asyncio.run(postgres.run("CREATE DATABASE external"))
    stopped.environment |= {
        "DATABASE_HOST": owner.host,
        "DATABASE_PORT": str(owner.port),
        "DATABASE_NAME": owner.name,
        "DATABASE_USER": owner.user,
        "DATABASE_PASSWORD": PASSWORD,
        # The roles are the server's: other tests log in as them, too.
        "CODEAI_DATABASE_WORKER_PASSWORD": PASSWORD,
        "CODEAI_DATABASE_API_PASSWORD": PASSWORD,
    }
    done = stopped.command("up", "--detach", "--external", "postgres", *ports(stopped))
    assert done.returncode == 0, done.stderr
    assert set(children(stopped)) == {"temporal", "api", "worker"}
    assert stopped.run("return 7")["result"] == 7


def test_without_a_worker_one_is_left_to_start_and_a_run_says_that_it_waits_for_it(stopped: Platform) -> None:
    done = stopped.command("up", "--detach", "--no-worker", *ports(stopped))
    assert done.returncode == 0, done.stderr
    assert "worker.env' && codeai worker all" in done.stdout
    assert set(children(stopped)) == {"postgres", "temporal", "api"}
    stopped.write("early.cai", "return 7\n")
    early = stopped.start("run", "early.cai")
    assert early.stderr is not None
    told = early.stderr.readline()
    assert told == (
        "· the run waits; queue codeai-workflows (workflows): no worker; start one with: codeai worker all\n"
    )
    script = ". .codeai/worker.env && exec codeai worker all"
    path = f"{CODEAI.parent}:{os.environ['PATH']}"
    worker = subprocess.Popen(
        ["/bin/sh", "-c", script],
        cwd=stopped.folder,
        env=stopped.environment | {"PATH": path},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        ready = stopped.data / "worker.ready"
        wait_until(lambda: ready.exists() and ready.read_text().strip() == str(worker.pid), 30, "the worker")
        shown, _ = early.communicate(timeout=60)
        assert (early.returncode, shown) == (0, "7\n")
    finally:
        worker.terminate()
        worker.wait()


def test_nothing_secret_stands_in_the_logs(stopped: Platform) -> None:
    stopped.up()
    secret = (stopped.data / "jwt.secret").read_text().strip()
    token = json.loads((stopped.folder / "config" / "codeai" / "credentials.json").read_text())
    known = [secret, token["servers"][stopped.url]["token"]]
    time.sleep(0.2)
    told = "".join(path.read_text(errors="replace") for path in (stopped.data / "logs").iterdir())
    assert not any(each in told for each in known)
