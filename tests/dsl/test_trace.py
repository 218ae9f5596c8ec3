"""The trace: what ran with which values, found out again from the journal, in any window, forwards and backwards."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

import codeai.dsl.machine as machine_module
import codeai.dsl.trace as trace_module
from codeai.dsl.bind import Bound, bind
from codeai.dsl.check import check
from codeai.dsl.compile import compile_program
from codeai.dsl.diagnostics import Source
from codeai.dsl.journal import Journal, Round
from codeai.dsl.machine import Machine
from codeai.dsl.patch import patch
from codeai.dsl.requests import EffectResult, Failed, Finished
from codeai.dsl.running import UNSET
from codeai.dsl.trace import Recorded, Trace, Window, trace
from codeai.dsl.trace_entries import KINDS, Entry, UndoBlock
from codeai.dsl.values import ErrorValue, ExecValue, to_result
from tests.dsl.driven import Driven
from tests.dsl.random_programs import Programs
from tests.dsl.runs import Answer, echo, program

ALL = Window(limit=1000)
SAID_TO_PARKED = {"retry", "skip", "set", "give_up"}


def recorded(source: str | Bound, inputs: dict[str, Any] | None = None, answer: Answer = echo) -> Recorded:
    """A run to its end, each request answered in order, as it was recorded."""
    bound = source if isinstance(source, Bound) else program(source)
    machine, journal = Machine.start(bound, inputs or {}), Journal()
    rows: dict[int, EffectResult] = {}
    while True:
        outcome = machine.advance()
        journal.advanced()
        if isinstance(outcome, Finished | Failed):
            return Recorded(bound.code, [journal.take()], rows.get, inputs or {})
        for request in list(machine.pending.values()):
            rows[request.step] = answer(request)
            machine.answer(request.step, rows[request.step])
            journal.answered(request.step, None)


def told(entries: tuple[Entry, ...]) -> list[str]:
    """Entries as short lines: line, kind, and what there is to say."""
    lines = []
    for entry in entries:
        parts = [f"{entry.line} {entry.kind}"]
        if entry.name:
            parts.append(entry.name)
        if entry.taken is not None:
            parts.append("yes" if entry.taken else "no")
        parts += [f"{one.name}={json.dumps(one.after)}" for one in entry.changed]
        lines.append(" ".join(parts))
    return lines


# What it tells


def test_every_statement_is_told_with_the_variables_that_it_changed() -> None:
    source = """param p = 2
param q
function twice(x) {
    return x * 2
}
var all = []
for i in range(p) {
    all = append(all, twice(i))
}
if len(all) > 1 and twice(1) == 2 { all[0] = {a: 1} }
while p > 1 { p -= 1 }
var v = exec { echo "$q" }
return v
"""
    found = trace(recorded(source, {"q": "Q"}), ALL)
    assert told(found.entries) == [
        '2 input q="Q"',
        "1 assign p=2",
        "6 assign all=[]",
        "7 loop yes i=0",
        "8 call twice x=0",
        "4 return twice",
        "8 assign all=[0]",
        "7 loop yes i=1",
        "8 call twice x=1",
        "4 return twice",
        "8 assign all=[0, 2]",
        "7 loop no",
        "10 call twice x=1",
        "4 return twice",
        "10 branch yes",
        '10 assign all=[{"a": 1}, 2]',
        "11 branch yes",
        "11 assign p=1",
        "11 branch no",
        "12 ask exec",
        '12 answer exec v="\\"Q\\""',
        "13 return",
    ]
    assert found.complete and found.cut is None and found.total == 22
    assert found.entries[-1].value == '"Q"'
    asked = found.entries[-3]
    assert (asked.step, asked.text, asked.variables) == (1, 'echo "$q"', {"q": "Q"})


def test_a_change_says_what_was_there_before() -> None:
    entries = trace(recorded("var a = [1]\na[0] = 5\na = append(a, a)\nvar b = a\nb = 7"), ALL).entries
    seen = [(one.name, one.before, one.after) for entry in entries for one in entry.changed]
    assert seen == [
        ("a", UNSET, [1]),
        ("a", [1], [5]),
        ("a", [5], [5, [5]]),
        ("b", UNSET, [5, [5]]),
        ("b", [5, [5]], 7),
    ]


def test_errors_are_told_where_they_are_raised() -> None:
    source = """function f() { exec { exit 3 } }
