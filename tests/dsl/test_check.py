"""What the checker says of programs that the grammar takes: options, arguments, defaults, habits."""

from __future__ import annotations

import pytest

from codeai.dsl.check import check
from codeai.dsl.effects import EFFECTS
from tests.dsl.programs import EVERY_FORM


def found(source: str) -> list[tuple[int, str]]:
    """`(line, message; hint)` of each diagnostic."""
    return [
        (one.line, one.message + (f"; {one.hint}" if one.hint else "")) for one in check(source).diagnostics
    ]


def test_a_program_with_every_form_is_clean() -> None:
    assert found(EVERY_FORM) == []
    checked = check(EVERY_FORM)
    assert checked.errors == ()
    assert checked.resolution is not None
    assert set(checked.resolution.functions) == {"tag", "nothing"}


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("exec(timeot: 1) { }", '`exec` has no option "timeot"; did you mean "timeout"?'),
        (
            "exec { } undo(check: false) { }",
            '`undo` has no option "check"; it has timeout, retry, backoff, when, cwd, env',
        ),
        ("exec(retry: 1, retry: 2) { }", "the option `retry` is given twice"),
        ("exec(retry: -1) { }", "`exec`: `retry` takes an integer from 0, not -1"),
        ("exec(retry: 1.5) { }", "`exec`: `retry` takes an integer from 0, not 1.5"),
        ("exec(retry: true) { }", "`exec`: `retry` takes an integer from 0, not true"),
        ('exec(retry: "2") { }', '`exec`: `retry` takes an integer from 0, not "2"'),
        ("exec(capture: 300000) { }", "`exec`: `capture` takes an integer from 1 to 262144, not 300000"),
        ("exec(capture: 0) { }", "`exec`: `capture` takes an integer from 1 to 262144, not 0"),
        ("exec(check: 1) { }", "`exec`: `check` takes true or false, not 1"),
        ("exec(cwd: 1) { }", "`exec`: `cwd` takes text, not 1"),
        ("exec(env: []) { }", "`exec`: `env` takes a map, not an array"),
        ('exec(on_lost: "maybe") { }', '`exec`: `on_lost` takes "fail" or "rerun", not "maybe"'),
        (
            'exec(timeout: "10 parsecs") { }',
            '`exec`: `timeout` takes a duration such as 30, "10s" or "1h30m", not "10 parsecs"',
        ),
        (
            "exec(grace: 301) { }",
            '`exec`: `grace` takes a duration such as 30, "10s" or "1h30m", at most 300 seconds, not 301',
        ),
        (
            "exec(timeout: null) { }",
            '`exec`: `timeout` takes a duration such as 30, "10s" or "1h30m", not null',
        ),
        (
            'exec(env: {CODEAI_STEP_ID: "x"}) { }',
            '`exec`: `env` takes names without `=` that do not begin with CODEAI_, not "CODEAI_STEP_ID"',
        ),
        ('exec(files: {"a/b": ""}) { }', '`exec`: `files` takes file names without `/`, not "a/b"'),
        ("parallel(limit: 0) for x in [1] { }", "`parallel`: `limit` takes an integer from 1, not 0"),
        (
            'parallel(on_error: "go on") for x in [1] { }',
            '`parallel`: `on_error` takes "stop" or "collect", not "go on"',
        ),
        ("sleep()", "`sleep` takes (duration), found 0 arguments"),
        ("sleep(1, 2)", "`sleep` takes (duration), found 2 arguments"),
        ("sleep(time: 1)", '`sleep` has no option "time"; it has duration'),
        ("sleep(1, duration: 2)", "the argument `duration` is given twice"),
        ("sleep(-1)", '`sleep`: `duration` takes a duration such as 30, "10s" or "1h30m", not -1'),
        ("log()", "`log` takes (text) or (level, text), found 0 arguments"),
        (
            'log("loud", "x")',
            '`log`: `level` takes "debug" or "info" or "warn" or "warning" or "error", not "loud"',
        ),
        ("now(1)", "`now` takes no arguments, found 1 argument"),
        ("return len()", "`len` takes the arguments len(x), found 0 arguments"),
        ("return len([1], 2)", "`len` takes the arguments len(x), found 2 arguments"),
        (
            "return split('a', separator: ' ')",
            '`split` has no parameter "separator"; it is split(s, sep = null)',
        ),
        ("return split('a', s: 'b')", "`split` takes the arguments split(s, sep = null), found others"),
        ("return round(x: 1, x: 2)", "the argument `x` is given twice"),
        ("return round(x: 1, 2)", "no argument by position may follow one by name"),
        ("function f(a, b) { return a + b } f(a: 1, 2)", "no argument by position may follow one by name"),
        ("return {a: 1, 'a': 2}", 'this map has the key "a" already'),
        ("param a = uuid()", "the default of a `param` cannot have the effect `uuid`"),
        ("param a = [exec { true }]", "the default of a `param` cannot have `exec`"),
        (
            "param a = f() function f() { return 1 }",
            "the default of a `param` cannot have the program's own function `f`",
        ),
    ],
)
def test_options_and_arguments(source: str, message: str) -> None:
    assert found(source) == [(1, message)]


