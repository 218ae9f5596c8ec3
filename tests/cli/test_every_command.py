"""What holds for every command: help with an example, and one clear line for a mistake."""

from __future__ import annotations

import io
import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from codeai.cli.commands import COMMANDS, root
from codeai.cli.main import _run
from tests.platform import CODEAI

BY_THEMSELVES = {
    "up",
    "lsp",
    "serve",
    "worker",
    "check",
    "fmt",
    "plan",
    "ast",
    "config show",
    "secrets key",
    "approvals key",
}
"""Commands that need no platform, or are one."""


def commands() -> Iterator[tuple[str, Any]]:
    """Every command by its words, those of a group one by one."""

    def below(command: Any, words: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
        if not hasattr(command, "list_commands"):
            yield " ".join(words), command
            return
        context = command.make_context("codeai", [], resilient_parsing=True)
        for name in command.list_commands(context):
            yield from below(command.get_command(context, name), (*words, name))

    yield from below(root(), ())


EVERY = dict(commands())


@pytest.fixture(autouse=True)
def far_from_any_platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith(("CODEAI_", "DATABASE_", "JWT_", "TEMPORAL_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("CODEAI_DATA_DIR", str(tmp_path / "none"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("DATABASE_PORT", "1")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x").write_text("log(1)\n")


def arguments(command: Any) -> list[str]:
    """Something for whatever a command must be given; `x` is a file."""
    given = []
    for one in command.params:
        if not one.required:
            continue
        value = "1" if one.type_descriptor.annotation is int else "x"
        given += [value] if one.param_type_name == "argument" else [one.opts[0], value]
    return given


def test_the_walk_finds_every_command() -> None:
    assert {words.split()[0] for words in EVERY} == set(COMMANDS)


@pytest.mark.parametrize("words", EVERY)
def test_a_command_has_help_with_an_example(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run([*words.split(), "--help"]) == 0
    assert re.search(r"Example: .*codeai", " ".join(capsys.readouterr().out.split()))


def test_the_command_tells_its_version_and_without_a_word_what_there_is(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert _run(["--version"]) == 0
    assert capsys.readouterr().out == f"codeai {version('codeai')}\n"
    assert _run([]) == 2
    assert "executions" in capsys.readouterr().out


@pytest.mark.parametrize("words", EVERY)
def test_a_wrong_option_is_told_in_one_line(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run([*words.split(), "--no-such-option"]) == 2
    said = capsys.readouterr()
    assert said.out == "" and len(said.err.splitlines()) == 1
    assert said.err.startswith("codeai: ") and "--no-such-option" in said.err
    assert f"See: codeai {words} --help" in said.err


@pytest.mark.parametrize("words", [words for words in EVERY if words not in BY_THEMSELVES])
def test_a_platform_that_is_not_there_is_told_in_one_line(
    words: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"a value")))
    assert _run([*words.split(), *arguments(EVERY[words])]) in (1, 2)
    said = capsys.readouterr()
    assert said.out == "" and len(said.err.splitlines()) == 1, said.err
    assert said.err.startswith("codeai: ") and "an error of ours" not in said.err


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("codeai depl", {"deployments"}),
        ("codeai deployments ", {"list", "show", "create", "update", "delete", "execute", "stop"}),
        ("codeai run --fail", {"--failure-policy"}),
        ("codeai worker ", {"all", "workflows", "exec"}),
        ("codeai roles list --output ", {"table", "json"}),
    ],
)
def test_bash_completes_what_is_typed(typed: str, offered: set[str]) -> None:
    words = [*typed.split(), *([""] if typed.endswith(" ") else [])]
    script = (
        'eval "$(codeai --show-completion bash)"\n'
        f"COMP_WORDS=({shlex.join(words)})\nCOMP_CWORD={len(words) - 1}\n"
        '$(complete -p codeai | sed "s/.*-F \\([^ ]*\\) .*/\\1/") codeai\n'
        'printf "%s\\n" "${COMPREPLY[@]}"\n'
    )
    path = f"{CODEAI.parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, env={**os.environ, "PATH": path}, check=False
    )
    assert set(done.stdout.split()) == offered, done.stderr
