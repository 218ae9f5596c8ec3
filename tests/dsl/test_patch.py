"""An edited program for a run under way: what has run must be unchanged, and the run goes on where it stood."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from codeai.dsl.bind import bind
from codeai.dsl.check import check
from codeai.dsl.format import format_source
from codeai.dsl.machine import Machine
from codeai.dsl.patch import Differs, patch
from codeai.dsl.patched import Moved, Standing
from codeai.dsl.program import pack, unpack
from codeai.dsl.requests import Asking, Failed, Finished
from codeai.dsl.tree import Block, Program
from codeai.dsl.tree_walk import walk
from codeai.dsl.values import to_result
from tests.dsl.random_programs import Programs
from tests.dsl.runs import echo, program


class Run:
    """A run that parks, stored and read again at every chance. `asked` are its commands and log lines."""

    def __init__(self, source: str, inputs: dict[str, Any] | None = None) -> None:
        self.source = source
        self.bound = program(source)
        self.machine = Machine.start(self.bound, inputs or {})
        self.machine.park_at_errors()
        self.asked: list[str] = []
        self.outcome: Finished | Failed | None = None

    def go(self, most: int = 1_000_000) -> bool:
        """Goes on until it parks, has ended, or asked for so many effects; answers whether it is parked."""
        while True:
            answer = self.machine.advance()
            self.stored()
            if isinstance(answer, Finished | Failed):
                self.outcome = answer
                return False
            if isinstance(answer, Asking) and not self.machine.runnable:
                if not self.machine.pending:
                    return True
                if len(self.asked) >= most:
                    return False
                for step, request in list(self.machine.pending.items()):
                    shown = {name: to_result(value) for name, value in request.variables.items()}
                    text = request.text if request.effect == "exec" else f"log {request.arguments['text']}"
                    self.asked.append(f"{text} {shown}" if shown else str(text))
                    self.machine.answer(step, echo(request))

    def patch(self, source: str) -> None:
        standing = Standing.from_json(json.loads(json.dumps(self.machine.standing().to_json())))
        code, to = patch(check(self.source), check(source), standing)
        self.source, self.bound = source, bind(unpack(pack(code)))
        self.machine.patch(self.bound, Moved.from_json(json.loads(json.dumps(to.to_json()))))
        self.stored()

    def stored(self) -> None:
        text = json.dumps(self.machine.state())
        self.machine = Machine.resume(self.bound, json.loads(text))
        assert json.dumps(self.machine.state()) == text

    @property
    def seen(self) -> Any:
        assert self.outcome is not None
        if isinstance(self.outcome, Finished):
            return to_result(self.outcome.value)
        return to_result(self.outcome.error)


@pytest.mark.parametrize(
    ("before", "after", "result", "asked"),
    [
        pytest.param(
            "exec { echo a }\nexec { exit 3 }\nreturn 1",
            "exec { echo a }\nexec { echo mended }\nreturn 2",
            2,
            ["echo a", "exit 3", "echo mended"],
            id="the failed statement is another",
        ),
        pytest.param(
            "var a = 1\nvar b = a / 0\nreturn b",
            "var a = 1\n# first\nvar c = a + 1\nvar b = a / c\nvar d = 9\nreturn [b, c, d]",
            [0.5, 2, 9],
            [],
            id="a statement before it, others behind it, new variables",
        ),
        pytest.param(
            "var a = 1\nfail(a)\nreturn a",
            "var a = 1\nreturn a + 1",
            2,
            [],
            id="the failed statement is gone",
        ),
        pytest.param(
            "var a = 1\nif true { fail(a) }\nreturn a", "var a = 1\nif true { }\nreturn a + 1", 2, []
        ),
        pytest.param(
            "exec { echo a }\nexec { exit 3 }\nreturn 1",
            "exec { echo a }\nexec { exit 3 }\nreturn 2",
            None,
            ["echo a", "exit 3", "exit 3"],
            id="as it was: again",
        ),
        pytest.param(
            "for i in [1, 2, 0, 4] {\n exec { echo $i }\n log(8 / i)\n exec { echo b }\n}\nreturn 0",
            "for i in [1, 2, 0, 4] {\n exec { echo $i }\n var n = i + 1\n log(8 / n)\n exec { echo b }\n"
            " log(n)\n}\nreturn 0",
            0,
            [
                *("echo $i {'i': 1}", "log 8", "echo b"),
                *("echo $i {'i': 2}", "log 4", "echo b"),
                *("echo $i {'i': 0}", "log 8", "echo b", "log 1"),
                *("echo $i {'i': 4}", "log 1.6", "echo b", "log 5"),
            ],
            id="in a loop: once more a statement before, and one behind",
        ),
        pytest.param(
            "for i in [1, 0] {\n log(8 / i)\n exec { echo b }\n}\nreturn 0",
            "for i in [1, 0] {\n exec { echo b }\n}\nreturn 0",
            0,
            ["log 8", "echo b", "echo b"],
            id="in a loop: it is gone",
        ),
        pytest.param(
            "function f(x) {\n var y = x + 1\n return y / 0\n}\nreturn f(1) + f(2)",
            "function g(x) { return x * 2 }\nfunction f(x) {\n var y = x + 1\n return g(y)\n}\nreturn f(1) + f(2)",
            10,
            [],
            id="in a function, with a new one",
        ),
        pytest.param(
            "function f() { return 1 }\nfunction g() { return 2 }\nf()\nlog(1 / 0)\nreturn g()",
            "function g(a, b) { return a + b }\nfunction f() { return 1 }\nf()\nlog(1)\nreturn g(1, 2)",
            3,
            ["log 1"],
            id="a function that was never called is another",
        ),
        pytest.param(
            "var n = 0\nvar r = parallel for i in [4, 8] {\n log(i)\n return i / n\n}\nreturn r",
            "var n = 0\nvar r = parallel for i in [4, 8] {\n log(i)\n var m = n + 2\n return i / m\n}\nreturn [r]",
            [[2, 4]],
            ["log 4", "log 8"],
            id="fibres",
        ),
        pytest.param(
            "if 1 > 2 { log(1) } else if 2 > 1 { log(2)\n fail(3) } else { log(4) }\nreturn 1",
            "if 1 > 2 { exec { x } } else if 2 > 1 { log(2)\n log(5) } else { exec { y } }\nreturn 2",
            2,
            ["log 2", "log 5"],
            id="arms that were not taken",
        ),
        pytest.param(
            "try { fail(1) } catch e {\n log(2)\n fail(3)\n}",
            "try { fail(1) } catch e {\n log(2)\n log(e.message)\n}\nreturn 7",
            7,
            ["log 2", "log 1"],
            id="in a catch",
        ),
        pytest.param(
            "var n = 0\nwhile true {\n n += 1\n if n > 5 { break }\n if n == 3 { fail(n) }\n}\nreturn n",
            "var n = 0\nwhile true {\n n += 1\n if n > 5 { log(n)\n break }\n if n == 3 { log(n) }\n}\nreturn n",
            6,
            ["log 3", "log 6"],
            id="before a break that has not run",
        ),
        pytest.param(
            "var n = 0\nwhile n / 0 < 1 { log(n) }\nreturn n",
            "var n = 0\nfor i in [1, 2] { n += i }\nreturn n",
            3,
            [],
            id="a loop whose head failed",
        ),
        pytest.param(
            "var a = exec { echo a }\nvar s = str(a) + str(exec { echo b }) - 1\nreturn s",
            "var a = exec { echo a }\nvar s = str(a) + str(exec { echo c })\nreturn s",
            "ac",
            ["echo a", "echo b", "echo c"],
            id="in the midst of a statement",
        ),
    ],
)
def test_a_run_goes_on_at_its_failed_statement(
    before: str, after: str, result: Any, asked: list[str]
) -> None:
    run = Run(before)
    assert run.go()
    run.patch(after)
    parked = run.go()
    assert parked == (result is None)
    assert run.asked == asked
    if not parked:
        assert run.seen == result


@pytest.mark.parametrize(
    ("before", "after", "line", "new_line"),
    [
        ("exec { echo a }\nfail(1)", "exec { echo b }\nlog(1)", 1, 1),
        ("exec { echo a } undo { x }\nfail(1)", "\nexec { echo a } undo { y }\nlog(1)", 1, 2),
        ("log(1)\nlog(2)\nfail(1)", "log(1)\nfail(1)", 2, 2),
        ("log(1)\nlog(2)\nfail(1)", "log(1)", 2, None),
        ("log(1)\nfail(1)", "log(0)\nlog(1)\nfail(1)", 1, 1),
        ("param p = 1\nfail(p)", "param p = 2\nlog(p)", 1, 1),
        ("param p = 1\nfail(p)", "log(1)", 1, None),
        ("param p = 1\nfail(p)", "param p = 1\nparam q = 1\nlog(p)", 2, 2),
        ("function f() { return 1 }\nf()\nfail(1)", "function f() { return 2 }\nf()\nlog(1)", 1, 1),
        ("function f(a) { return 1 }\nf(1)\nfail(1)", "function f(b) { return 1 }\nf(1)\nlog(1)", 1, 1),
        ("function f() { fail(1) }\nlog(f() + 1)", "function f() { log(1) }\nlog(f() + 2)", 2, 2),
        ("if true {\n log(1)\n}\nfail(1)", "if true {\n log(2)\n}\nlog(1)", 2, 2),
        ("if true {\n log(1)\n}\nfail(1)", "if true {\n log(1)\n log(2)\n}\nlog(1)", 3, 3),
        ("if false {\n log(1)\n}\nfail(1)", "if false {\n log(1)\n} else { log(2) }\nlog(1)", 1, 1),
        ("for i in [1, 0] {\n log(8 / i)\n log(i)\n}", "for i in [1, 0] {\n log(2)\n log(i + 1)\n}", 3, 3),
        (
            "parallel for i in [1, 2] {\n log(i)\n fail(i)\n}",
            "parallel(limit: 3) for i in [1, 2] {\n log(i)\n}",
            1,
            1,
        ),
        (
            "while true {\n if true { break }\n}\nfail(1)",
            "while true {\n if true { log(1)\n break }\n}\nlog(1)",
            2,
            2,
        ),
    ],
)
def test_what_has_run_must_be_unchanged(before: str, after: str, line: int, new_line: int | None) -> None:
    run = Run(before)
    assert run.go()
    state = json.dumps(run.machine.state())
    with pytest.raises(Differs) as refused:
        run.patch(after)
    assert (refused.value.line, refused.value.new_line) == (line, new_line), refused.value
    assert f"line {line}" in str(refused.value)
    assert json.dumps(run.machine.state()) == state


def test_a_loop_that_would_walk_in_another_way_is_refused() -> None:
    run = Run("var a = [1, 2]\nfor i in a {\n fail(i)\n}")
    run.go()
    with pytest.raises(Differs, match="in another way"):
        run.patch("var a = [1, 2]\nfor i in a {\n a = append(a, i)\n}")


@pytest.mark.parametrize("seed", range(30))
def test_a_program_in_another_form_changes_nothing(seed: int) -> None:
    source = Programs(seed).program()
    plain = Run(source)
    while plain.go() and len(plain.asked) < 60:
        for one in plain.machine.parked:
            plain.machine.skip(one.fibre)
    for most in (1, 3, 7, 15):
        run = Run(source)
        parked = run.go(most)
        if run.outcome is None and not parked:
            run.patch(f"# the same\n\n{format_source(source).text}")
        while run.go() and len(run.asked) < 60:
            for one in run.machine.parked:
                run.machine.skip(one.fibre)
        assert run.asked == plain.asked
        assert (run.outcome is None) == (plain.outcome is None)
        if run.outcome is not None:
            assert run.seen == plain.seen or isinstance(run.outcome, Failed)


def edited(source: str, choice: random.Random) -> str:
    """The program with one of its statements replaced, or another before it; or a block emptied."""
    tree = check(source).tree
    assert tree is not None
    blocks = [one for one in walk(tree) if isinstance(one, Program | Block) and one.body]
    node = choice.choice(choice.choice(blocks).body)
    end = node.end if choice.random() < 0.6 else node.start
    return f'{source[: node.start]}log("edited")\n{source[end:]}'


@pytest.mark.parametrize("seed", range(50))
def test_a_run_whose_edited_program_is_accepted_ends_as_if_begun_with_it(seed: int) -> None:
    choice = random.Random(seed)
    source = Programs(seed).program()
    for _ in range(4):
        after = edited(source, choice)
        if check(after).errors:
            continue
        run, afresh = Run(source), Run(after)
        if run.go(choice.randint(0, 12)) or run.outcome is not None:
            continue
        try:
            run.patch(after)
        except Differs:
            continue
        for one in (run, afresh):
            while one.go(60) and len(one.asked) < 60:
                for parked in one.machine.parked:
                    one.machine.skip(parked.fibre)
        assert run.asked == afresh.asked
        if run.outcome is not None and afresh.outcome is not None:
            assert run.seen == afresh.seen
