"""Random programs: what a run asks for, whatever the answers are, is in the plan, in that order."""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import pytest

from codeai.dsl.brief import brief
from codeai.dsl.check import check
from codeai.dsl.compile import compile_program
from codeai.dsl.plan import Plan, plan
from codeai.dsl.plan_effects import NEVER_FAIL
from codeai.dsl.plan_entries import Choice, Command, Effect, Entry, Failure, Leave, Loop, Parallel, Shown, Try
from codeai.dsl.plan_unknown import LONGEST
from codeai.dsl.requests import EffectResult, Request
from codeai.dsl.values import ErrorValue, ExecValue
from tests.dsl.random_programs import Programs
from tests.dsl.runs import Run, run

SEEDS = range(40)


def planned(source: str) -> Plan:
    return plan(compile_program(check(source)), {})


# A program that uses no result: there is one way, and the plan is it


class Steady(Programs):
    """No command's result is looked at."""

    def command(self, seen: list[str], check: bool) -> str:
        return "7" if check else f"exec {{ echo ${self.random.choice(seen)} }}"


def certain(entries: list[Entry]) -> list[Any]:
    """What happens where nothing fails but what must."""
    made: list[Any] = []
    for entry in entries:
        if isinstance(entry, Try):
            made += certain(entry.entries) + (certain(entry.handler) if entry.certain else [])
        elif isinstance(entry, Command):
            made.append((entry.line, entry.text, entry.variables))
        elif isinstance(entry, Effect):
            made.append((entry.line, entry.effect, entry.arguments))
        else:
            assert isinstance(entry, Failure | Leave), entry
    return made


def asked(request: Request) -> Any:
    given = request.variables if request.effect == "exec" else {"text": request.arguments["text"]}
    shown = {name: Shown(brief(value, LONGEST)) for name, value in given.items()}
    return request.line, request.text or request.effect, shown


def ending(entries: list[Entry]) -> Entry | None:
    """The entry with which the program ends."""
    last = entries[-1] if entries else None
    return ending(last.handler or last.entries) if isinstance(last, Try) else last


