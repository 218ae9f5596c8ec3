"""A source to a checked tree with every diagnostic: syntax, names, options, arguments, style.

The one entry for the command line, the API and the editor. Never raises, whatever the input.
"""

from __future__ import annotations

from dataclasses import dataclass

from codeai.dsl import tree
from codeai.dsl.check_calls import CallChecks
from codeai.dsl.check_style import StyleChecks
from codeai.dsl.diagnostics import Diagnostic, Findings, Severity, Source
from codeai.dsl.parser import Parsed, parse
from codeai.dsl.resolve import Resolution, resolve
from codeai.dsl.tree_walk import walk

# What follows from a statement that could not be read, rather than being wrong itself.
_FOLLOWS_FROM_LOSS = frozenset({"unknown_function", "unused"})


@dataclass(frozen=True, slots=True)
class Checked:
    """A program and what is wrong with it. With errors, `tree` and `resolution` are as far as they could be
    made (None: nothing usable) and only for tools to look at."""

    tree: tree.Program | None
    resolution: Resolution | None
    diagnostics: tuple[Diagnostic, ...]
    source: Source

    @property
    def errors(self) -> tuple[Diagnostic, ...]:
        return tuple(one for one in self.diagnostics if one.severity is Severity.ERROR)


def check(source: bytes | str) -> Checked:
    """Everything that can be known about a program before it runs."""
    return checked(parse(source))


def checked(parsed: Parsed) -> Checked:
    """The same of a program that was read already."""
    program = parsed.tree
    if program is None:
        return Checked(None, None, parsed.diagnostics, parsed.source)
    calls, style = Findings(parsed.source), Findings(parsed.source)
    resolution = resolve(program, parsed.source)
    call_checks = CallChecks(calls, frozenset(resolution.functions))
    style_checks = StyleChecks(style)
    for node in walk(program):
        call_checks.visit(node)
        style_checks.visit(node)
    rest = (*resolution.diagnostics, *style.found)
    if parsed.lost is not None:
        rest = _before(rest, parsed.source.position(parsed.lost))
    found = sorted((*parsed.diagnostics, *calls.found, *rest), key=lambda one: (one.line, one.column))
    return Checked(program, resolution, tuple(found), parsed.source)


def _before(found: tuple[Diagnostic, ...], lost: tuple[int, int]) -> tuple[Diagnostic, ...]:
    """What does not depend on the part of the program that could not be read."""
    return tuple(one for one in found if (one.line, one.column) < lost and one.code not in _FOLLOWS_FROM_LOSS)
