"""How a trace and a state read on a terminal."""

from __future__ import annotations

from typing import Any

import pytest

from codeai.cli.standing import put_standing
from codeai.cli.tracing import put_entries
from codeai.dsl.diagnostics import Source
from codeai.dsl.machine import Machine
from codeai.dsl.requests import EffectResult
from codeai.dsl.trace import Window, trace
from codeai.dsl.values import ErrorValue, ExecValue
from codeai.dsl.view import with_source
from tests.dsl.runs import program
from tests.dsl.test_trace import recorded

SOURCE = """param p = 2
function twice(x) {
    return x * 2
}
var all = []
for i in range(p) {
    all = append(all, twice(i))
}
if len(all) > 3 { log("many") }
var v = exec { echo "$p" }
try { exec { exit 3 } } catch e { log(e.kind) }
fail("no \\u{7} more")
"""

READ = r""" 1   1  param p = 2                                   p = 2
 2   5  var all = []                                  all = []
 3   6  for i in range(p) {                           i = 0
 4   7      all = append(all, twice(i))               twice(x = 0)
 5   3      return x * 2                              returns 0
 6   7      all = append(all, twice(i))               all = [0]
 7   6  for i in range(p) {                           i = 1
 8   7      all = append(all, twice(i))               twice(x = 1)
 9   3      return x * 2                              returns 2
10   7      all = append(all, twice(i))               all = [0, 2]
11   6  for i in range(p) {                           the loop ends
12   9  if len(all) > 3 { log("many") }               false
13  10  var v = exec { echo "$p" }                    → step 1 exec  echo "$p"  (p: 2)
14  10  var v = exec { echo "$p" }                    ← step 1  exit code 0  v = "\"2\""
15  11  try { exec { exit 3 } } catch e { log(e.kin…  → step 2 exec  exit 3
16  11  try { exec { exit 3 } } catch e { log(e.kin…  ← step 2 exec_failed: the command ended with exit code 3
17  11  try { exec { exit 3 } } catch e { log(e.kin…  exec_failed: the command ended with exit code 3  (caught as e)
18  11  try { exec { exit 3 } } catch e { log(e.kin…  → step 3 log  (text: "exec_failed")
19  11  try { exec { exit 3 } } catch e { log(e.kin…  ← step 3
20  12  fail("no \u{7} more")                         failed: no \x07 more
"""
STANDING = """line 4  approve("Ship ${x}?", role: "editor")
    x = "you"
  called at line 6  ship(who)
    who = "you"
waits for step 2, line 4: approve  Ship you?  (by the role editor)
if it fails, these are undone, the first one first:
  step 2
  step 1, line 3  build
"""


def items(source: str, window: Window) -> list[dict[str, Any]]:
    return [entry.to_json(Source(source)) for entry in trace(recorded(source), window).entries]


def test_a_trace_reads_from_left_to_right(capsys: pytest.CaptureFixture[str]) -> None:
    put_entries(items(SOURCE, Window()), before=False)
    assert capsys.readouterr().out == READ


def test_backwards_it_says_what_was_there_before(capsys: pytest.CaptureFixture[str]) -> None:
    put_entries(items("var a = 1\na = 2", Window())[::-1], before=True)
    first, _, last = capsys.readouterr().out.splitlines()[:3]
    assert first.endswith("returns null") and last.endswith("a = 1")
    put_entries(items("var a = 1\na = 2", Window(first=2, limit=1)), before=True)
    assert capsys.readouterr().out == "2  2  a = 2  a = 2 (before: 1)\n"


def test_fibres_have_a_column_where_there_are_several(capsys: pytest.CaptureFixture[str]) -> None:
    put_entries(items("parallel for x in [7] { log(x) }", Window(limit=3)), before=False)
    assert [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()] == [
        "1 fibre 1 1 parallel for x in [7] { log(x) } for each of [7]",
        "2 fibre 2 1 parallel for x in [7] { log(x) } fibre 2: x = 7",
        "3 fibre 2 1 parallel for x in [7] { log(x) } → step 1 log (text: 7)",
    ]


