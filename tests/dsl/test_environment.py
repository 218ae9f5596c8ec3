"""How values reach a command."""

from __future__ import annotations

import pytest

from codeai.dsl.environment import Environment, environment, undo_environment
from tests.dsl.runs import run

BIG = 'var big = "0123456789abcdef"\nfor i in range(12) { big += big }\nbig += "!"\n'


def given(source: str) -> Environment:
    return environment(run(source).requests[-1])


def test_values_are_text() -> None:
    variables = (
        'var a = 5\nvar b = 1.5\nvar c = true\nvar d = [1, "ž"]\nvar e = ""\nvar f = exec { echo x }\n'
    )
    source = variables + "exec { $a $b $c $d $e $f }"
    assert given(source).env == {"a": "5", "b": "1.5", "c": "true", "d": '[1,"ž"]', "e": "", "f": "x"}


def test_env_adds_wins_and_removes() -> None:
    made = given(
        'var a = 1\nvar b = 2\nexec(env: {a: "x", b: null, HOME: null, PATH: "/bin", N: 2.0}) { $a $b }'
    )
    assert made.env == {"a": "x", "PATH": "/bin", "N": "2.0"}
    assert made.unset == ("b", "HOME")


@pytest.mark.parametrize("text", ["$big", '"${big}"', "${big:-x}", "a$big"])
def test_a_large_value_that_is_expanded_stops_the_step(text: str) -> None:
    error = given(BIG + f"exec {{ {text} }}").error
    assert error is not None and (error.kind, error.line) == ("value_error", 4) and "files:" in error.message


@pytest.mark.parametrize("text", ["big", "printenv big", "$bigger", "${bigger}"])
def test_a_large_value_that_is_only_a_word_is_left_out(text: str) -> None:
    made = given(BIG + f"exec {{ {text}; : big }}")
    assert (made.env, made.skipped, made.error) == ({}, ("big",), None)


def test_a_large_value_in_env_stops_the_step() -> None:
    assert given(BIG + "exec(env: {A: big}) { a }").error is not None
    assert given(BIG + 'exec { a } undo { echo "$big" }').error is not None


@pytest.mark.parametrize(
    "option", ['env: {"CODEAI_X": "1"}', 'env: {"A=B": "1"}', 'files: {"a/b": "x"}', 'files: {"..": "x"}']
)
def test_wrong_names_stop_the_step(option: str) -> None:
    source = f"var one = {{{option.partition('{')[2]}\nexec({option.partition(':')[0]}: one) {{ a }}"
    error = given(source).error
    assert error is not None and error.kind == "value_error"


def test_files_are_text() -> None:
    assert given('exec(files: {"a.txt": "x"}) { a }').files == {"a.txt": "x"}
    error = given("var f = {a: 1}\nexec(files: f) { a }").error
    assert error is not None and error.kind == "type_error"


def test_an_undo_has_its_own_variables_and_the_execs_env() -> None:
    request = run('var a = 1\nvar b = 2\nexec(env: {E: "e"}) { $a } undo { $b }').requests[0]
    assert undo_environment(request).env == {"b": "2", "E": "e"}


def test_a_secret_in_an_array_or_map_is_put_into_its_json_later() -> None:
    (asked,) = run(
        'var t = "a\\"" + secret("npm")\nvar all = [1, {key: t}]\nexec(env: {MORE: [secret("x")]}) { echo "$all" }'
    ).requests
    found = environment(asked)
    assert found.error is None and not found.env
    assert found.secrets["all"].parts == (
        ("text", '[1,{"key":'),
        ("text", '"'),
        ("text", 'a\\"'),
        ("secret_in_json", "npm"),
        ("text", '"'),
        ("text", "}]"),
    )
    assert [part for kind, part in found.secrets["MORE"].parts if kind != "text"] == ["x"]
