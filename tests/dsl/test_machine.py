"""The machine: what programs ask for, in which order, and what they make of the answers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from codeai.dsl.bind import bind
from codeai.dsl.check import check
from codeai.dsl.compile import compile_program
from codeai.dsl.machine import Machine
from codeai.dsl.requests import Asking, EffectResult, Failed, Finished, Request
from codeai.dsl.values import ErrorValue, ExecValue, to_result
from tests.dsl.runs import echo, program, run


def asked(source: str, **options: Any) -> list[Request]:
    return run(source, **options).requests


def texts(source: str, **options: Any) -> list[Any]:
    return [one.arguments["text"] for one in asked(source, **options) if one.effect == "log"]


# Order


@pytest.mark.parametrize(
    ("expression", "order"),
    [
        ("t(1) + t(2) * t(3)", "1 2 3"),
        ("[t(1), {a: t(2), b: [t(3)]}, t(4)]", "1 2 3 4"),
        ("t(0) and t(1)", "0"),
        ("t(1) and t(0) or t(3)", "1 0 3"),
        ("t(0) or t(2) and t(3)", "0 2 3"),
        ("t(t(1) + t(2))", "1 2 3"),
        ('"${t(1)} ${t(2)}"', "1 2"),
        ("[t(1)][t(0)]", "1 0"),
        ("pair(b: t(1), a: t(2))", "1 2"),
        ("not t(1) or -t(2)", "1 2"),
        ("len(str(t(1))) + t(2)", "1 2"),
    ],
)
def test_expressions_are_evaluated_left_to_right(expression: str, order: str) -> None:
    functions = "function t(x) { log(str(x)) return x }\nfunction pair(a, b) { return [a, b] }\n"
    assert " ".join(texts(f"{functions}var r = {expression}\nreturn r")) == order


def test_what_fails_first_fails() -> None:
    done = run("function t(x) { log(x) return x }\nvar a = [1]\nreturn a[5] + t(1)")
    assert done.error is not None and (done.error.kind, done.error.line) == ("index_error", 3)
    assert done.requests == []


def test_long_chains_are_cut_and_mean_the_same() -> None:
    assert run("var a = 1\nreturn " + "+".join(["a"] * 50_000)).result == 50_000
    assert (
        run("var a = 0\nfunction f() { return a }\nreturn " + " or ".join(["f()"] * 5_000) + " or 7").result
        == 7
    )
    assert run("return " + "not " * 50_001 + "true").result is False
    assert run('var s = "x"\nreturn s' + "[0]" * 50_000).result == "x"


def test_a_function_sees_the_top_level_as_it_is_at_the_call() -> None:
    assert run("var x = 1\nfunction f() { return x }\nvar a = f()\nx = 2\nreturn [a, f()]").result == [1, 2]
    done = run("function f() { return x }\nvar a = f()\nvar x = 1")
    assert done.error is not None and (done.error.kind, done.error.line) == ("name_error", 1)


# Values are nobody else's


SHARED = [
    ("var a = [1]\nvar b = a\nb[0] = 2\nreturn [a, b]", [[1], [2]]),
    ("var a = [[1]]\nvar b = a[0]\na[0][0] = 2\nreturn [a, b]", [[[2]], [1]]),
    ("var a = [1]\na = append(a, a)\na[1][0] = 5\nreturn a", [1, [5]]),
    ("var a = [1]\na += a\nreturn a", [1, 1]),
    ("var a = [[1]]\na += a\na[0][0] = 2\nreturn a", [[2], [1]]),
    ("var m = {a: {b: 1}}\nvar n = {c: m.a}\nm.a.b = 2\nreturn [m, n]", [{"a": {"b": 2}}, {"c": {"b": 1}}]),
    ("function f(x) { x[0] = 9 return x }\nvar a = [1]\nreturn [f(a), a]", [[9], [1]]),
    ("var a = [[1]]\nfor x in a { x[0] = 2 }\nreturn a", [[1]]),
    ("var a = [1, 2]\nfor x in a { a[1] = 9 }\nreturn a", [1, 9]),
    ("var a = [1, 2]\nvar s = 0\nfor x in a { a[1] = 9 s += x }\nreturn s", 3),
    ("var a = [1]\nvar b = [a, a]\nb[0][0] = 2\nreturn [a, b]", [[1], [[2], [1]]]),
    ("var a = [[1]]\nvar b = reverse(a)\nb[0][0] = 2\nreturn a", [[1]]),
    ("var a = [1]\nvar b = a or 0\nb[0] = 2\nreturn a", [1]),
    ('var a = {k: [1]}\nvar b = default(a, "k", 0)\nb[0] = 2\nreturn a', {"k": [1]}),
    ("var a = [1]\nfunction g() { return a }\nvar b = g()\nb[0] = 2\nreturn [a, g()]", [[1], [1]]),
    ("var a = [[1], 2]\na[0] = a\na[0][1] = 3\nreturn a", [[[1], 3], 2]),
]


@pytest.mark.parametrize(("source", "result"), SHARED, ids=[row[0] for row in SHARED])
def test_no_two_names_share_state(source: str, result: Any) -> None:
    assert run(source).result == result


def test_what_was_handed_out_does_not_change() -> None:
    done = run("var a = [1]\nexec { echo $a } undo { back $a }\na = append(a, 2)\nexec { echo $a }")
    assert [to_result(one.variables) for one in done.requests] == [{"a": [1]}, {"a": [1, 2]}]
    assert done.requests[0].undo is not None
    assert to_result(done.requests[0].undo.variables) == {"a": [1]}


# Effects


def test_arguments_are_complete_and_checked() -> None:
    (one,) = asked('exec(timeout: "1m30s", retry: 2) { echo a } undo(when: "succeeded") { b }')
    assert (one.step, one.effect, one.line, one.text) == (1, "exec", 1, "echo a")
    assert (
        one.arguments["timeout"] == 90.0
        and one.arguments["backoff"] == 1.0
        and one.arguments["check"] is True
    )
    assert one.undo is not None and one.undo.text == "b"
    assert one.undo.arguments == {
        "timeout": 600.0, "retry": 2, "backoff": 1.0, "when": "succeeded", "cwd": None, "env": None,
    }  # fmt: skip


def test_an_undo_has_the_folder_and_variables_of_its_exec() -> None:
    (one,) = asked('exec(cwd: "sub", env: {A: "1"}) { a } undo { b }')
    assert one.undo is not None
    assert one.undo.arguments["cwd"] == "sub" and to_result(one.undo.arguments["env"]) == {"A": "1"}


@pytest.mark.parametrize(
    ("call", "kind"),
    [
        ("sleep(n)", "type_error"),
        ("sleep(0 - 1)", "value_error"),
        ('sleep("1" + "x")', "value_error"),
        ("exec(retry: 0 - 1) { a }", "value_error"),
        ("exec(retry: 1.5 + 0) { a }", "type_error"),
        ("exec(capture: 262144 + 1) { a }", "value_error"),
        ('exec(on_lost: "may" + "be") { a }', "value_error"),
        ("exec(check: n) { a }", "type_error"),
        ("exec(env: [n] + [n]) { a }", "type_error"),
        ("set_status(1 + 1)", "type_error"),
        ('log("lou" + "d", "x")', "value_error"),
        ("parallel for x in n { }", "type_error"),
        ("parallel(limit: 1 - 1) for x in [1] { }", "value_error"),
    ],
)
def test_wrong_arguments_are_an_error_at_the_effect(call: str, kind: str) -> None:
    done = run(f'var n = json_decode("null")\n\n{call}')
    assert done.error is not None and (done.error.kind, done.error.line) == (kind, 3)
    assert done.requests == []


def test_log_takes_a_level_first() -> None:
    done = asked('log("a")\nlog("warn", 5)\nlog(text: [1], level: "debug")')
    assert [(one.arguments["level"], one.arguments["text"]) for one in done] == [
        ("info", "a"), ("warn", "5"), ("debug", "[1]"),
    ]  # fmt: skip


def test_an_exit_code_is_an_error_unless_it_is_not_checked() -> None:
    def answer(_: Request) -> EffectResult:
        return EffectResult(ExecValue("out", "first\nlast", 4))

    done = run("var a = 1\n\nexec { false }", answer=answer)
    assert done.error is not None
    assert to_result(done.error) == {
        "kind": "exec_failed",
        "message": "the command ended with exit code 4: last",
        "line": 3,
        "exit_code": 4,
        "stderr": "first\nlast",
    }
    assert run("var r = exec(check: false) { false }\nreturn [r.exit_code, not r]", answer=answer).result == [
        4,
        True,
    ]


def test_an_error_of_a_command_is_one_even_unchecked() -> None:
    def answer(_: Request) -> EffectResult:
        return EffectResult(error=ErrorValue("timeout", "too long"))

    source = "try { exec(check: false) { a } } catch e { return [e.kind, e.line, e.exit_code, e.stderr] }"
    assert run(source, answer=answer).result == ["timeout", 1, None, ""]


def test_fail_passes_an_error_on_unchanged() -> None:
    done = run("try {\nexec { exit 3 }\n} catch e { fail(e) }")
    assert done.error is not None
    assert (done.error.kind, done.error.line, done.error.exit_code) == ("exec_failed", 2, 3)


def test_the_result_of_an_effect_is_bounded() -> None:
    def answer(_: Request) -> EffectResult:
        return EffectResult(["x" * 1000] * 300)

    done = run("var a = 1\nvar x = uuid()", answer=answer)
    assert done.error is not None and (done.error.kind, done.error.line) == ("limit", 2)


def test_an_answer_that_nobody_waits_for_is_refused() -> None:
    machine = Machine.start(program("log(1)"), {})
    machine.advance()
    machine.answer(1, EffectResult())
    with pytest.raises(ValueError, match="nobody waits"):
        machine.answer(1, EffectResult())


# Undo


def test_the_undo_stack_is_in_the_order_of_the_starts() -> None:
    done = run(
        "function f(n) { exec { a } undo { b } }\n"
        "exec { a } undo { b }\ntry { exec { exit 1 } undo { b } } catch e { }\nf(1)\nexec { a }\n"
        'parallel for x in [1, 2] { exec { a } undo { b } }\nfail("now")'
    )
    assert done.undo_stack == (1, 2, 3, 5, 6)


def test_what_never_started_is_not_undone() -> None:
    def answer(request: Request) -> EffectResult:
        return EffectResult(error=ErrorValue("value_error", "no"), undoable=False)

    assert run("try { exec { a } undo { b } } catch e { }", answer=answer).undo_stack == ()


def test_when_succeeded_leaves_out_what_did_not_succeed() -> None:
    source = 'try { exec { %s } undo(when: "succeeded") { b } } catch e { }'
    assert run(source % "a").undo_stack == (1,)
    assert run(source % "exit 2").undo_stack == ()
    assert run('exec(check: false) { exit 2 } undo(when: "succeeded") { b }').undo_stack == ()


def test_an_undo_knows_the_variable_of_its_result() -> None:
    (first, second, third) = asked(
        'var id = exec { a } undo { b "$id" }\nid = exec { c $id } undo { d "$id" "$other" }\n'
        'var other = exec { e } undo { f "$id" }'
    )
    assert [one.assigned for one in (first, second, third)] == ["id", "id", None]
    assert second.undo is not None and second.undo.variables == {}
    assert to_result(second.variables) == {"id": "a"}
    assert third.undo is not None and to_result(third.undo.variables) == {"id": "c a"}


# Variables by mention


def test_only_what_is_mentioned_visible_and_not_null_is_passed() -> None:
    done = asked(
        'var a = 1\nvar b = null\nvar PATH = "/x"\nvar c = 2\n'
        'function f(a) { exec { f $a $mine $c } }\nif true { var mine = 5 exec { m $a $b $PATH $mine } f("z") }'
    )
    assert [to_result(one.variables) for one in done] == [{"a": 1, "mine": 5}, {"a": "z", "c": 2}]


# Fibres


def test_fibres_run_at_once_up_to_the_limit() -> None:
    machine = Machine.start(program("parallel(limit: 2) for x in [1, 2, 3] { log(x) }"), {})
    first = machine.advance()
    assert isinstance(first, Asking) and [one.arguments["text"] for one in first.requests] == ["1", "2"]
    machine.answer(2, EffectResult())
    second = machine.advance()
    assert isinstance(second, Asking) and [one.arguments["text"] for one in second.requests] == ["3"]


def test_results_are_in_item_order() -> None:
    source = "return parallel for x in [3, 1, 2] { exec { a } if x == 1 { continue } return x }"
    assert run(source, last_first=True).result == [3, None, 2]


def stopping(error: EffectResult) -> tuple[Machine, Asking]:
    """Three fibres wait; the second fails with `error`."""
    source = (
        "try { parallel for x in [1, 2, 3] { exec { a $x } undo { b $x } } } "
        "catch e { return [e.kind, e.message] }"
    )
    machine = Machine.start(program(source), {})
    machine.advance()
    machine.answer(2, error)
    asking = machine.advance()
    assert isinstance(asking, Asking)
    return machine, asking


def test_the_first_failure_stops_the_others_and_waits_for_them() -> None:
    machine, asking = stopping(EffectResult(error=ErrorValue("failed", "second")))
    assert asking.withdrawn == (1, 3) and machine.withdrawn == (1, 3)
    machine.answer(1, EffectResult(ExecValue("late")))
    assert not machine.runnable
    machine.answer(3, EffectResult(error=ErrorValue("cancelled", "cancelled")))
    assert machine.runnable and machine.undo_stack == (1, 2, 3)
    end = machine.advance()
    assert isinstance(end, Finished) and to_result(end.value) == ["failed", "second"]


def test_a_limit_in_a_fibre_ends_the_run() -> None:
    machine, asking = stopping(EffectResult(error=ErrorValue("limit", "too much")))
    assert asking.withdrawn == (1, 3)
    machine.answer(1, EffectResult())
    machine.answer(3, EffectResult())
    end = machine.advance()
    assert isinstance(end, Failed) and end.error.kind == "limit"


def test_collected_failures_are_one_error_in_item_order() -> None:
    source = (
        'try { parallel(on_error: "collect") for x in [3, 0, 1] { exec { a exit $x } } } '
        "catch e { return [e.kind, e.line, [e.errors[0].exit_code, e.errors[1].exit_code]] }"
    )

    def answer(request: Request) -> EffectResult:
        return EffectResult(ExecValue("", "", int(str(request.variables["x"]))))

    assert run(source, answer=answer, last_first=True).result == ["exec_failed", 1, [3, 1]]


def test_a_try_outside_does_not_catch_inside_a_fibre() -> None:
    source = 'try { parallel for x in [1] { log("in") fail("x") } } catch e { log("out") }\nreturn 1'
    assert texts(source) == ["in", "out"]


def test_a_request_that_was_never_seen_is_taken_back() -> None:
    done = run(
        'try { parallel for x in [1, 2] { if x == 2 { fail("x") } exec { a } undo { b } } } catch e { }'
    )
    assert (done.requests, done.withdrawn, done.undo_stack) == ([], [], ())


def test_nested_fibres_end_together() -> None:
    source = (
        'try { parallel for x in [1, 2] { if x == 2 { exec { a } fail("two") } '
        "parallel for y in [1, 2] { exec { b } } } } catch e { return e.message }"
    )
    machine = Machine.start(program(source), {})
    first = machine.advance()
    assert isinstance(first, Asking)
    machine.answer(next(one.step for one in first.requests if one.text == "a"), EffectResult(ExecValue()))
    second = machine.advance()
    assert isinstance(second, Asking) and len(second.withdrawn) == 2
    for step in second.withdrawn:
        machine.answer(step, EffectResult(ExecValue()))
    end = machine.advance()
    assert isinstance(end, Finished) and end.value == "two"


# Cancelling


def test_cancelling_withdraws_everything_and_cannot_be_caught() -> None:
    source = "try { parallel for x in [1, 2] { exec { a } undo { b } } } catch e { return 1 }"
    machine = Machine.start(program(source), {})
    machine.advance()
    machine.cancel()
    asking = machine.advance()
    assert asking == Asking((), (1, 2))
    machine.cancel()
    assert not machine.runnable
    machine.answer(1, EffectResult(ExecValue()))
    machine.answer(2, EffectResult(error=ErrorValue("cancelled", "")))
    end = machine.advance()
    assert isinstance(end, Failed) and (end.error.kind, end.error.line) == ("cancelled", 1)
    assert machine.undo_stack == (1, 2)


def test_what_was_answered_before_a_cancel_is_told_is_not_withdrawn() -> None:
    machine = Machine.start(program("parallel for x in [1, 2] { exec { a } undo { b } }"), {})
    machine.advance()
    machine.cancel()
    machine.answer(1, EffectResult(ExecValue()))
    assert machine.advance() == Asking((), (2,))
    machine.answer(2, EffectResult(error=ErrorValue("cancelled", "")))
    assert isinstance(machine.advance(), Failed)
    assert machine.undo_stack == (1, 2)


def test_cancelling_between_slices_ends_at_once() -> None:
    machine = Machine.start(program("while true { }"), {})
    machine.advance()
    machine.cancel()
    end = machine.advance()
    assert isinstance(end, Failed) and end.error.kind == "cancelled"


# Secrets


def secret(source: str) -> Any:
    """A run of a program with secrets, which this build's checker does not let through yet."""
    checked = check(source)
    assert {one.code for one in checked.errors} <= {"unavailable"}
    return run(bind(compile_program(checked)))