try { f() } catch e {
    log(e.message)
}
var a = [1][3]
"""
    found = trace(recorded(source), ALL)
    kinds = [(entry.line, entry.kind) for entry in found.entries]
    assert kinds == [
        (2, "call"),
        (1, "ask"),
        (1, "answer"),
        (1, "caught"),
        (3, "ask"),
        (3, "answer"),
        (5, "error"),
    ]
    caught, error = found.entries[3], found.entries[-1]
    assert caught.changed[0].name == "e" and caught.changed[0].after["kind"] == "exec_failed"
    assert error.error is not None and error.error["kind"] == "index_error"


def test_fibres_have_numbers_and_their_items() -> None:
    source = """var r = parallel(limit: 2) for z in ["a", "b", "c"] {
    if z == "b" { fail("no") }
    exec { echo $z }
}
"""
    found = trace(recorded(source), ALL)
    assert [(entry.fibre, entry.kind) for entry in found.entries] == [
        (1, "parallel"),
        (2, "begin"),
        (3, "begin"),
        (2, "branch"),
        (2, "ask"),
        (3, "branch"),
        (3, "error"),
        (2, "cancelled"),
        (1, "join"),
        (1, "error"),
    ]
    assert found.entries[1].changed[0].after == "a"


def test_a_cancelled_run_says_so() -> None:
    bound = program("parallel for x in [1, 2] { exec { echo $x } }")
    rounds: list[Round] = [[1, "cancel", [1], [2]], [1]]
    rows = {step: EffectResult(ExecValue()) for step in (1, 2)}
    found = trace(Recorded(bound.code, [rounds], rows.get, {}), ALL)
    assert [entry.kind for entry in found.entries[-4:]] == ["cancel", "cancelled", "cancelled", "cancelled"]
    assert found.complete


def test_secrets_are_hidden_and_large_values_cut() -> None:
    text = 'var s = ["x ${secret("npm")}"]\nvar long = range(100000)\nexec(env: {A: s[0]}) { a }\nreturn s'
    checked = check(text)
    assert checked.tree is not None and checked.resolution is not None
    found = trace(recorded(bind(compile_program(checked))), ALL)
    lines = [json.dumps(entry.to_json(Source(text))) for entry in found.entries]
    assert all("npm" not in line.replace('secret(\\"npm\\")', "") for line in lines)
    assert '"after": ["***"]' in lines[0]
    assert len(lines[1]) < 3000 and "more" in lines[1]
    assert found.entries[2].arguments == {"env": {"A": "***"}}


def test_every_kind_of_entry_is_in_the_table() -> None:
    seen = set()
    for seed in range(30):
        driven = Driven(program(Programs(seed).program()), seed)
        driven.run()
        kinds = {entry.kind for entry in trace(whole(driven), ALL).entries}
        seen |= kinds
    assert seen <= KINDS.keys()
    assert KINDS.keys() - seen <= {"input", "evaluate", "patch", "undo"} | SAID_TO_PARKED


def test_a_trace_goes_on_with_the_program_that_the_run_went_on_with() -> None:
    before, now = "log(1)\nfail(2)", "# mended\nlog(1)\nvar a = 3\nreturn a"
    machine, journal = Machine.start(program(before), {}), Journal()
    machine.park_at_errors()
    journal.parks()
    machine.advance()
    journal.advanced()
    machine.answer(1, EffectResult())
    journal.answered(1, None)
    machine.advance()
    journal.advanced()
    code, to = patch(check(before), check(now), machine.standing())
    machine.patch(bind(code), to)
    journal.patched("before", "now", to, machine.steps)
    assert machine.advance() == Finished(3)
    journal.advanced()
    rounds = json.loads(json.dumps([journal.take()]))
    kept = Recorded(
        program(before).code, rounds, {1: EffectResult()}.get, {}, code_of={"now": code}.__getitem__
    )
    found = trace(kept, ALL)
    kinds = [(entry.kind, entry.line) for entry in found.entries]
    assert kinds == [("ask", 1), ("answer", 1), ("error", 2), ("patch", 3), ("assign", 3), ("return", 4)]
    assert found.complete and found.programs == ((4, "now"),)
    assert [found.program_at(entry) for entry in found.entries] == [None] * 3 + ["now"] * 3
    lost = trace(Recorded(kept.code, rounds, kept.result_of, {}), ALL)
    assert lost.cut is not None and "not kept" in lost.cut and lost.total == 3


def test_what_people_said_to_a_parked_run_is_told() -> None:
    source = "var n = 1\nvar x = exec { one } + n\nvar y = exec { two }\nreturn [x, y]"
    bound = program(source)
    machine, journal, rows = Machine.start(bound, {}), Journal(), {}
    machine.park_at_errors()
    journal.parks()

    def parked(step: int) -> None:
        machine.advance()
        journal.advanced()
        rows[step] = failed = EffectResult(error=ErrorValue("exec_failed", "no"))
        machine.answer(step, failed)
        journal.answered(step, failed)
        machine.advance()
        journal.advanced()

    parked(1)
    machine.set(1, "n", [2])
    journal.set(1, "n", [2])
    machine.retry(1)
    journal.retried(1)
    parked(1)
    machine.skip(1, "by hand")
    journal.skipped(1, "by hand")
    parked(2)
    machine.give_up(machine.parked[0].error)
    journal.gave_up(ErrorValue("exec_failed", "no"))
    assert isinstance(machine.advance(), Failed)
    journal.advanced()
    kept = Recorded(bound.code, json.loads(json.dumps([journal.take()])), rows.get, {})
    found = trace(kept, ALL)
    assert [(entry.kind, entry.line) for entry in found.entries] == [
        ("assign", 1),
        ("ask", 2),
        ("answer", 2),
        ("error", 2),
        ("set", 2),
        ("retry", 2),
        ("ask", 2),
        ("answer", 2),
        ("error", 2),
        ("skip", 2),
        ("ask", 3),
        ("answer", 3),
        ("error", 3),
        ("give_up", 3),
        ("cancelled", 3),
    ]
    assert [(one.name, one.before, one.after) for one in found.entries[4].changed] == [("n", 1, [2])]
    assert found.entries[9].value == "by hand"
    view = trace(kept, Window(at=10)).view
    assert view is not None and view["fibres"][0]["variables"] == {"n": [2], "x": "by hand"}


# Windows


COUNTING = "var a = 0\nwhile a < 500 { a += 1 }\nfail(str(a))"


def indexes(found: Trace) -> tuple[int, int, int]:
    return (found.entries[0].index, found.entries[-1].index, found.total)


def test_a_window_is_counted_from_the_start_the_end_or_the_last_error() -> None:
    run = recorded(COUNTING)
    total = 1 + 2 * 500 + 1 + 1
    assert indexes(trace(run, Window())) == (1, 200, total)
    assert indexes(trace(run, Window(first=500, limit=10))) == (500, 509, total)
    assert indexes(trace(run, Window(first=-5))) == (total - 4, total, total)
    assert indexes(trace(run, Window(first=-5, limit=2))) == (total - 4, total - 3, total)
    assert indexes(trace(run, Window(limit=10, around_error=True))) == (total - 7, total, total)
    assert len(trace(run, Window(limit=5000)).entries) == 1000
    assert trace(run, Window(first=5000)).entries == ()


def test_everything_can_be_seen_at_an_entry() -> None:
    source = """var g = 1
