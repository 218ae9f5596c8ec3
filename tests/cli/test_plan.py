"""`codeai plan`: what a run would do, without a platform."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Command

PROGRAM = """param who
param times = 1
for i in range(times) {
    exec { echo "$who" }
}
"""


@pytest.fixture(autouse=True)
def program(tmp_path: Path) -> None:
    (tmp_path / "a.cai").write_text(PROGRAM)


def test_it_shows_every_command_with_its_variables(command: Command) -> None:
    done = command("plan", "a.cai", "-i", "who=Ada", "-i", "times=2")
    assert (done.returncode, done.stderr) == (0, "")
    shown = '  4  exec\n         | echo "$who"\n         who = "Ada"\n'
    assert done.stdout == (shown * 2 + "\na run needs:\n  permissions  executions:write, configs:write\n")


def test_inputs_may_be_missing(command: Command) -> None:
    done = command("plan", "a.cai")
    assert done.returncode == 0
    assert "who = <input who>" in done.stdout and "  inputs       who\n" in done.stdout


def test_it_takes_inputs_from_a_file(command: Command, tmp_path: Path) -> None:
    (tmp_path / "inputs.json").write_text('{"times": 0}')
    assert "exec" not in command("plan", "a.cai", "--inputs", "inputs.json").stdout.partition("needs")[0]


def test_json_is_one_tree(command: Command) -> None:
    done = command("plan", "a.cai", "--output", "json")
    made = json.loads(done.stdout)
    assert made["missing_inputs"] == ["who"] and made["cut"] is None
    (entry,) = made["entries"]
    assert entry["variables"] == {"who": {"value": "<input who>", "known": False}}


@pytest.mark.parametrize("words", [["-i", "times=x"], ["-i", "nobody=x"]])
def test_inputs_that_do_not_fit_are_refused_as_for_a_run(command: Command, words: list[str]) -> None:
    done = command("plan", "a.cai", *words, "--output", "json")
    assert done.returncode == 2
    assert [one["code"] for one in json.loads(done.stdout)["diagnostics"]] == ["invalid_input"]


def test_an_invalid_program_has_diagnostics(command: Command) -> None:
    done = command("plan", "-", data="return regoin\n")
    assert done.returncode == 2 and "-:1:8: error: " in done.stderr


def test_a_terminal_obeys_nothing_that_is_in_a_program(command: Command) -> None:
    done = command("plan", "-", data="exec { echo '\x1b]0;title\x07' }\n")
    assert "\\x1b]0;title\\x07" in done.stdout


def test_nothing_is_executed(command: Command, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    assert (
        command("plan", "-", data=f"exec {{ touch {ran} }} undo {{ touch {ran} }}\nfail('x')\n").returncode
        == 0
    )
    assert not ran.exists()
