"""A run goes on with an edited program: an activity compares it with what has run, the machine is moved to it."""

from __future__ import annotations

from dataclasses import dataclass

from codeai.dsl.bind import Bound
from codeai.dsl.journal import Journal
from codeai.dsl.machine import Machine
from codeai.dsl.patched import Moved, Standing
from codeai.workflows import calls
from codeai.workflows.contracts.errors import RunError
from codeai.workflows.contracts.records import PatchInput
from codeai.workflows.programs import bound_program

MOVED = "the run went on while the program was compared; say it again"


class NotPatched(Exception):
    """The edited program cannot be taken, and why."""

    def __init__(self, error: RunError) -> None:
        super().__init__(error.message)
        self.error = error


@dataclass(frozen=True, slots=True)
class Patch:
    """An edited program, and where a run that stood so stands in it."""

    before: str
    hash: str
    program: Bound
    standing: Standing
    to: Moved

    def fits(self, machine: Machine, program_hash: str) -> bool:
        """Whether the run stands where it stood when it was compared."""
        return self.before == program_hash and self.standing == machine.standing()

    def apply(self, machine: Machine, journal: Journal) -> None:
        """Parked fibres go on at their failed statements."""
        machine.patch(self.program, self.to)
        journal.patched(self.before, self.hash, self.to, machine.steps)


async def compared(machine: Machine, before: str, text: str) -> Patch:
    """The patch that makes a run go on with the program `text`. Raises NotPatched."""
    standing = machine.standing()
    found = await calls.PATCH_PROGRAM(PatchInput(before=before, program=text, standing=standing.to_json()))
    if found.error is not None:
        raise NotPatched(found.error)
    program = bound_program(found.program_hash, found.code)
    return Patch(before, found.program_hash, program, standing, Moved.from_json(found.moved))
