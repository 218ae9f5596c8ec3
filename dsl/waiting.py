"""What a waiting fibre asks for, and what it is given."""

from __future__ import annotations

from typing import Any

from codeai.dsl.faults import Fault
from codeai.dsl.fibres import Fibre, Group
from codeai.dsl.limits import EFFECT_INPUT, EFFECT_RESULT, VARIABLE_TO_SHELL
from codeai.dsl.program import Code
from codeai.dsl.requests import (
    EffectResult,
    Request,
    UndoRequest,
    effect_arguments,
    exec_error,
    input_size,
    undo_arguments,
)
from codeai.dsl.running import UNSET, Slots, caught
from codeai.dsl.values import (
    Array,
    ErrorValue,
    ExecValue,
    Map,
    Value,
    from_plain,
    size_of,
    text_size,
)


def request_of(code: Code, step: int, fibre: Fibre, pc: int, slots: Slots, given: dict[str, Any]) -> Request:
    """What a fibre asks for at the effect at `pc`.

    Raises:
        Fault: what is given does not fit.
    """
    kind, *operands = code.code[pc]
    line = code.lines[pc]
    if kind == "effect":
        arguments = effect_arguments(operands[0], _handed_out(given))
        return Request(step, operands[0], line, fibre.number, arguments)
    text, _, mentions, undo, assigned, _ = operands
    arguments = effect_arguments("exec", _handed_out(given["options"]))
    variables = _mentioned(mentions, slots)
    size = text_size(text) + input_size(arguments) + input_size(variables)
    entry = None
    if undo is not None:
        undo_line, undo_text, _, undo_mentions = undo
        undo_variables = _mentioned(undo_mentions, slots)
        size += text_size(undo_text) + input_size(undo_variables)
        entry = UndoRequest(
            undo_line, undo_text, undo_variables, undo_arguments(_handed_out(given["undo"]), arguments)
        )
    over = sum(found for value in variables.values() if (found := size_of(value)) > VARIABLE_TO_SHELL)
    if size - over > EFFECT_INPUT.most:
        raise EFFECT_INPUT.fault()
    return Request(step, "exec", line, fibre.number, arguments, text, variables, entry, assigned)


def _mentioned(mentions: list[list[Any]], slots: Slots) -> dict[str, Value]:
    """The variables that a shell text mentions, as they are now."""
    found = {name: slots[place] if place >= 0 else slots[1][~place] for name, place in mentions}
    return _handed_out(
        {name: value for name, value in found.items() if value is not UNSET and value is not None}
    )


def _handed_out(values: dict[str, Value]) -> dict[str, Value]:
    """Values that somebody outside holds from now on: the program may not change them in their place."""
    for value in values.values():
        if isinstance(value, Array | Map):
            value.shared = True
    return values


def received(request: Request, result: EffectResult) -> tuple[Value, ErrorValue | None]:
    """What a program gets of an answer: a value, or an error."""
    error = result.error
    if error is not None:
        line = request.line if error.line is None else error.line
        stderr = "" if error.stderr is None and request.effect == "exec" else error.stderr
        return None, ErrorValue(error.kind, error.message, line, error.exit_code, stderr, error.errors)
    try:
        value = from_plain(result.value)
        if isinstance(value, ExecValue):
            size = max(text_size(value.stdout), text_size(value.stderr))
        else:
            size = input_size({"": value})
        if size > EFFECT_RESULT.most:
            raise EFFECT_RESULT.fault()
    except Fault as fault:
        return None, caught(fault, request.line)
    if isinstance(value, ExecValue) and value.exit_code != 0 and request.arguments.get("check"):
        return None, exec_error(value, request.line)
    return value, None


def is_undoable(request: Request, result: EffectResult, error: ErrorValue | None, has_begun: bool) -> bool:
    """Whether the undo of an answered command, or of a run that is complete, stays on the stack. `has_begun`: an
    attempt before what was answered may have done something."""
    if not (result.undoable or has_begun):
        return False
    if request.undo is None:
        return error is None
    value = result.value
    succeeded = error is None and isinstance(value, ExecValue) and value.exit_code == 0
    return succeeded or request.undo.arguments["when"] != "succeeded"


def collected(group: Group, line: int) -> ErrorValue:
    """The failures of a group as one error, in item order."""
    errors = tuple(group.errors[place] for place in sorted(group.errors))
    kinds = {error.kind for error in errors}
    message = f"{len(errors)} of {group.count} iterations failed; the first: {errors[0].message}"
    return ErrorValue(errors[0].kind if len(kinds) == 1 else "failed", message[:2000], line, errors=errors)
