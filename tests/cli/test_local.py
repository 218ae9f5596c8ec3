"""Commands that need no platform, and what is said where one is needed."""

from __future__ import annotations

import json
import os
import pty
import re
from pathlib import Path

import pytest

from codeai.cli.commands import COMMANDS
from codeai.cli.terminal import for_stream, plain, put_json, visible
from tests.cli.conftest import Command

WRONG = 'var region = "eu"\nreturn regoin\n'


def test_check_shows_the_place_with_a_caret(command: Command, tmp_path: Path) -> None:
    (tmp_path / "a.cai").write_text(WRONG)
    done = command("check", "a.cai")
    assert done.returncode == 1
    assert done.stdout.splitlines()[0].startswith("a.cai:2:8: error: ")
    assert done.stdout.splitlines()[2].strip() == "|        ^^^^^^".strip()


def test_check_tells_the_same_as_json_and_to_github(command: Command, tmp_path: Path) -> None:
    (tmp_path / "a.cai").write_text(WRONG)
    (tmp_path / "b.cai").write_text("return 1\n")
    found = json.loads(command("check", "a.cai", "b.cai", "--format", "json").stdout)
    assert [(one["file"], one["line"], one["column"]) for one in found] == [("a.cai", 2, 8)]
    assert command("check", "--format=github", "a.cai").stdout.startswith("::error file=a.cai,line=2,")
    assert command("check", "b.cai").returncode == 0


def test_check_reads_standard_input(command: Command) -> None:
    assert command("check", "-", data="return 1\n").returncode == 0


def test_check_asks_bash_at_the_line_of_the_command(command: Command, tmp_path: Path) -> None:
    (tmp_path / "a.cai").write_text("var a = 1\nexec {\n    echo $a\n    if true; done\n}\n")
    assert command("check", "a.cai").returncode == 0
    done = command("check", "--shell", "a.cai")
    assert done.returncode == 1 and "a.cai:4:5: error: bash: " in done.stdout


def test_bash_is_quoted_at_its_own_line_where_another_reads_alike(command: Command, tmp_path: Path) -> None:
    text = "exec(retry: 1) { if a; then\n        b\n    fi\n\n    fi\n} undo {\n\n    c\n    done\n}\n"
    (tmp_path / "a.cai").write_text(text)
    found = json.loads(command("check", "--shell", "a.cai", "--format", "json").stdout)
    assert [(one["line"], one["column"]) for one in found] == [(5, 5), (9, 5)]


def test_a_file_that_cannot_be_read_does_not_hide_the_others(command: Command, tmp_path: Path) -> None:
    (tmp_path / "a.cai").write_text(WRONG)
    (tmp_path / "b.cai").write_text("return  1\n")
    (tmp_path / "folder").mkdir()
    files = ("a.cai", "gone.cai", "folder", "b.cai")
    whys = {"gone.cai": "No such file or directory", "folder": "Is a directory"}
    said = "".join(f"codeai: {file}: cannot be read: {why}\n" for file, why in whys.items())
    checked = command("check", *files, "--format", "json")
    assert (checked.returncode, checked.stderr) == (2, said)
    assert [one["file"] for one in json.loads(checked.stdout)] == ["a.cai"]
    formatted = command("fmt", *files)
    assert (formatted.returncode, formatted.stderr[-len(said) :]) == (2, said)
    assert (tmp_path / "b.cai").read_text() == "return 1\n"