@pytest.mark.parametrize("seed", SEEDS)
def test_a_program_that_uses_no_result_is_planned_as_it_runs(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("codeai.dsl.plan_walk.NEVER_FAIL", NEVER_FAIL | {"exec"})
    source = Steady(seed, fibres=False).program()
    foreseen, done = planned(source), run(source, answer=lambda _: EffectResult(ExecValue("", "", 0)))
    if foreseen.cut:
        pytest.skip(foreseen.cut)
    assert certain(foreseen.entries) == [asked(request) for request in done.requests]
    last = ending(foreseen.entries)
    if done.error is None:
        assert isinstance(last, Leave)
        assert last.value == Shown(brief(done.result, LONGEST))
    else:
        assert isinstance(last, Failure)
        assert (last.kind, last.line, last.message) == (done.error.kind, done.error.line, done.error.message)


# Any program: a run is a walk through its plan


@dataclass(frozen=True)
class Spot:
    """An entry, with the loops around it and the arms that it stands in: (choice, number, loops around that)."""

    entry: Command | Effect
    loops: frozenset[int]
    arms: tuple[tuple[int, int, frozenset[int]], ...]

    def before(self, other: Spot) -> bool:
        """Whether a run that was here may come to `other`, which stands further down."""
        theirs = {choice: arm for choice, arm, _ in other.arms}
        return all(theirs.get(choice, arm) == arm for choice, arm, _ in self.arms)


def spots(foreseen: Plan) -> dict[int, list[Spot]]:
    """The commands of each fibre, in order; those of the program itself are number 0."""
    found: dict[int, list[Spot]] = defaultdict(list)
    found[0] = []
    todo: list[tuple[Entry, int, frozenset[int], tuple[Any, ...]]]
    todo = [(entry, 0, frozenset(), ()) for entry in reversed(foreseen.entries)]
    while todo:
        entry, fibre, loops, arms = todo.pop()
        inside: list[tuple[Entry, int, frozenset[int], tuple[Any, ...]]] = []
        if isinstance(entry, Command | Effect):
            found[fibre].append(Spot(entry, loops, arms))
        elif isinstance(entry, Choice):
            for number, arm in enumerate(entry.arms):
                where = (*arms, (id(entry), number, loops))
                inside += [(one, fibre, loops, where) for one in arm.entries]
        elif isinstance(entry, Loop):
            inside = [(one, fibre, loops | {id(entry)}, arms) for one in entry.entries]
        elif isinstance(entry, Try):
            inside = [(one, fibre, loops, arms) for one in (*entry.entries, *entry.handler)]
        elif isinstance(entry, Parallel):
            inside = [(e, id(one), frozenset(), ()) for one in entry.fibres for e in one.entries]
        todo += reversed(inside)
    return found


def fits(spot: Spot, request: Request) -> bool:
    entry = spot.entry
    if isinstance(entry, Effect):
        if (entry.line, entry.effect) != (request.line, request.effect):
            return False
        shown = {"text": entry.arguments["text"]}
        real: dict[str, Any] = {"text": request.arguments["text"]}
    else:
        if (entry.line, entry.text) != (request.line, request.text):
            return False
        shown, real = entry.variables, request.variables
    if real.keys() - shown.keys():
        return False  # (a null reaches no command: an unknown may turn out to be one)
    return all(
        not one.known or (name in real and one.value == brief(real[name], LONGEST))
        for name, one in shown.items()
    )


def walks(asked: list[Request], path: list[Spot]) -> bool:
    """Whether these requests follow each other in the plan of a fibre."""
    at = {-1}
    for request in asked:
        places = [place for place, spot in enumerate(path) if fits(spot, request)]
        at = {
            place
            for place in places
            if any(
                was < 0
                or (place > was and path[was].before(path[place]))
                or path[was].loops & path[place].loops
                for was in at
            )
        }
        if not at:
            return False
    return True


def chance(seed: int) -> Any:
    """Answers of every sort."""
    dice = random.Random(seed)

    def answer(request: Request) -> EffectResult:
        if request.effect != "exec":
            return EffectResult(None)
        if dice.random() < 0.1:
            return EffectResult(error=ErrorValue("timeout", "too slow"))
        text = dice.choice(["", "a", "7", '{"a": 1}', "x\ny"])
        return EffectResult(ExecValue(text, dice.choice(["", "oops"]), dice.choice([0, 0, 0, 1, 3])))

    return answer


def is_covered(foreseen: Plan, done: Run) -> bool:
    """Whether what each fibre of a run asked for is a walk through the plan."""
    paths = spots(foreseen)
    by_fibre: dict[int, list[Request]] = defaultdict(list)
    for request in done.requests:
        by_fibre[request.fibre].append(request)
    return all(
        len(requests) > 300
        or any(walks(requests, path) for number, path in paths.items() if (number == 0) == (fibre == 1))
        for fibre, requests in by_fibre.items()
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_the_answers_a_run_is_a_walk_through_the_plan(seed: int) -> None:
    source = Programs(seed).program()
    foreseen = planned(source)
    if foreseen.cut:
        pytest.skip(foreseen.cut)
    for answers in range(4):
        done = run(source, answer=chance(answers), last_first=bool(answers % 2))
        assert is_covered(foreseen, done), answers


@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_the_input_a_run_is_a_walk_through_the_plan_without_it(seed: int) -> None:
    source = Programs(seed).program().replace("param p = 3", "param p")
    foreseen = planned(source)
    if foreseen.cut:
        pytest.skip(foreseen.cut)
    for number, value in enumerate([3, "a", None, [], {"k": [1]}, [2.5, "a"], True]):
        done = run(source, {"p": value}, answer=chance(number))
        assert is_covered(foreseen, done), value
