"""Every code has a program that produces it; one finding looks the same wherever it is shown."""

from __future__ import annotations

import pytest

from codeai.dsl.check import check
from codeai.dsl.diagnostics import CODES, Code, Findings, Source, render_github, render_text, to_json


@pytest.mark.parametrize("row", CODES.values(), ids=CODES)
def test_each_example_produces_its_code_and_nothing_else(row: Code) -> None:
    found = check(row.example).diagnostics
    assert [(one.code, one.severity) for one in found] == [(row.code, row.severity)]
    assert found[0].message
    assert "{" not in found[0].message.replace("`{`", "").replace("`${`", "")


def test_the_terminal_shows_place_message_hint_line_and_caret() -> None:
    checked = check('var region = "eu"\nvar ok = region\n\treturn regoin # no\n')
    assert render_text(checked.diagnostics, checked.source, "a.cai") == (
        'a.cai:3:9: error: unknown name "regoin"; did you mean "region"? [unknown_name]\n'
        "    3 | \treturn regoin # no\n"
        "      | \t       ^^^^^^\n"
    )


def test_a_very_long_line_is_shown_around_the_place() -> None:
    checked = check(f"var a = {'1 + ' * 1000}nowhere")
    shown = render_text(checked.diagnostics, checked.source, "a.cai")
    assert all(len(line) < 140 for line in shown.splitlines())
    _, line, carets = shown.splitlines()
    assert line[carets.index("^") :] == "nowhere"


def test_a_line_with_control_characters_cannot_act_on_the_terminal() -> None:
    checked = check("var a = '\x1b[31m' + nowhere")
    assert "\x1b" not in render_text(checked.diagnostics, checked.source, "a.cai")


def test_json_has_the_fields_of_the_contract() -> None:
    (one,) = to_json(check("return nowhere").diagnostics, "a.cai")
    assert one == {
        "file": "a.cai",
        "code": "unknown_name",
        "severity": "error",
        "message": 'unknown name "nowhere"',
        "line": 1,
        "column": 8,
        "end_line": 1,
        "end_column": 15,
        "hint": "",
    }


def test_github_gets_workflow_commands_with_escapes() -> None:
    shown = render_github(check("return nowhere").diagnostics, "a,b.cai")
    assert shown == (
        "::error file=a%2Cb.cai,line=1,col=8,endLine=1,endColumn=14,title=unknown_name::"
        'unknown name "nowhere"\n'
    )


def test_only_line_feeds_end_a_line() -> None:
    source = Source("a\u2028b\rc\nd")
    assert source.position(5) == (1, 6)
    assert source.position(6) == (2, 1)
    assert [source.line(number) for number in (0, 1, 2, 3)] == ["", "a\u2028b\rc", "d", ""]


def test_suggestions_are_for_near_names_only_and_end_after_a_while() -> None:
    findings = Findings(Source(""))
    assert findings.did_you_mean("lenght", ["length", "width"]) == 'did you mean "length"?'
    assert findings.did_you_mean("colour", ["length", "width"]) == ""
    for _ in range(60):
        findings.did_you_mean("x", [])
    assert findings.did_you_mean("lenght", ["length"]) == ""
