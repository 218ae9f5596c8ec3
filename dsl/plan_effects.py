"""What an effect comes to in a plan: its entry, and what is known of its result before anything is done."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from codeai.dsl.effects import EFFECTS, EXEC_OPTIONS, UNDO_OPTIONS, Option
from codeai.dsl.environment import environment
from codeai.dsl.faults import Fault
from codeai.dsl.fibres import Fibre
from codeai.dsl.plan_entries import Command, Effect, Shown, Undo
from codeai.dsl.plan_unknown import Guess, is_unknown, plain, result_of_exec, unknown
from codeai.dsl.program import Code
from codeai.dsl.requests import Request, UndoRequest
from codeai.dsl.running import Slots
from codeai.dsl.values import Map, Value, mapping
from codeai.dsl.waiting import request_of

NEVER_FAIL = frozenset({"sleep", "log", "set_status", "emit", "now", "uuid", "random"})
_SILENT = frozenset({"now", "uuid", "random"})


@dataclass(frozen=True, slots=True)
class Foreseen:
    """An effect's entry (None: it only gives a value) and its result. With a `fault` it fails before it starts."""

    entry: Command | Effect | None
    result: Guess
    fault: Fault | None = None

    @property
    def size(self) -> int:
        """About how many characters the entry has."""
        entry = self.entry
        if isinstance(entry, Command):
            undo = len(entry.undo.text) + _size(entry.undo.variables) if entry.undo else 0
            calls = 4 * len(entry.calls)
            return calls + len(entry.text) + _size(entry.variables) + _size(entry.options) + undo
        return _size(entry.arguments) if entry else 0


def _size(values: Mapping[str, Shown]) -> int:
    return sum(len(name) + len(str(one.value)) for name, one in values.items())


def shown(value: Guess) -> Shown:
    """A value for people, shortened."""
    return Shown(plain(value), not is_unknown(value))


def foreseen(code: Code, pc: int, slots: Slots, given: dict[str, Any], calls: tuple[int, ...]) -> Foreseen:
    """What becomes of the effect at `pc`, which is given this.

    Raises:
        Fault: what is given does not fit.
    """
    if code.code[pc][0] == "exec":
        return _command(code, pc, slots, given, calls)
    name, line = code.code[pc][1], code.lines[pc]
    request = request_of(code, 0, Fibre(0, slots, pc), pc, slots, _known(given))
    arguments = _options(EFFECTS[name].options, given, request.arguments)
    entry = None if name in _SILENT else Effect(line, calls, name, arguments)
    return Foreseen(entry, _result(name, line, request.arguments))


def _known(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if not is_unknown(value)}


def _options(
    options: Iterable[Option], given: Mapping[str, Any], made: Mapping[str, Any]
) -> dict[str, Shown]:
    """What is given and is not the default: texts as they are used, all else as it is written (`"10m"`)."""
    found: dict[str, Shown] = {}
    for option in options:
        value, used = given.get(option.name), made[option.name]
        if is_unknown(value):
            found[option.name] = shown(value)
        elif option.name in given and used != option.default:
            found[option.name] = shown(used if isinstance(used, str) else value)
    return found


def _result(effect: str, line: int, arguments: Mapping[str, Value]) -> Guess:
    """By the table: null, the fields of a map, or something unknown."""
    form = EFFECTS[effect].result
    if form == "null":
        return None
    if not form.startswith("{"):
        return unknown(f"{effect} of line {line}")
    fields: dict[str, Any] = {
        name: unknown(f"{name} of line {line}") for name in form.strip("{}").split(", ")
    }
    if effect == "approve" and arguments["check"]:
        fields["approved"] = True  # the program goes on only then
    return mapping(fields.items())


# Commands


def _command(code: Code, pc: int, slots: Slots, given: dict[str, Any], calls: tuple[int, ...]) -> Foreseen:
    options, of_undo = given["options"], given["undo"]
    known = {"options": _known(options), "undo": _known(of_undo)}
    request = request_of(code, 0, Fibre(0, slots, pc), pc, slots, known)
    found = environment(_only_known(request))
    entry = Command(
        request.line,
        calls,
        request.text or "",
        _seen(request.variables, options, found.skipped),
        _options(EXEC_OPTIONS, options, request.arguments),
        None if request.undo is None else _undo(request, request.undo, options, of_undo),
    )
    checked = request.arguments["check"] is True and not is_unknown(options.get("check"))
    error = found.error
    fault = None if error is None else Fault(error.kind, error.message, error.line)
    return Foreseen(entry, result_of_exec(request.line, checked), fault)


def _undo(request: Request, undo: UndoRequest, options: dict[str, Any], given: dict[str, Any]) -> Undo:
    variables: dict[str, Any] = dict(undo.variables)
    if request.assigned is not None:
        variables[request.assigned] = result_of_exec(request.line, False)
    seen = _seen(variables, given if "env" in given else options)
    return Undo(undo.line, undo.text, seen, _options(UNDO_OPTIONS, given, undo.arguments))


def _seen(
    variables: Mapping[str, Any], options: Mapping[str, Any], skipped: tuple[str, ...] = ()
) -> dict[str, Shown]:
    """The variables that reach a shell by mention: those of the same name in `env` win, large ones are skipped."""
    env = options.get("env")
    added = env if isinstance(env, Map) else {}
    return {
        name: shown(value) for name, value in variables.items() if name not in added and name not in skipped
    }


def _only_known(request: Request) -> Request:
    undo = request.undo
    if undo is not None:
        undo = replace(undo, variables=_known(undo.variables))
    return replace(request, variables=_known(request.variables), undo=undo)
