"""The built-in functions: `expression => JSON` or `=> !kind`, beyond what the conformance cases ask."""

from __future__ import annotations

import json

import pytest

from codeai.dsl.builtins import BUILTINS, places
from tests.dsl.runs import run

ROWS = """
len("č🚀") => 2
str(-0.0) => "-0.0"
str(1e16) => "1e+16"
str({a: [1.0, null]}) => "{\\"a\\":[1.0,null]}"
int("+7") => 7
int("-9223372036854775808") => -9223372036854775808
int("9223372036854775808") => !value_error
int("٣") => !value_error
int("") => !value_error
int(true) => !type_error
int(-3.9) => -3
int(1e19) => !value_error
float("1e400") => !value_error
float("nan") => !value_error
float(".5") => 0.5
float("1_0") => !value_error
range(2, 8, 3) => [2, 5]
range(3, 1) => []
range(step: -1, start: 2, stop: 0) => [2, 1]
range("3") => !type_error
contains("123", "2") => true
split(" a  b\\n", null) => ["a", "b"]
split("", ",") => [""]
split("a", "") => !value_error
join([1], ",") => !type_error
join(sep: "-", array: ["a", "b"]) => "a-b"
replace("aaa", "a", "bb") => "bbbbbb"
lines("") => []
lines("\\n") => [""]
lines("a\\n\\nb\\n") => ["a", "", "b"]
slice("abc", -2) => "bc"
slice([1, 2, 3], 5, 9) => []
slice("abc", 2, 1) => ""
slice("abc", 0.0) => !type_error
sort([2, 1.5, 1]) => [1, 1.5, 2]
sort(["b", "a", "Z"]) => ["Z", "a", "b"]
sort([true]) => !type_error
unique([1, 1.0, true, "1", [1], [1.0]]) => [1, true, "1", [1]]
min("b", "a") => "a"
min([]) => !value_error
min(1, "a") => !type_error
max(2, 10) => 10
sum([0.5, 1]) => 1.5
sum([9223372036854775807, 1]) => !value_error
abs(-9223372036854775807 - 1) => !value_error
round(-0.5) => -1
round(0.125, 2) => 0.13
round(1234, -2) => 1200.0
round(1e300) => !value_error
round(true) => !type_error
floor(-2.5) => -3
ceil(-2.5) => -2
json_encode({a: 1, b: [1.0]}) => "{\\"a\\":1,\\"b\\":[1.0]}"
json_encode([1], indent: 99) => !value_error
json_encode([1], indent: "2") => !type_error
json_decode("[1,]") => !value_error
json_decode("NaN") => !value_error
json_decode("1e999") => !value_error
json_decode("{\\"a\\":1,\\"a\\":2}") => !value_error
json_decode("\\"\\\\u0000\\"") => !value_error
json_decode("01") => !value_error
base64_decode("aGk") => !value_error
base64_decode("/w==") => !value_error
base64_encode("č") => "xI0="
regex_match("xay", "(a)(b)?") => ["a", "a", null]
regex_match("čaj", "a.") => ["aj"]
regex_replace("aXbX", "X", "$0$0") => "aXXbXX"
regex_replace("a", "a", "$1") => !value_error
regex_replace("abc", "", "-") => "-a-b-c-"
format_time(1700000000.9) => "2023-11-14T22:13:20Z"
format_time(0, "%Y/%m") => "1970/01"
format_time(0, zone: "Nowhere/City") => !value_error
format_time(1e300) => !value_error
parse_duration("1d2h3m4s5ms") => 93784.005
parse_duration("90") => !value_error
parse_duration("1.5h") => !value_error
parse_duration("") => !value_error
parse_duration("1m1h") => !value_error
merge({a: 1}, {b: 2}, {a: 3}) => {"a": 3, "b": 2}
default({a: null}, "a", 1) => null
default({}, "a", 1) => 1
default([1], 0, 1) => !type_error
default(null, 1) => 1
starts_with("abc", "") => true
"" in "abc" => true
1 in "123" => !type_error
[1.0] in [[1]] => true
"a" in {a: 1} => true
""".strip().splitlines()


