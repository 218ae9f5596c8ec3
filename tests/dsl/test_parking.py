"""Parked runs: what is said to them decides how they go on; a state that is stored and read again is the same run."""

from __future__ import annotations

import json
from typing import Any

import pytest

from codeai.dsl.faults import Fault
from codeai.dsl.machine import Machine
from codeai.dsl.parking import NotParked
from codeai.dsl.requests import Asking, Failed, Finished
from codeai.dsl.values import ErrorValue, to_result
from tests.dsl.runs import echo, program

Words = list[tuple[Any, ...]]


class Run:
    """A run of a program that parks, stored and read again at every chance. `asked` are its commands."""

    def __init__(self, source: str) -> None:
        self.bound = program(source)
        self.machine = Machine.start(self.bound, {})
        self.machine.park_at_errors()
        self.asked: list[tuple[int, str]] = []
        self.outcome: Finished | Failed | None = None

    def go(self) -> list[tuple[int, int | None, str]]:
        """Goes on as far as it can, and answers what is parked: fibre, line and kind of the error."""
        while True:
            self.stored()
            answer = self.machine.advance()
            self.stored()
            if isinstance(answer, Finished | Failed):
                self.outcome = answer
                return []
            if isinstance(answer, Asking) and not self.machine.runnable:
                if not self.machine.pending:
                    assert self.machine.is_parked
                    return [(one.fibre, one.error.line, one.error.kind) for one in self.machine.parked]
                for step, request in list(self.machine.pending.items()):
                    shown = {name: to_result(value) for name, value in request.variables.items()}
                    self.asked.append((step, f"{request.text} {shown}" if shown else str(request.text)))
                    self.machine.answer(step, echo(request))
                    self.stored()

    def say(self, word: str, *given: Any) -> None:
        getattr(self.machine, word)(*given)
        self.stored()

    def stored(self) -> None:
        text = json.dumps(self.machine.state())
        self.machine = Machine.resume(self.bound, json.loads(text))
        assert json.dumps(self.machine.state()) == text

    @property
    def result(self) -> Any:
        assert isinstance(self.outcome, Finished)
        return to_result(self.outcome.value)


@pytest.mark.parametrize(
    ("source", "said", "result", "asked"),
    [
        (
            "var c = 3\nvar x = exec { echo a exit $c }\nreturn str(x)",
            [[("set", 1, "c", 0), ("retry", 1)]],
            "a",
            [(1, "echo a exit $c {'c': 3}"), (1, "echo a exit $c {'c': 0}")],
        ),
        ("var x = exec { exit 3 }\nreturn x", [[("skip", 1, "by hand")]], "by hand", [(1, "exit 3")]),
        ("exec { exit 3 }\nreturn 1", [[("skip", 1)]], 1, [(1, "exit 3")]),
        ("var y = 1\ny += null\nreturn y", [[("skip", 1, 4)]], 5, []),
        ("var y = [1]\ny = append(y, 1 / 0)\nreturn y", [[("skip", 1, [7])]], [7], []),
        ("var m = {}\nm.a = 1 / 0\nreturn m", [[("skip", 1)]], {}, []),
        ("function f() { return 1 / 0 }\nreturn f() + 1", [[("skip", 1, 9)]], 10, []),
        ('function f() { fail("x")\n return 3 }\nreturn f()', [[("skip", 1)]], 3, []),
        ("return 1 / 0", [[("skip", 1, "given")]], "given", []),
        ("if 1 / 0 { return 1 } else { return 2 }", [[("skip", 1, True)]], 1, []),
        ("if 1 / 0 { return 1 } else { return 2 }", [[("skip", 1)]], 2, []),
        ("while 1 / 0 { log(1) }\nreturn 2", [[("skip", 1)]], 2, []),
        ("var n = 0\nfor x in 3 { n += x }\nreturn n", [[("skip", 1, [1, 2])]], 3, []),
        ("for x in 3 { fail(x) }\nreturn 4", [[("skip", 1)]], 4, []),
        (
            "var n = 0\nvar r = parallel for i in [4, 8] { return i / n }\nreturn r",
            [[("set", 2, "n", 2), ("retry", 3)], [("skip", 2, "two")]],
            ["two", 4],
            [],
        ),
        (
            'parallel(on_error: "collect") for i in [0, 1] { exec { echo exit $i } }\nreturn "end"',
            [[("skip", 3)]],
            "end",
            [(1, "echo exit $i {'i': 0}"), (2, "echo exit $i {'i': 1}")],
        ),
        (
            'function f() { return exec { echo f } }\nvar s = "q"\nvar y = str(f()) - s\nreturn y',
            [[("retry", 1)], [("skip", 1, 7)]],
            7,
            [(1, "echo f"), (2, "echo f")],
        ),
    ],
)
def test_what_is_said_decides_how_it_goes_on(
    source: str, said: list[Words], result: Any, asked: list[tuple[int, str]]
) -> None:
    run = Run(source)
    for words in said:
        assert run.go()
        for word, *given in words:
            run.say(word, *given)
    assert run.go() == []
    assert run.result == result
    assert run.asked == asked


def test_the_other_fibres_go_on_and_none_begins_in_the_place_of_a_parked_one() -> None:
    run = Run("parallel(limit: 2) for i in [1, 0, 0, 1] { exec { echo exit $i } }")
    assert run.go() == [(2, 1, "exec_failed"), (5, 1, "exec_failed")]
    run.say("give_up", ErrorValue("failed", "enough"))
    assert run.go() == []
    assert isinstance(run.outcome, Failed) and run.outcome.error.message == "enough"


@pytest.mark.parametrize(
    "source",
    [
        "try { exec { exit 1 } } catch e { return e.kind }",
        "try { parallel for i in [1] { exec { exit 1 } } } catch e { return e.kind }",
        "function f() { parallel for i in [1] { exec { exit 1 } } }\ntry { f() } catch e { return e.kind }",
    ],
)
def test_what_a_try_catches_does_not_park(source: str) -> None:
    run = Run(source)
    assert run.go() == []
    assert run.result == "exec_failed"


def test_a_limit_does_not_park() -> None:
    run = Run("function f() { return f() }\nreturn f()")
    assert run.go() == []
    assert isinstance(run.outcome, Failed) and run.outcome.error.kind == "limit"


def test_what_is_refused_changes_nothing() -> None:
    run = Run("var n = 1\nvar m = {}\nm.a = n / 0\nn += true")
    run.go()
    before = json.dumps(run.machine.state())
    for word, given, error in (
        ("retry", (7,), NotParked),
        ("set", (1, "nothing", 1), Fault),
        ("set", (1, "n", "x" * 300_000), Fault),
        ("skip", (1, 5), Fault),
        ("revive", (), NotParked),
    ):
        with pytest.raises(error):
            getattr(run.machine, word)(*given)
        assert json.dumps(run.machine.state()) == before


def test_a_failed_run_is_taken_up_at_its_failed_statement() -> None:
    run = Run("var n = 1\nexec { exit 0 } undo { u }\nexec { exit $n }\nreturn n")
    run.go()
    run.say("give_up", ErrorValue("failed", "later"))
    assert run.go() == []
    run.say("revive")
    assert [one.step for one in run.machine.parked] == [2]
    run.say("set", 1, "n", 0)
    run.say("retry", 1)
    assert run.go() == []
    assert run.result == 0 and run.machine.undo_stack == (1,)
    assert [step for step, _ in run.asked] == [1, 2, 2]
