"""Values: their sizes, their stored form, how people and programs see them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from codeai.dsl.faults import Fault
from codeai.dsl.stored import decode, encode
from codeai.dsl.values import (
    Array,
    ErrorValue,
    ExecValue,
    Map,
    SecretHandle,
    as_text,
    from_plain,
    json_text,
    size_of,
    to_result,
)

PLAIN = [
    None,
    True,
    0,
    -(2**63),
    2.0,
    1e22,
    -0.0,
    "",
    'a"ž🚀\n',
    [],
    {},
    [1, [2.5, {"a": None}]],
    {"z": 1, "a": {"$exec": [1]}, "$": 0},
]


@pytest.mark.parametrize("plain", PLAIN, ids=repr)
def test_a_value_survives_being_stored_as_json_text(plain: Any) -> None:
    value = from_plain(plain)
    again = decode(json.loads(json.dumps(encode(value))))
    assert json_text(again) == json_text(value)
    assert size_of(again) == size_of(value)


SPECIAL = [
    ExecValue("out", "err", 3, 1.5, 2, True),
    ErrorValue("failed", "no", 3),
    ErrorValue("exec_failed", "no", 3, 7, "err"),
    ErrorValue("failed", "2", 1, errors=(ErrorValue("failed", "a", 1), ErrorValue("lost", "b", 2, None, ""))),
    SecretHandle((("text", "Bearer "), ("secret", "token"))),
]


@pytest.mark.parametrize("value", SPECIAL, ids=lambda value: type(value).__name__)
def test_a_special_value_survives_too(value: Any) -> None:
    stored = json.dumps(encode(from_plain([value])))
    assert json.dumps(encode(decode(json.loads(stored)))) == stored


def test_people_see_text_of_commands_and_no_secrets() -> None:
    value = from_plain(
        [ExecValue("out"), SecretHandle((("secret", "token"),)), ErrorValue("failed", "no", 3)]
    )
    assert to_result(value) == ["out", "***", {"kind": "failed", "message": "no", "line": 3}]


def test_text_is_as_str_gives_it() -> None:
    assert [as_text(from_plain(one)) for one in (None, True, 2, 2.0, 1e22, "a", [1, "a", None], ExecValue("o"))] == [
        "null", "true", "2", "2.0", "1e+22", "a", '[1,"a",null]', "o",
    ]  # fmt: skip


@pytest.mark.parametrize("plain", [[1, "ab", 2.5], {"a": [True, None], "č": {}}, [[], [[]]], [-12, "ž"]])
def test_a_size_is_about_that_of_the_json(plain: Any) -> None:
    real = len(json.dumps(plain, ensure_ascii=False, separators=(",", ":")).encode())
    assert real <= size_of(from_plain(plain)) <= real + 3


def nested(depth: int) -> Any:
    plain: Any = 1
    for _ in range(depth):
        plain = [plain]
    return plain


@pytest.mark.parametrize(
    ("plain", "kind"),
    [
        (2**63, "value_error"),
        (float("inf"), "value_error"),
        ("a\0b", "value_error"),
        ("\ud800", "value_error"),
        (nested(101), "limit"),
        ("x" * 262145, "limit"),
        ([0] * 100_001, "limit"),
        (object(), "value_error"),
    ],
)
def test_what_is_no_value_is_refused(plain: Any, kind: str) -> None:
    with pytest.raises(Fault) as caught:
        from_plain(plain)
    assert caught.value.kind == kind


@pytest.mark.parametrize("plain", [2**63 - 1, nested(100), "x" * 262144, "ž" * 131072, [0] * 100_000])
def test_a_limit_itself_is_allowed(plain: Any) -> None:
    assert to_result(from_plain(plain)) == plain


def test_a_copy_shares_what_is_in_it() -> None:
    inner = from_plain([1])
    outer = from_plain({"a": inner})
    assert isinstance(inner, Array) and isinstance(outer, Map)
    copy = outer.copied()
    assert copy["a"] is outer["a"] and outer["a"].shared and not copy.shared  # type: ignore[union-attr]