def test_fmt_rewrites_in_place_and_keeps_the_mode(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "a.cai"
    file.write_text("var   a=1   # why\nreturn    a")
    file.chmod(0o640)
    assert command("fmt", "--check", "a.cai").returncode == 1
    shown = command("fmt", "--diff", "a.cai")
    assert shown.returncode == 0 and "+return a" in shown.stdout
    assert file.read_text().startswith("var   a")
    assert command("fmt", "a.cai").returncode == 0
    assert file.read_text() == "var a = 1  # why\nreturn a\n"
    assert file.stat().st_mode & 0o777 == 0o640
    assert command("fmt", "--check", "a.cai").returncode == 0


def test_fmt_and_check_answer_programs_as_well(command: Command, tmp_path: Path) -> None:
    (tmp_path / "a.cai").write_text("var  a=1\nlog(a)\n")
    (tmp_path / "b.cai").write_text("var = 1\n")
    done = command("fmt", "a.cai", "b.cai", "--output", "json")
    told = json.loads(done.stdout)["items"]
    assert done.returncode == 1
    assert [(one["file"], one["changes"]) for one in told] == [("a.cai", True), ("b.cai", False)]
    assert told[1]["diagnostics"][0]["line"] == 1
    assert (
        json.loads(command("fmt", "-", "--output", "json", data="log( 1 )").stdout)["items"][0]["content"]
        == "log(1)\n"
    )
    assert json.loads(command("check", "b.cai", "--output", "json").stdout)[0]["file"] == "b.cai"


def test_fmt_leaves_a_program_with_syntax_errors_alone(command: Command, tmp_path: Path) -> None:
    (tmp_path / "a.cai").write_text("return (")
    done = command("fmt", "a.cai")
    assert done.returncode == 1 and "a.cai:1:" in done.stderr
    assert (tmp_path / "a.cai").read_text() == "return ("


def test_ast_names_the_nodes(command: Command, tmp_path: Path) -> None:
    (tmp_path / "a.cai").write_text("var a = 1\nif a == 1 { return len([a]) }\n")
    text = command("ast", "a.cai").stdout
    for name in ("Program", "VarDecl", "If", "Block", "Return", "Call", "Binary", "Identifier"):
        assert name in text
    assert (
        json.loads(command("ast", "a.cai", "--output", "json").stdout)["nodes"][0]["node_type"] == "Program"
    )


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["-i", "n=x", "-i", "a=1"], 2),
        (["-i", "n:=[", "-i", "a=1"], 2),
        ([], 1),
        (["-i", "a=1", "-i", "unknown=1"], 1),
    ],
)
def test_run_checks_inputs_before_it_looks_for_a_platform(
    command: Command, tmp_path: Path, words: list[str], line: int
) -> None:
    (tmp_path / "a.cai").write_text("param a\nparam n = 1\nreturn [a, n]\n")
    done = command("run", "a.cai", *words, "--output", "json")
    assert done.returncode == 2
    (found,) = json.loads(done.stdout)["diagnostics"]
    assert (found["code"], found["line"]) == ("invalid_input", line)
    assert command("run", "a.cai", *words).stderr.startswith(f"a.cai:{line}:")


def test_run_takes_inputs_from_a_file_and_from_words(command: Command, tmp_path: Path) -> None:
    (tmp_path / "a.cai").write_text("param a\nparam n = 1\nreturn [a, n]\n")
    (tmp_path / "inputs.json").write_text('{"a": "x", "n": "not a number"}')
    assert command("run", "a.cai", "--inputs", "inputs.json").returncode == 2
    good = command("run", "a.cai", "--inputs", "inputs.json", "-i", "n=2")
    assert good.returncode == 1 and "codeai up" in good.stderr


def test_run_shows_what_is_wrong_with_a_program(command: Command, tmp_path: Path) -> None:
    (tmp_path / "a.cai").write_text(WRONG)
    done = command("run", "a.cai")
    assert done.returncode == 2 and "a.cai:2:8: error: " in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["frobnicate"],
        ["run"],
        ["run", "nowhere.cai"],
        ["run", "nowhere.cai", "-i", "x"],
        ["check", "."],
        ["check", "a.cai", "--format", "xml"],
        ["logs"],
        ["state", "--url", "ftp://localhost"],
        ["cancel", "--url", "http://127.0.0.1:9"],
        ["executions", "list"],
        ["deployments", "show"],
        ["token", "create", "--role", "admin", "--ttl", "soon"],
        ["token", "create", "--role", "admin", "--ttl", "91d"],
        ["token", "create", "--role", "admin"],
        ["serve", "--config", "nowhere.yaml"],
    ],
    ids=" ".join,
)
def test_an_error_is_one_clear_line(command: Command, words: list[str]) -> None:
    done = command(*words)
    assert done.returncode in (1, 2)
    assert len(done.stderr.splitlines()) == 1 and done.stderr.startswith("codeai: ")
    assert "Traceback" not in done.stderr and "an error of ours" not in done.stderr


