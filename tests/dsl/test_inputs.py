"""The inputs of a run."""

from __future__ import annotations

from typing import Any

import pytest

from codeai.dsl.compile import compile_source
from codeai.dsl.inputs import check_inputs, parse_inputs
from codeai.dsl.program import Code

SOURCE = """param name
param n = 5
param half = 0.5
param flag = true
param list = []
param conf = {}
param text = "x"
param any = null
param later = name + "!"
"""


def code() -> Code:
    made = compile_source(SOURCE).code
    assert made is not None
    return made


def test_text_is_read_as_the_default_is() -> None:
    values, problems = parse_inputs(
        code(),
        {
            "name": "5",
            "n": "7",
            "half": "1",
            "flag": "false",
            "list": "[1]",
            "conf": '{"a":1}',
            "text": "[1]",
            "any:": "5",
        },
    )
    assert problems == []
    assert values == {
        "name": "5", "n": 7, "half": 1, "flag": False, "list": [1], "conf": {"a": 1}, "text": "[1]", "any": 5,
    }  # fmt: skip
    assert check_inputs(code(), values) == []


@pytest.mark.parametrize(
    ("values", "name", "message", "line"),
    [
        ({}, "name", 'the input "name" is required', 1),
        ({"name": 1, "other": 2}, "other", 'the program has no param "other"', 0),
        ({"name": 1, "n": "7"}, "n", "takes the type of its default, integer, not a string", 2),
        ({"name": 1, "n": 7.5}, "n", "not a float", 2),
        ({"name": 1, "flag": 1}, "flag", "bool, not an integer", 4),
        ({"name": 1, "list": {}}, "list", "array, not a map", 5),
        ({"name": 2**70}, "name", "64-bit", 1),
        ({"name": "a\0"}, "name", "U+0000", 1),
    ],
)
def test_what_does_not_fit_is_named(values: dict[str, Any], name: str, message: str, line: int) -> None:
    (problem,) = check_inputs(code(), values)
    assert (problem.name, problem.line) == (name, line) and message in problem.message


def test_of_countless_wrong_inputs_the_first_hundred_are_told() -> None:
    """A run whose error has over 2 MiB could not even fail."""
    params = "".join(f"param {'p' * 5000}{n}\n" for n in range(150))
    many = compile_source(params).code
    assert many is not None
    unknown = {f"{'x' * 5000}{n}": n for n in range(50_000)}
    for values in ({}, unknown):
        problems = check_inputs(many, values)
        assert len(problems) == 100
        assert all(len(one.name) + len(one.message) < 4000 for one in problems)
    assert "p, " not in problems[0].message and "and 130 more" in problems[0].message


def test_what_fits_more_than_its_type_says() -> None:
    assert check_inputs(code(), {"name": None, "half": 2, "text": [1], "any": {}, "later": 1}) == []


def test_text_that_is_no_json_is_named() -> None:
    _, problems = parse_inputs(code(), {"n": "many", "list:": "[1", "nowhere:": "{"})
    assert [(one.name, one.line) for one in problems] == [("n", 2), ("list", 5), ("nowhere", 0)]
