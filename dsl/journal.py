"""The journal of a run: every call on its machine, so that the same run can be made again from what was answered.

It is a list of rounds, plain JSON data: `[advances, entry…]`, the number of `advance` calls, then what was told the
machine before the next one. An entry is `[step]` (the result stands in the step's row), `[step, result]`,
`"cancel"`, or what was said to parked fibres: `{"do": word, …}`. A journal that is taken up after `take` goes on
where the one before ended.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from codeai.dsl.bind import Bound
from codeai.dsl.machine import Machine
from codeai.dsl.patched import Moved
from codeai.dsl.requests import Asking, EffectResult, Failed, Finished, Sliced
from codeai.dsl.stored import decode, encode
from codeai.dsl.values import ErrorValue, ExecValue, SecretHandle, Value

Round = list[Any]
CANCEL = "cancel"
PATCH = "patch"


class Journal:
    """Notes the calls on a machine; `size` is about how many bytes of JSON it has."""

    def __init__(self) -> None:
        self.rounds: list[Round] = []
        self.size = 0

    def started(self, inputs: Mapping[str, Value]) -> None:
        """The run was started with values of another program: secrets, results of commands."""
        self._note({"inputs": {name: encode(value) for name, value in inputs.items()}})

    def advanced(self) -> None:
        if self.rounds and len(self.rounds[-1]) == 1:
            self.rounds[-1][0] += 1
        else:
            self.rounds.append([1])
            self.size += 4

    def answered(self, step: int, result: EffectResult | None) -> None:
        """The machine was answered; None: what it was told stands in the step's row."""
        self._note([step] if result is None else [step, result_to_plain(result)])

    def cancelled(self) -> None:
        self._note(CANCEL)

    def parks(self) -> None:
        self._note({"do": "park_at_errors"})

    def retried(self, fibre: int) -> None:
        self._note({"do": "retry", "fibre": fibre})

    def skipped(self, fibre: int, value: Any) -> None:
        self._note({"do": "skip", "fibre": fibre, "value": value})

    def set(self, fibre: int, name: str, value: Any) -> None:
        self._note({"do": "set", "fibre": fibre, "name": name, "value": value})

    def patched(self, before: str, program: str, to: Moved, steps: int) -> None:
        """The run, which has begun so many steps, goes on with another program; each is named by its hash."""
        self._note({"do": PATCH, "before": before, "program": program, "steps": steps, **to.to_json()})

    def gave_up(self, error: ErrorValue) -> None:
        self._note({"do": "give_up", "error": _error_to_plain(error)})

    def revived(self) -> None:
        self._note({"do": "revive"})

    def take(self) -> list[Round]:
        """What was noted so far; from now on it notes what follows."""
        rounds, self.rounds, self.size = self.rounds, [], 0
        return rounds

    def _note(self, entry: Any) -> None:
        if not self.rounds:
            self.rounds.append([0])
        self.rounds[-1].append(entry)
        self.size += len(json.dumps(entry)) + 1


def replay(
    machine: Machine,
    rounds: list[Round],
    result_of: Callable[[int], EffectResult | None],
    program_of: Callable[[str], Bound],
) -> Iterator[Asking | Sliced | Finished | Failed]:
    """Makes the noted calls on a machine that stands where the journal began, and gives each answer of `advance`.
    Ends where a result is wanted that `result_of` a step's row does not have; `program_of` a hash is asked for each
    program with which the run went on."""
    for advances, *entries in rounds:
        for _ in range(advances):
            yield machine.advance()
        for entry in entries:
            if entry == CANCEL:
                machine.cancel()
            if isinstance(entry, dict):
                _said(machine, entry, program_of)
            if entry == CANCEL or isinstance(entry, dict):
                continue
            step, *plain = entry
            result = result_from_plain(plain[0]) if plain else result_of(step)
            if result is None:
                return
            machine.answer(step, result)