function f(n) {
    var twice = n * 2
    return twice
}
var a = f(5)
parallel for x in [7] { var y = x log(y) }
"""
    run = recorded(source)
    entries = trace(run, ALL).entries

    def fibres_at(kind: str, line: int) -> list[tuple[int, dict[str, Any]]]:
        at = next(entry.index for entry in entries if (entry.kind, entry.line) == (kind, line))
        found = trace(run, Window(at=at))
        assert found.view is not None and [entry.index for entry in found.entries] == [at]
        return [(fibre["line"], fibre["variables"]) for fibre in found.view["fibres"]]

    assert fibres_at("call", 6) == [(3, {"n": 5})]
    assert fibres_at("assign", 3) == [(4, {"n": 5, "twice": 10})]
    assert fibres_at("return", 4) == [(7, {"g": 1, "a": 10})]
    assert fibres_at("ask", 7) == [(7, {"g": 1, "a": 10}), (7, {"x": 7, "y": 7})]


# Undo blocks

UNDONE = """for n in range(3) {
    exec { make $n } undo {
        echo "unmade $n"
    }
}
fail("stop")
"""
AT_END = 4 + 3 * 2 + 1
"""Entries of the loop, its commands and the error."""


def block(step: int, undoes: int, **more: Any) -> UndoBlock:
    return UndoBlock(step, undoes, 2, text="unmake", variables={"n": str(undoes - 1)}, **more)


def test_undo_blocks_follow_the_error_last_first() -> None:
    failed = {"kind": "exec_failed", "message": "exit code 1"}
    blocks = [block(4, 3, exit_code=0, value="ok"), block(5, 2, exit_code=1, error=failed), block(6, 1)]
    run = replace(recorded(UNDONE), blocks=blocks)
    found = trace(run, ALL)
    assert found.complete and found.total == AT_END + 3
    assert [entry.kind for entry in found.entries[-4:]] == ["error", "undo", "undo", "undo"]
    shown = [
        (one.line, one.step, one.undoes, one.variables, one.exit_code, one.error)
        for one in found.entries[-3:]
    ]
    assert shown == [
        (2, 4, 3, {"n": "2"}, 0, None),
        (2, 5, 2, {"n": "1"}, 1, failed),
        (2, 6, 1, {"n": "0"}, None, None),
    ]
    assert trace(run, Window(first=-2)).entries == found.entries[-2:]
    assert trace(run, Window(limit=4, around_error=True)).entries[-1].kind == "error"
    view = trace(run, Window(at=AT_END + 2)).view
    assert view is not None and view["undo"] == [1]


def test_a_block_that_was_killed_with_its_run_and_ran_again_is_told_twice() -> None:
    run = replace(recorded(UNDONE), blocks=[block(4, 3), block(5, 3), block(6, 2)])
    undone = [(entry.step, entry.undoes) for entry in trace(run, ALL).entries if entry.kind == "undo"]
    assert undone == [(4, 3), (5, 3), (6, 2)]


def test_a_program_that_has_not_ended_undoes_nothing() -> None:
    run = recorded(UNDONE)
    under_way = Recorded(run.code, [[[1, [1, {"value": None}]]]], run.result_of, {}, blocks=[block(5, 1)])
    assert all(entry.kind != "undo" for entry in trace(under_way, ALL).entries)


def test_a_stack_that_is_undone_over_several_workflow_runs_is_traced_from_each() -> None:
    machine = Machine.start(program(UNDONE), {})
    while not isinstance(machine.advance(), Failed):
        for step in list(machine.pending):
            machine.answer(step, EffectResult(ExecValue()))
    machine.undone(machine.undo_stack[-1])
    blocks = [block(4, 3), block(5, 2), block(6, 1)]
    behind = Recorded(program(UNDONE).code, [[]], {}.get, {}, machine.state(), blocks=blocks)
    found = trace(behind, ALL)
    assert [(entry.step, entry.undoes) for entry in found.entries] == [(5, 2), (6, 1)]
    assert found.complete


# What is missing


def test_a_trace_ends_where_a_result_is_not_kept() -> None:
    run = recorded("log(1)\nlog(2)")
    found = trace(Recorded(run.code, run.journals, {1: EffectResult()}.get, {}), ALL)
    assert [entry.kind for entry in found.entries] == ["ask", "answer", "ask"]
    assert not found.complete and found.cut == "the result of step 2 is not written yet, or not kept"


def test_a_long_run_is_cut_with_a_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace_module, "MOST_WORK", 50_000)
    found = trace(recorded("var a = 0\nwhile a < 100000 { a += 1 }"), Window(first=-3))
    assert found.cut is not None and "50,000 instructions" in found.cut
    assert not found.complete and len(found.entries) == 3
    assert found.entries[-1].index == found.total


def test_what_does_not_fit_is_said_not_raised() -> None:
    run = recorded("log(1)")
    found = trace(Recorded(run.code, [[[1, [9, {"value": None}]]]], run.result_of, {}), ALL)
    assert found.cut is not None and "step 9" in found.cut


# Any program


def whole(driven: Driven) -> Recorded:
    return Recorded(driven.bound.code, driven.journals, driven.rows.get, {})


@pytest.mark.parametrize("seed", range(30))
def test_the_trace_of_any_run(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    if seed % 2:
        monkeypatch.setattr(machine_module, "SLICE", 5)
    driven = Driven(program(Programs(seed).program()), seed)
    driven.run()
    found = trace(whole(driven), ALL)
    assert found.complete == (driven.outcome is not None) and found.cut is None
    if found.total > 1000:
        return
    asked = [entry.step for entry in found.entries if entry.kind == "ask"]
    assert asked == [request.step for request in driven.requests]
    last = found.entries[-1]
    if isinstance(driven.outcome, Finished):
        assert (last.kind, last.value) == ("return", to_result(driven.outcome.value))
    if driven.outcome is not None:
        at_the_end = trace(whole(driven), Window(at=found.total))
        assert at_the_end.view is not None
        assert at_the_end.view["undo"] == driven.machine.view()["undo"]

    middle = found.total // 2
    assert (
        trace(whole(driven), Window(first=middle or 1, limit=7)).entries
        == (found.entries[max(0, middle - 1) :][:7])
    )
    behind = Recorded(driven.bound.code, driven.journals[-1:], driven.rows.get, {}, driven.states[-1])
    part = trace(behind, ALL).entries
    assert [told((entry,)) for entry in part] == [
        told((entry,)) for entry in found.entries[found.total - len(part) :]
    ]


def test_what_can_be_seen_behind_an_input() -> None:
    """The first entry of all, before the first statement."""
    found = trace(recorded('param name = "x"\nlog(name)\n', {"name": "ann"}), Window(at=1))
    assert [entry.kind for entry in found.entries] == ["input"]
    assert found.view is not None and [one["line"] for one in found.view["fibres"]] == [1]
