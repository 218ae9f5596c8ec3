"""`where` of a wait: every key of it is in the data with an equal value, maps the same all the way down."""

from __future__ import annotations

from typing import Any

import pytest

from codeai.dsl.matching import includes
from codeai.dsl.values import from_plain


@pytest.mark.parametrize(
    ("where", "data"),
    [
        ({}, {}),
        ({}, {"a": 1}),
        ({"a": 1}, {"a": 1, "b": 2}),
        ({"a": 1}, {"a": 1.0}),
        ({"a": {"n": 5}}, {"a": {"n": 5, "more": 1}, "b": 2}),
        ({"a": {}}, {"a": {"n": 5}}),
        ({"a": None}, {"a": None}),
        ({"a": [1, {"b": 2}]}, {"a": [1, {"b": 2}]}),
        ({"a": "x"}, {"a": "x"}),
    ],
)
def test_data_that_has_all_of_it(where: Any, data: Any) -> None:
    assert includes(from_plain(data), from_plain(where))


@pytest.mark.parametrize(
    ("where", "data"),
    [
        ({"a": 1}, {}),
        ({"a": None}, {}),
        ({"a": 1}, {"a": True}),
        ({"a": 1}, {"a": "1"}),
        ({"a": {"n": 5}}, {"a": {"n": 4}}),
        ({"a": {"n": 5}}, {"a": 5}),
        ({"a": {}}, {"a": []}),
        ({"a": {}}, {"a": None}),
        ({"a": 5}, {"a": {"n": 5}}),
        ({"a": [1]}, {"a": [1, 2]}),
        ({"a": [{"b": 2}]}, {"a": [{"b": 2, "c": 3}]}),
        ({"a": 1, "b": 2}, {"a": 1, "b": 3}),
    ],
)
def test_data_that_lacks_something(where: Any, data: Any) -> None:
    assert not includes(from_plain(data), from_plain(where))
