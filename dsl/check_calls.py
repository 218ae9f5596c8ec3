"""Checks of options and arguments against the tables: `exec`, `undo`, `parallel`, effects, built-ins.

Only what is written down is judged: a literal of the wrong kind is an error here, a variable's value is looked
at when the program runs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from codeai.dsl import tree
from codeai.dsl.builtins import BUILTINS, Builtin, places
from codeai.dsl.check_literals import misfit
from codeai.dsl.diagnostics import Findings
from codeai.dsl.effects import EFFECTS, EXEC_OPTIONS, PARALLEL_OPTIONS, UNDO_OPTIONS, Effect, Option
from codeai.dsl.tree_walk import walk

_Given = tree.Option | tree.Argument


class CallChecks:
    """Looks at one node at a time. `functions` are the program's own: their calls are resolve.py's."""

    def __init__(self, findings: Findings, functions: frozenset[str]) -> None:
        self.findings = findings
        self.functions = functions
        self._visits: dict[type[tree.Node], Callable[[Any], None]] = {
            tree.Program: self._program,
            tree.Exec: lambda node: self._options("`exec`", node.options, EXEC_OPTIONS),
            tree.Undo: lambda node: self._options("`undo`", node.options, UNDO_OPTIONS),
            tree.Parallel: lambda node: self._options("`parallel`", node.options, PARALLEL_OPTIONS),
            tree.Call: self._call,
            tree.MapLiteral: self._map,
        }

    def visit(self, node: tree.Node) -> None:
        visit = self._visits.get(type(node))
        if visit is not None:
            visit(node)

    def _map(self, node: tree.MapLiteral) -> None:
        seen = set()
        for entry in node.entries:
            key = entry.key
            if isinstance(key, tree.StringLiteral):
                if key.value in seen:
                    shown = key.value if len(key.value) <= 40 else key.value[:37] + "…"
                    self.findings.add("duplicate_key", key.start, key.end, name=f'"{shown}"')
                seen.add(key.value)

    def _options(self, form: str, given: Sequence[_Given], known: Sequence[Option]) -> None:
        """Named options: each known, once, and of the right kind as far as it is a literal."""
        table = {option.name: option for option in known}
        seen = set()
        for one in given:
            if one.name is None:
                continue
            name = one.name.name
            option = table.get(name)
            if name in seen:
                self.findings.add("duplicate_option", one.name.start, one.name.end, name=name)
            elif option is None:
                hint = self.findings.did_you_mean(name, table)
                if not hint:
                    hint = f"it has {', '.join(table)}" if table else "it has none"
                self.findings.add("unknown_option", one.name.start, one.name.end, hint, form=form, name=name)
            else:
                self._value(form, option, one.value)
            seen.add(name)

    def _value(self, form: str, option: Option, value: tree.Node) -> None:
        wrong = misfit(option, value)
        if wrong is not None:
            at, expected, found = wrong
            self.findings.add(
                "bad_option", at.start, at.end, form=form, name=option.name, expected=expected, found=found
            )

    def _call(self, node: tree.Call) -> None:
        name = node.name.name
        if self._disordered(node) or name in self.functions:
            return
        effect, builtin = EFFECTS.get(name), BUILTINS.get(name)
        if effect is not None and not effect.available:
            self.findings.add("unavailable", node.name.start, node.name.end, name=name)
        elif effect is not None:
            self._effect(node, effect)
        elif builtin is not None:
            self._builtin(node, builtin)

    def _disordered(self, node: tree.Call) -> bool:
        """Reports an argument by position after one by name."""
        named = False
        for argument in node.arguments:
            if argument.name is not None:
                named = True
            elif named:
                self.findings.add("argument_order", argument.start, argument.end)
                return True
        return False

    def _effect(self, node: tree.Call, effect: Effect) -> None:
        form = f"`{effect.name}`"
        by_place = [argument for argument in node.arguments if argument.name is None]
        named = [argument for argument in node.arguments if argument.name is not None]
        options = list(effect.options)
        if effect.name == "log" and len(by_place) == 1:
            options.reverse()  # log(text), but log(level, text)
        if len(by_place) > effect.positional:
            self._number(node, form, _accepted(effect))
            return
        for option, argument in zip(options, by_place, strict=False):
            self._value(form, option, argument.value)
            for one in named:
                if one.name is not None and one.name.name == option.name:
                    self.findings.add("duplicate_argument", one.name.start, one.name.end, name=option.name)
        before = len(self.findings.found)
        self._options(form, named, effect.options)
        given = {option.name for option in options[: len(by_place)]}
        given |= {one.name.name for one in named if one.name is not None}
        missing = [option.name for option in effect.options if option.required and option.name not in given]
        if missing and len(self.findings.found) == before:
            self._number(node, form, _accepted(effect))

    def _builtin(self, node: tree.Call, builtin: Builtin) -> None:
        names = [argument.name for argument in node.arguments if argument.name is not None]
        known = {parameter.name for form in builtin.forms for parameter in form}
        seen = set()
        for name in names:
            if name.name not in known:
                hint = self.findings.did_you_mean(name.name, known) or f"it is {builtin.signature}"
                self.findings.add(
                    "unknown_argument", name.start, name.end, hint, form=f"`{builtin.name}`", name=name.name
                )
                return
            if name.name in seen:
                self.findings.add("duplicate_argument", name.start, name.end, name=name.name)
                return
            seen.add(name.name)
        if places(builtin, len(node.arguments) - len(names), [name.name for name in names]) is None:
            self._number(node, f"`{builtin.name}`", f"the arguments {builtin.signature}")

    def _number(self, node: tree.Call, form: str, expected: str) -> None:
        count = len(node.arguments)
        found = f"{count} argument{'' if count == 1 else 's'}"
        if any(argument.name is not None for argument in node.arguments):
            found = "others"
        self.findings.add(
            "wrong_arguments", node.name.start, node.end, form=form, expected=expected, found=found
        )

    def _program(self, node: tree.Program) -> None:
        """A `param`'s default is worked out before the run: it can do nothing."""
        for param in node.params:
            if param.default is not None:
                self._default(param.default)

    def _default(self, default: tree.Node) -> None:
        for node in walk(default):
            found = ""
            if isinstance(node, tree.Exec | tree.Parallel):
                found = f"`{node.node_type.lower()}`"
            elif isinstance(node, tree.Call) and node.name.name in EFFECTS:
                found = f"the effect `{node.name.name}`"
            elif isinstance(node, tree.Call) and node.name.name in self.functions:
                found = f"the program's own function `{node.name.name}`"
            if found:
                self.findings.add("impure_default", node.start, node.end, found=found)
                return


def _accepted(effect: Effect) -> str:
    """Such as `(text, timeout: …)`, for a message."""
    words = []
    for number, option in enumerate(effect.options):
        words.append(option.name if number < effect.positional else f"{option.name}: …")
    if effect.name == "log":
        return "(text) or (level, text)"
    return f"({', '.join(words)})" if words else "no arguments"