@pytest.mark.parametrize(
    "source",
    [
        'log("x") log("info", "x") log(text: "x") log(level: "warn", text: "x") log("x", level: "error")',
        "var t = '1s' sleep(t) sleep(0) sleep(duration: \"1h30m\") sleep(1.5)",
        "exec(cwd: null, env: null, queue: null) { }",
        'var x = 1 exec(retry: x, env: {"A": x}, cwd: "a${x}", timeout: "${x}s") { }',
        "return min(1) return_it()\nfunction return_it() { return max([1, 2], 3) + range(1, 2)[0] }",
        'return default({}, "k", 1)',
        "set_status('half way') return [now(), uuid(), random()]",
    ],
)
def test_what_may_be_right_is_left_to_the_run(source: str) -> None:
    assert check(source).errors == ()


@pytest.mark.parametrize(
    "effect", [one for one in EFFECTS.values() if not one.available], ids=lambda one: one.name
)
def test_effects_that_this_build_has_not_are_refused(effect: object) -> None:
    name = effect.name  # type: ignore[attr-defined]
    assert found(f'{name}("a", b: 1)') == [(1, f"`{name}` is not available in this build")]


@pytest.mark.parametrize(
    ("source", "warning"),
    [
        (
            "return\n\n1",
            (
                3,
                "`return` takes the expression on this later line as its value; write `return;` to return "
                "nothing, or begin the value on the line of `return`",
            ),
        ),
        ("for x in [1] { break\nlog(x) }", (2, "this is never reached: `break` comes before it")),
        ("fail('x')\nreturn 1", (2, "this is never reached: `fail` comes before it")),
        (
            "for LD_PRELOAD in ['x'] { exec { true } }",
            (
                1,
                "the shell reads `LD_PRELOAD` itself, so no command sees this variable unless `env:` passes it; "
                "choose another name, or pass it by `env:`",
            ),
        ),
        (
            "if not exec(check: true) { true } and true { log('x') }",
            (
                1,
                "this condition can only be true: a command that fails ends the program; give it the option "
                "`check: false`",
            ),
        ),
    ],
)
def test_warnings(source: str, warning: tuple[int, str]) -> None:
    assert warning in found(source)
    assert check(source).errors == ()


@pytest.mark.parametrize(
    "source",
    [
        "return (\n1)",
        "if true { return 1 }\nreturn 2",
        "return f()\nfunction f() { return 1 }",
        "for _ in [1] { log('x') }",
        "if exec(check: false) { true } or exec { true }.exit_code == 0 { log('x') }",
        "var check = false while exec(check: check) { true } { check = true }",
        "var path = '/x' var VERSION = '1' exec { echo $path $VERSION }",
    ],
)
def test_no_warning_without_a_reason(source: str) -> None:
    assert found(source) == []


def test_names_are_judged_only_as_far_as_the_program_could_be_read() -> None:
    """`known` may be declared in the part that was lost, `f` too; what stands before it is certain."""
    source = "var a = unknown\nf()\nvar b = = 1\nlog(b)\nbreak\nexec(retry: -1) { }"
    assert [(line, message.split(";")[0]) for line, message in found(source)] == [
        (1, 'unknown name "unknown"'),
        (3, "found `=`, expected an expression"),
        (6, "`exec`: `retry` takes an integer from 0, not -1"),
    ]


def test_errors_that_lose_nothing_do_not_hide_what_follows() -> None:
    source = 'var a = 007\nvar b = "\\q"\nlog(a && b)\nreturn nowhere'
    assert [line for line, _ in found(source)] == [1, 2, 3, 4]


def test_what_cannot_be_read_has_no_tree() -> None:
    checked = check(b"\xff")
    assert (checked.tree, checked.resolution, len(checked.errors)) == (None, None, 1)