def test_undo_blocks_say_what_they_undid_and_how_they_ended(capsys: pytest.CaptureFixture[str]) -> None:
    source = "exec { a } undo { b $x }\nvar r = 1\nfail(r)\n"
    entries = [
        {"exit_code": 0, "value": ""},
        {"exit_code": 4, "error": {"kind": "exec_failed", "message": "exit code 4: no\x1b[2J"}},
        {},
        {"name": "run", "text": None, "arguments": {"execution": "c"}, "value": None},
    ]
    block = {
        "index": 1,
        "kind": "undo",
        "fibre": 1,
        "line": 1,
        "source": source.splitlines()[0],
        "changed": [],
    }
    block |= {"undoes": 1, "step": 2, "text": "b $x", "variables": {"x": "X"}}
    put_entries([{**block, **entry} for entry in entries], before=False)
    assert [line.partition("↩ ")[2] for line in capsys.readouterr().out.splitlines()] == [
        'step 1  b $x  (x: "X")  exit code 0',
        'step 1  b $x  (x: "X")  exec_failed: exit code 4: no\\x1b[2J',
        'step 1  b $x  (x: "X")  is running',
        'step 1  (execution: "c", x: "X")  done',
    ]


def test_a_parked_state_says_why_and_what_can_be_done(capsys: pytest.CaptureFixture[str]) -> None:
    source = "var n = 1\nexec { false } undo { back }"
    machine = Machine.start(program(source), {})
    machine.park_at_errors()
    machine.advance()
    machine.answer(1, EffectResult(error=ErrorValue("exec_failed", "it ended with exit code 1")))
    machine.advance()
    view = with_source(machine.view(), Source(source))
    undo = [{"step": 1, "line": 2, "command": "false"}]
    put_standing({**view, "status": "parked", "parked_until": 0.0, "undo": undo})
    lines = capsys.readouterr().out.splitlines()
    assert lines[2] == "  parked: it ended with exit code 1"
    assert lines[3].startswith(
        "goes on by codeai retry, set, patch, skip, rollback, abort; else it is rolled"
    )
    assert lines[4] == "if it fails, these are undone, the first one first:"
    for status, first in (
        ("undoing", "still to be undone"),
        ("failed", "can be undone by codeai compensate"),
    ):
        put_standing({**view, "status": status, "undo": undo})
        assert capsys.readouterr().out.splitlines()[-2] == f"{first}, the first one first:"


def test_a_state_says_that_no_host_has_taken_it(capsys: pytest.CaptureFixture[str]) -> None:
    put_standing({"status": "queued", "lane": None, "position": None})
    put_standing({"status": "queued", "lane": "production", "position": 2})
    asked = {"step": 3, "line": 4, "effect": "exec", "text": "train", "arguments": {"queue": "gpu"}}
    put_standing({"status": "running", "fibres": [], "pending": [{**asked, "placed": False}]})
    put_standing({"status": "running", "fibres": [], "pending": [{**asked, "placed": True}]})
    untaken = "(no host with the label gpu has taken it; which there are: codeai status)"
    assert capsys.readouterr().out.splitlines() == [
        "no host has taken it; which there are: codeai status",
        "number 2 in lane production",
        f"waits for step 3, line 4: exec  train  {untaken}",
        "waits for step 3, line 4: exec  train",
    ]


def test_a_state_says_where_with_what_and_what_for(capsys: pytest.CaptureFixture[str]) -> None:
    source = """param who = "you"
function ship(x) {
    exec { build } undo { remove }
    approve("Ship ${x}?", role: "editor")
}
ship(who)
"""
    machine = Machine.start(program(source), {})
    machine.advance()
    machine.answer(1, EffectResult(ExecValue()))
    machine.advance()
    view = with_source(machine.view(), Source(source))
    undo = [{"step": 1, "line": 3, "command": "build\nmore"}, {"step": 2, "line": None, "command": None}]
    put_standing({**view, "undo": undo})
    assert capsys.readouterr().out == STANDING
