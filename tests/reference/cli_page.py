"""The page on the command line: every command with its help, its example, and the exit codes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from codeai.cli.commands import root
from codeai.cli.exits import Exit
from tests.reference.markdown import block, code, table

EXAMPLE = re.compile(r"\s*Example: (?P<example>.+)\Z", re.DOTALL)
OF_THE_SHELL = ("--install-completion", "--show-completion", "--help")
"""Options that every command has from its library."""


@dataclass(frozen=True, slots=True)
class Command:
    """One command that does something: its words, what it says of itself, `(form, help)` of each parameter."""

    words: str
    about: str
    example: str
    usage: str
    parameters: tuple[tuple[str, str], ...]


def cli() -> str:
    """Every command."""
    commands = list(every_command())
    parts = [
        "What `codeai` can be asked. `--help` behind any command prints the same; a file named `-` is standard input "
        "where a\ncommand takes one. What answers takes `--output json`; a mistake is a line on standard error and an "
        'exit code\nother than 0. In bash, `eval "$(codeai --show-completion bash)"` completes commands, options and '
        "their values;\n`codeai --install-completion` does it for good (also for zsh and fish).\n",
        table(
            ("command", "what it does"),
            ((f"[{code(one.words)}](#{one.words.replace(' ', '-')})", _first(one.about)) for one in commands),
        ),
        "## Exit codes\n",
        table(("code", "meaning"), ((str(int(one)), one.meaning) for one in Exit)),
    ]
    for one in commands:
        parts += [f"## {one.words}\n", f"{one.about}\n", block("sh", one.example), code(one.usage) + "\n"]
        if one.parameters:
            rows = ((code(form), help) for form, help in one.parameters)
            parts.append(table(("argument or option", "what it does"), rows))
    return "\n".join(parts)


def every_command() -> Iterator[Command]:
    """The commands in the order of the table, those of a group one by one."""
    yield from _below(root(), "codeai")


def _below(command: Any, words: str) -> Iterator[Command]:
    context = command.make_context(words, [], resilient_parsing=True)
    if hasattr(command, "list_commands"):
        for name in command.list_commands(context):
            yield from _below(command.get_command(context, name), f"{words} {name}")
        return
    help = command.help or ""
    found = EXAMPLE.search(help)
    parameters = []
    for one in command.get_params(context):
        if not set(OF_THE_SHELL) & set(one.opts):
            form, about = one.get_help_record(context)
            parameters.append((form, " ".join(about.split())))
    yield Command(
        words,
        " ".join(EXAMPLE.sub("", help).split()),
        " ".join(found["example"].split()) if found else "",
        " ".join([words, *command.collect_usage_pieces(context)]),
        tuple(parameters),
    )


def _first(about: str) -> str:
    return re.split(r"(?<=[.;]) ", about)[0].removesuffix(";").removesuffix(".")