def _said(machine: Machine, entry: dict[str, Any], program_of: Callable[[str], Bound]) -> None:
    """Says to parked fibres what was said to them."""
    word = entry.get("do")
    if word == "retry":
        machine.retry(entry["fibre"])
    elif word == "skip":
        machine.skip(entry["fibre"], entry["value"])
    elif word == "set":
        machine.set(entry["fibre"], entry["name"], entry["value"])
    elif word == "give_up":
        machine.give_up(_error_from_plain(entry["error"]))
    elif word == "park_at_errors":
        machine.park_at_errors()
    elif word == "revive":
        machine.revive()
    elif word == PATCH:
        machine.patch(program_of(entry["program"]), Moved.from_json(entry))


def programs_in(rounds: list[Round]) -> list[tuple[str, str]]:
    """The hashes of the programs with which the run went on, each behind that of the one before."""
    return [
        (entry["before"], entry["program"])
        for _, *entries in rounds
        for entry in entries
        if isinstance(entry, dict) and entry.get("do") == PATCH
    ]


def begun_in(journals: Iterable[list[Round]]) -> dict[int, str]:
    """The hash of the program that began a step, for each step that the journals of a run, from its first one on, have
    an answer of; nothing where it never went on with another program."""
    now: str | None = None
    before: list[tuple[int, str]] = []
    found: dict[int, str | None] = {}
    for entry in (entry for rounds in journals for _, *entries in rounds for entry in entries):
        if isinstance(entry, dict) and entry.get("do") == PATCH:
            if now is None:
                found = dict.fromkeys(found, entry["before"])
            before.append((entry.get("steps", 0), entry["before"]))
            now = entry["program"]
        elif isinstance(entry, list):
            step = entry[0]
            at_first = next((hash for steps, hash in before if step <= steps), now)
            found[step] = now if step in found else at_first  # answered again: it was retried
    return {step: hash for step, hash in found.items() if hash is not None}


def inputs_of(rounds: list[Round]) -> dict[str, Value] | None:
    """The values with which the run was started, where its first journal has them."""
    for entry in rounds[0][1:2] if rounds else ():
        if isinstance(entry, dict) and "inputs" in entry:
            return {name: decode(value) for name, value in entry["inputs"].items()}
    return None


# Results as plain data, without loss


def result_to_plain(result: EffectResult) -> dict[str, Any]:
    """Plain JSON data from which `result_from_plain` makes the same result."""
    plain: dict[str, Any] = {}
    if result.error is not None:
        plain["error"] = _error_to_plain(result.error)
    if result.error is None or result.value is not None:
        plain["value"] = _to_plain(result.value)
    if not result.undoable:
        plain["undoable"] = False
    return plain


def result_from_plain(plain: dict[str, Any]) -> EffectResult:
    """The result that `result_to_plain` was given."""
    error = _error_from_plain(plain["error"]) if "error" in plain else None
    return EffectResult(_from_plain(plain.get("value")), error, plain.get("undoable", True))


def _error_to_plain(error: ErrorValue) -> dict[str, Any]:
    plain: dict[str, Any] = {"kind": error.kind, "message": error.message}
    for name in ("line", "exit_code", "stderr"):
        if getattr(error, name) is not None:
            plain[name] = getattr(error, name)
    if error.errors is not None:
        plain["errors"] = [_error_to_plain(one) for one in error.errors]
    return plain


def _error_from_plain(plain: dict[str, Any]) -> ErrorValue:
    fields = dict(plain)
    if "errors" in fields:
        fields["errors"] = tuple(_error_from_plain(one) for one in fields["errors"])
    return ErrorValue(**fields)


def _to_plain(value: Any) -> Any:
    """As `values.encode`, of plain data too: what an effect answers need not be a value of the language yet."""
    if isinstance(value, dict):
        plain = {key: _to_plain(item) for key, item in value.items()}
        return {"$map": plain} if any(key.startswith("$") for key in plain) else plain
    if isinstance(value, list | tuple):
        return [_to_plain(item) for item in value]
    return encode(value) if isinstance(value, ExecValue | ErrorValue | SecretHandle) else value


def _from_plain(plain: Any) -> Any:
    if isinstance(plain, list):
        return [_from_plain(item) for item in plain]
    if isinstance(plain, dict):
        special = next(iter(plain), "") if len(plain) == 1 else ""
        if special == "$map":
            plain = plain[special]
        elif special.startswith("$"):
            return decode(plain)
        return {key: _from_plain(item) for key, item in plain.items()}
    return plain