def test_serve_says_at_once_everything_that_is_missing(command: Command) -> None:
    done = command("serve")
    assert done.returncode == 1
    for name in ("JWT_SECRET", "JWT_ISSUER", "JWT_AUDIENCE"):
        assert name in done.stderr


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(command: Command, name: str) -> None:
    done = command(name, "--help")
    assert done.returncode == 0 and done.stdout.startswith(f"Usage: codeai {name}")


def test_the_commands_are_listed(command: Command) -> None:
    listed = command("--help").stdout
    assert all(f"  {name} " in listed for name in COMMANDS)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain\ttext\n", "plain\ttext\n"),
        ("\x1b[1;31mred\x1b[0m", "\x1b[1;31mred\x1b[0m"),
        ("\x1b[31mred\x1b[m\n", "\x1b[31mred\x1b[m\n"),
        ("\x1b[8mhides what comes next\n", "\x1b[8mhides what comes next\x1b[0m\n"),
        ("\x1b[30;40mand", "\x1b[30;40mand\x1b[0m"),
        ("\x1b]52;c;cm0gLXJm\x1b\\", "\\x1b]52;c;cm0gLXJm\\x1b\\"),
        ("\x1bP$q\x1b\\\x1b[6n\x1b[?1049h", "\\x1bP$q\\x1b\\\\x1b[6n\\x1b[?1049h"),
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("\x1b[2Jgone\x1b[H", "\\x1b[2Jgone\\x1b[H"),
        ("over\rwritten", "over\\x0dwritten"),
        ("line\r\n", "line\n"),
        ("\x9b31m\x00\x7f", "\\x9b31m\\x00\\x7f"),
        ("a\u202eb", "a\\u202eb"),
    ],
)
def test_a_terminal_obeys_nothing_that_a_step_printed(text: str, shown: str) -> None:
    assert visible(text) == shown


@pytest.mark.parametrize("text", ["\x1b[31;8mred", "\x1b]0;t\x07", "a\rb\nc", "\x9b2J", "\u202eb", "\x00"])
def test_nothing_of_a_cell_of_a_table_is_obeyed(text: str) -> None:
    """Names, errors, comments: whatever somebody could choose."""
    for shown in (plain(text), plain(visible(text))):
        assert re.search(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e]", shown) is None


def test_nothing_of_a_json_answer_is_obeyed_and_it_says_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    value = {"text": "\x9b2J\x1b]0;t\x07\x7f\u202eb\u061c ü€😀"}
    put_json(value)
    shown = capsys.readouterr().out
    assert re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u202a-\u202e]", shown) is None
    assert "ü€😀" in shown and json.loads(shown) == value


def test_raw_output_is_for_files_also_where_only_one_of_two_streams_is_one(tmp_path: Path) -> None:
    """`codeai logs --raw > file`: what goes to the terminal beside it is harmless."""
    primary, secondary = pty.openpty()
    with os.fdopen(secondary, "w") as terminal, (tmp_path / "file").open("w") as file:
        assert for_stream("\x1b[2J\n", file, raw=True) == "\x1b[2J\n"
        assert for_stream("\x1b[2J\n", terminal, raw=True) == "\\x1b[2J\n"
    os.close(primary)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("exec", "--build-id", "one"), "it goes with workflows and all"),
        (("workflows", "--build-id", "one:two"), "'one:two' is no build id"),
        (("all", "--build-id", ""), "'' is no build id"),
        (("workflows", "--label", "gpu"), "it goes with exec"),
        (("exec", "--label", "gpu/1"), "'gpu/1' is no label"),
    ],
)
def test_a_worker_that_cannot_be_as_it_is_told_is_refused_in_one_line(
    command: Command, words: tuple[str, ...], why: str
) -> None:
    refused = command("worker", *words)
    assert refused.returncode == 1 and why in refused.stderr
    assert len(refused.stderr.splitlines()) == 1 and refused.stdout == ""
