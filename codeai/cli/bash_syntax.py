"""What `bash -n` says about the commands of a program (`codeai check --shell`)."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator

from codeai.cli.exits import Stop
from codeai.dsl import tree
from codeai.dsl.check import Checked
from codeai.dsl.diagnostics import Diagnostic, Severity, Source
from codeai.dsl.tree_walk import walk

TIME_LIMIT = 10.0
"""Seconds for one command."""
_SAID = re.compile(r"line (\d+): (.+)")


def shell_errors(checked: Checked) -> Iterator[Diagnostic]:
    """A diagnostic for each command that bash cannot read. Raises Stop where there is no bash."""
    if checked.tree is None:
        return
    for node in walk(checked.tree):
        if isinstance(node, tree.Exec | tree.Undo):
            found = _SAID.search(_said(node.text))
            if found:
                yield _diagnostic(checked.source, node, int(found[1]), found[2])


def _said(text: str) -> str:
    try:
        done = subprocess.run(
            ["bash", "-n"], input=text, text=True, capture_output=True, timeout=TIME_LIMIT, check=False
        )
    except FileNotFoundError:
        raise Stop("--shell needs bash, and there is none on PATH") from None
    except subprocess.TimeoutExpired:
        return ""
    return done.stderr if done.returncode else ""


def _diagnostic(source: Source, node: tree.Exec | tree.Undo, number: int, message: str) -> Diagnostic:
    """At the line of the source that bash means, else at the command's beginning."""
    first, column = source.position(node.start)
    last, _ = source.position(node.end)
    lines = [line.strip() for line in node.text.split("\n")]
    begins = next(
        (
            at
            for at in range(first, last - len(lines) + 2)
            if all(line in source.line(number) for number, line in enumerate(lines, at))
        ),
        first,
    )
    line = begins + min(number, len(lines)) - 1 if lines[min(number, len(lines)) - 1] else first
    if line != first:
        column = len(source.line(line)) - len(source.line(line).lstrip()) + 1
    end = len(source.line(line)) + 1
    return Diagnostic("shell_syntax", Severity.ERROR, f"bash: {message}", line, column, line, end)
