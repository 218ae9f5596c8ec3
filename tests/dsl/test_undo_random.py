"""Whatever is answered, withdrawn, said and stored, in any order: what a command did is undone once, all else never."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from codeai.dsl.machine import Machine
from codeai.dsl.requests import Asking, EffectResult, Failed, Finished
from codeai.dsl.values import ErrorValue, ExecValue
from tests.dsl.runs import program

PROGRAM = program("""
exec { first } undo { u }
try {
    parallel for a in [1, 2] { exec { caught } undo { u } }
} catch e { log(e.kind) }
parallel(limit: 3) for a in range(4) {
    exec { outer } undo { u }
    parallel(on_error: "collect") for b in [1, 2] { exec { inner } undo(when: "succeeded") { u } }
    exec { plain }
}
exec { last } undo { u }
""")
CANCELLED = ErrorValue("cancelled", "cancelled")


@dataclass(slots=True)
class Played:
    """A run that parks. `did` are the commands that have done something, and whether they ended well."""

    data: st.DataObject
    machine: Machine = field(default_factory=lambda: Machine.start(PROGRAM, {}))
    did: dict[int, bool] = field(default_factory=dict)
    when: dict[int, str] = field(default_factory=dict)
    withdrawn: set[int] = field(default_factory=set)
    over: bool = False

    def play(self) -> None:
        self.machine.park_at_errors()
        for _turn in range(60):
            self.act(self.data.draw(st.sampled_from(self.possible())))
            if self.over:
                return
        self.machine.give_up(ErrorValue("failed", "enough"))
        while not self.over:
            self.act("advance" if self.machine.runnable else "answer")

    def possible(self) -> list[str]:
        return [
            "store",
            *["advance"] * (4 if self.machine.runnable else 0),
            *["answer"] * (4 if self.machine.pending else 0),
            *["retry", "retry", "skip"] * bool(self.machine.parked),
            *["give_up", "cancel"] * self.data.draw(st.booleans()),
        ]

    def act(self, what: str) -> None:
        machine = self.machine
        if what == "store":  # as continue-as-new does
            self.machine = Machine.resume(PROGRAM, json.loads(json.dumps(machine.state())))
        elif what == "advance":
            self.advance()
        elif what == "answer":
            step = self.data.draw(st.sampled_from(sorted(machine.pending)))
            machine.answer(step, self.answer(step))
        elif what == "cancel":
            machine.cancel()
        elif what == "give_up":
            machine.give_up(ErrorValue("failed", "enough"))
        else:
            parked = self.data.draw(st.sampled_from(machine.parked))
            getattr(machine, what)(parked.fibre)

    def advance(self) -> None:
        answer = self.machine.advance()
        self.over = isinstance(answer, Finished | Failed)
        if isinstance(answer, Asking):
            self.withdrawn |= set(answer.withdrawn)
            for request in answer.requests:
                if request.undo is not None:
                    self.when[request.step] = request.undo.arguments["when"]

    def answer(self, step: int) -> EffectResult:
        """It ran, well or not; it was never started; or it was cancelled, before it began or after."""
        ends = ["well", "ill", "never"] + ["cancelled", "never"] * 2 * (step in self.withdrawn)
        end = self.data.draw(st.sampled_from(ends))
        if self.machine.pending[step].effect != "exec":
            return EffectResult(None)
        self.withdrawn.discard(step)
        if end == "never":
            return EffectResult(error=CANCELLED, undoable=False)
        self.did[step] = end == "well"
        if end == "cancelled":
            return EffectResult(error=CANCELLED)
        return EffectResult(ExecValue("", "", 0 if end == "well" else 1))

    def to_undo(self) -> set[int]:
        return {
            step
            for step, well in self.did.items()
            if step in self.when and (well or self.when[step] == "always")
        }


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_what_was_done_is_undone_once_and_nothing_else(data: st.DataObject) -> None:
    played = Played(data)
    played.play()
    assert set(played.machine.undo_stack) == played.to_undo()
    assert len(played.machine.undo_stack) == len(played.to_undo())
