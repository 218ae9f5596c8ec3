"""A parked run: which fibre a command means, what is refused, until when it waits, and what its log says of it."""

from __future__ import annotations

from typing import Any

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from codeai.dsl.faults import Fault
from codeai.dsl.journal import Journal
from codeai.dsl.machine import Machine
from codeai.dsl.parking import Parked
from codeai.dsl.values import ErrorValue
from codeai.workflows.contracts.commands import ParkedInput, SetInput, SkipInput
from codeai.workflows.contracts.executions import Parking
from codeai.workflows.effects.notebook import Notebook
from codeai.workflows.states import note_id


class Park:
    """What a run knows of its being parked. `ends_by` is the word that ends it: rollback or abort."""

    def __init__(self) -> None:
        self.parking = Parking()
        self.times: dict[int, int] = {}
        """How often the log of this workflow run has told that a fibre is parked."""
        self.ends_by: str | None = None

    def seconds_left(self, machine: Machine) -> float | None:
        """How long the run may still be parked; None where it is not. Its time begins when it is first looked at."""
        if not machine.is_parked:
            if self.parking.since is not None:
                self.parking = self.parking.model_copy(update={"since": None})
            return None
        if self.parking.since is None:
            self.parking = self.parking.model_copy(update={"since": workflow.time()})
        until = self.parking.until
        return None if until is None else max(0.0, until - workflow.time())

    def tell(self, machine: Machine, notes: Notebook) -> None:
        """Has the log say which fibres are parked, each once."""
        parked = machine.parked
        for one, text in zip(parked, self.lines(machine), strict=True):
            if one.fibre not in self.parking.told:
                self.times[one.fibre] = nth = self.times.get(one.fibre, 0) + 1
                notes.log(note_id(f"parked/{one.fibre}/{nth}"), "error", text, is_awaited=True)
        told = tuple(one.fibre for one in parked)
        if told != self.parking.told:
            self.parking = self.parking.model_copy(update={"told": told})

    def lines(self, machine: Machine) -> list[str]:
        """Where and why each fibre is parked."""
        parked = machine.parked

        def which(fibre: int) -> str:
            return f" (fibre {fibre})" if len(parked) > 1 or fibre > 1 else ""

        return [f"parked at line {one.error.line}{which(one.fibre)}: {one.error.message}" for one in parked]

    def goes_on(self, fibre: int) -> None:
        """A fibre is parked no longer; where it parks again the log says so again."""
        told = tuple(one for one in self.parking.told if one != fibre)
        self.parking = self.parking.model_copy(update={"told": told})

    def give_up(self, machine: Machine, journal: Journal, word: str, error: ErrorValue) -> None:
        """The run ends with that error: by `rollback` it is undone, by `abort` not."""
        self.ends_by = word
        machine.give_up(error)
        journal.gave_up(error)


def meant(machine: Machine, given: ParkedInput) -> Parked:
    """The parked fibre that a command is for. Raises ApplicationError: not_parked, which_fibre."""
    parked = {one.fibre: one for one in machine.parked}
    if given.fibre is not None:
        if given.fibre not in parked:
            raise refused("not_parked", f"fibre {given.fibre} is not parked{_there_are(parked)}")
        return parked[given.fibre]
    if not parked:
        raise refused("not_parked", "nothing of this run is parked")
    if len(parked) > 1:
        raise refused("which_fibre", f"several fibres are parked, name one{_there_are(parked)}")
    return next(iter(parked.values()))


def retry(machine: Machine, journal: Journal, one: Parked) -> None:
    """The failed statement again."""
    machine.retry(one.fibre)
    journal.retried(one.fibre)


def skip(machine: Machine, journal: Journal, one: Parked, given: SkipInput) -> None:
    """Past the failed statement. Raises ApplicationError(invalid_value)."""
    try:
        machine.skip(one.fibre, given.value)
    except Fault as fault:
        raise refused("invalid_value", f"line {one.error.line}: {fault.message}") from None
    journal.skipped(one.fibre, given.value)


def set_variable(machine: Machine, journal: Journal, one: Parked, given: SetInput) -> None:
    """Another value for a variable. Raises ApplicationError(no_variable, invalid_value)."""
    try:
        machine.set(one.fibre, given.name, given.value)
    except Fault as fault:
        code = "no_variable" if fault.kind == "name_error" else "invalid_value"
        raise refused(code, f"line {one.error.line}: {fault.message}") from None
    journal.set(one.fibre, given.name, given.value)


def refused(code: str, message: str, *details: Any) -> ApplicationError:
    """A command that is not taken, and why."""
    return ApplicationError(message, *details, type=code, non_retryable=True)


def _there_are(parked: dict[int, Parked]) -> str:
    if not parked:
        return ""
    listed = "; ".join(
        f"fibre {one.fibre} at line {one.error.line}: {one.error.message}" for one in parked.values()
    )
    return f" (parked are: {listed[:1000]})"