@pytest.mark.parametrize("row", ROWS)
def test_rows(row: str) -> None:
    expression, _, expected = row.rpartition(" => ")
    done = run(f"return {expression}")
    if expected.startswith("!"):
        assert done.error is not None and done.error.kind == expected[1:]
    else:
        assert done.error is None
        assert json.dumps(done.result, ensure_ascii=False) == json.dumps(
            json.loads(expected), ensure_ascii=False
        )


def test_regular_expressions_run_in_linear_time() -> None:
    text = 'var s = "aaaaaaaaaaaaaaaa"\nfor i in range(12) { s += s }\n'
    assert run(text + 'return regex_match(s, "^(a+)+$b")').result is None
    assert run(text + 'return len(regex_replace(slice(s, 0, 20000), "a", "bb"))').result == 40000


@pytest.mark.parametrize("call", ['regex_replace(s, "a.*b|a", "")', 'regex_match(s, "((a?){30}){30}b")'])
def test_what_regular_expressions_cannot_do_in_time_is_a_limit(call: str) -> None:
    done = run(f'var s = "aaaaaaaaaaaaaaaa"\nfor i in range(14) {{ s += s }}\nvar x = {call}')
    assert done.error is not None and (done.error.kind, done.error.line) == ("limit", 3)


def test_arguments_go_to_their_parameters() -> None:
    assert places(BUILTINS["default"], 0, ["value", "x"]) == [1, 0]
    assert places(BUILTINS["slice"], 1, ["to", "from"]) == [0, 2, 1]
    assert places(BUILTINS["merge"], 1, []) is None
    assert places(BUILTINS["len"], 1, ["x"]) is None
    assert places(BUILTINS["min"], 0, ["x"]) == [0]


def test_every_row_says_what_it_is_for() -> None:
    assert all(row.help and row.signature.startswith(row.name) for row in BUILTINS.values())


@pytest.mark.parametrize("pattern", ["a", "a+b?", "(a)", "x*", "aa|b", "[^b]+"])
def test_many_matches_in_the_longest_text_are_no_limit(pattern: str) -> None:
    text = 'var s = "aaaaaaaaaaaaaaa\\n"\nfor i in range(14) { s += s }\n'
    assert run(f'{text}return len(regex_replace(s, "{pattern}", "")) < 262145').result is True


@pytest.mark.parametrize("pattern", ["(a?)" * 900, "(a?)" * 2000, r"\\pL{1000}"])
def test_a_pattern_that_takes_too_much_is_a_limit(pattern: str) -> None:
    done = run(
        f'var s = "aaaaaaaaaaaaaaaa"\nfor i in range(14) {{ s += s }}\nregex_match(s, "{pattern}x|{pattern}")'
    )
    assert done.error is not None and done.error.kind == "limit"


@pytest.mark.parametrize(
    "pattern",
    [r"\pL+", r"[\pL\pN_]+", r"\PL", '"[^"]*"', '"([^"]*)"', r'"[^"\n]+?"', r"\{[^}]*\}", r"<[^<>]*>"],
)
def test_words_and_quotes_of_the_longest_text_are_no_limit(pattern: str) -> None:
    text = """var s = '"für" {b} <c>\n'\nfor i in range(14) { s += s }\n"""
    done = run(
        f"{text}return [len(s), len(regex_replace(s, '{pattern}', \"\")), regex_match(s, '{pattern}') == null]"
    )
    assert done.error is None
    whole, rest, missing = done.result
    assert rest < whole and not missing


@pytest.mark.parametrize("pattern", ['"[^"]*"a*"|"', "a[^b]*b|a", r"\pL*b|\pL"])
def test_a_search_that_looks_on_past_its_matches_is_a_limit(pattern: str) -> None:
    text = """var s = 'aaaaaaaaaaaaa"a"'\nfor i in range(14) { s += s }\n"""
    done = run(f"{text}return len(regex_replace(s, '{pattern}', \"\"))")
    assert done.error is not None and done.error.kind == "limit"
