"""How a trace and a state read on a terminal."""

from __future__ import annotations

from typing import Any

import pytest

from codeai.cli.standing import put_standing
from codeai.cli.tracing import put_entries
from codeai.dsl.diagnostics import Source
from codeai.dsl.machine import Machine
from codeai.dsl.trace import Window, trace
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


def items(source: str, window: Window) -> list[dict[str, Any]]:
    return [entry.to_json(Source(source)) for entry in trace(recorded(source), window).entries]


def test_a_trace_reads_from_left_to_right(capsys: pytest.CaptureFixture[str]) -> None:
    put_entries(items(SOURCE, Window()), before=False)
    print(capsys.readouterr().out, file=open('/tmp/out.txt','w'))