def test_a_secret_is_a_handle_and_never_shown() -> None:
    done = secret(
        'var s = "Bearer ${secret("t")}" + "!"\nlog(s)\nexec(env: {A: s}) { a }\nreturn [type(s), s]'
    )
    assert done.result == ["secret", "***"]
    assert done.requests[0].arguments["text"] == "***"
    env = done.requests[1].arguments["env"]["A"]
    assert env.parts == (("text", "Bearer "), ("secret", "t"), ("text", "!"))


@pytest.mark.parametrize(
    "use", ["str(s)", "s == s", "len(s)", "json_encode([s])", "s[0]", "not s", "s < s", '"a" in s']
)
def test_a_secret_can_only_be_joined_and_kept(use: str) -> None:
    done = secret(f'var s = secret("t")\nvar x = {use}\nreturn x')
    assert done.error is not None and done.error.kind == "type_error"


# What people see


GIVEN_TO_EXEC = {
    "timeout": 600.0, "retry": 0, "backoff": 1.0, "check": True, "grace": 10.0, "capture": 65536, "on_lost": "fail"
}  # fmt: skip


def test_the_view_says_where_a_run_stands() -> None:
    machine = Machine.start(
        program("param p\nvar a = [1]\nfunction f(n) {\n    exec { x } undo { y }\n}\nf(2)"), {"p": 5}
    )
    machine.advance()
    assert machine.view() == {
        "fibres": [
            {
                "fibre": 1,
                "line": 4,
                "function": "f",
                "variables": {"n": 2},
                "calls": [{"line": 6, "function": None, "variables": {"p": 5, "a": [1]}}],
                "waits": "step",
            },
        ],
        "pending": [
            {"step": 1, "fibre": 1, "effect": "exec", "line": 4, "text": "x", "arguments": GIVEN_TO_EXEC},
        ],
        "undo": [1],
        "instructions": machine.instructions,
    }  # fmt: skip


def test_the_state_of_a_typical_program_is_small() -> None:
    source = """
    param service
    var version = exec { git describe }
    for region in ["eu", "us", "ap"] {
        try { exec(retry: 2) { deploy $service $version $region } undo { undeploy $region } }
        catch e { log("warn", e.message) }
    }
    return version
    """
    assert run(source, {"service": "shop"}, answer=echo).largest_state < 2_000


def test_the_state_is_plain_json() -> None:
    machine = Machine.start(program('var a = [1.0, {x: null}]\nvar r = exec { e $a }\nlog("x")'), {})
    machine.advance()
    machine.answer(1, EffectResult(ExecValue("out")))
    machine.advance()
    state = machine.state()
    assert json.loads(json.dumps(state)) == state
