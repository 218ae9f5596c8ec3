"""JSON from outside is read strictly, and a refusal never repeats a value."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeai.workflows.contracts.changes import DeploymentBody
from codeai.workflows.contracts.decoding import InvalidInput, decode, read_json, validated
from codeai.workflows.contracts.executions import ExecuteInput

plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=4)
    ),
    max_leaves=30,
)


@given(plain)
def test_what_json_can_say_is_read_as_it_is(value: Any) -> None:
    assert read_json(json.dumps(value).encode()) == value


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        read_json(data)
    except InvalidInput:
        pass


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b'{"a": 1, "a": 2}', "same key twice"),
        (b"NaN", "NaN"),
        (b"-Infinity", "Infinity"),
        (b"1e999", "too large"),
        (b"9223372036854775808", "64 bits"),
        (b"1" * 5000, "64 bits"),
        (b"[" * 65 + b"]" * 65, "64 levels"),
        (b"[" * 100_000, "64 levels"),
        (b"\xff", "UTF-8"),
        (b"{", "not JSON"),
    ],
)
def test_what_no_database_could_hold_is_refused(data: bytes, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        read_json(data)


def test_brackets_in_strings_are_no_levels() -> None:
    assert read_json(json.dumps("[" * 500 + '"\\').encode()) == "[" * 500 + '"\\'


def test_sixty_four_levels_are_allowed() -> None:
    assert read_json(b"[" * 64 + b"]" * 64)


def test_every_field_that_is_wrong_is_named_and_no_value_repeated() -> None:
    data = b'{"program": 5, "version": 0, "hunter2": "hunter2-value", "execution": "hunter2-id"}'
    with pytest.raises(InvalidInput) as caught:
        decode(data, ExecuteInput)
    assert {error["field"] for error in caught.value.errors} == {"program", "version", "hunter2", "execution"}
    assert "hunter2-" not in str(caught.value) + str(caught.value.errors)


def test_what_is_told_of_countless_wrong_fields_has_room_in_a_runs_error() -> None:
    data = json.dumps({f"{'x' * 1000}{number}": number for number in range(900)}).encode()
    with pytest.raises(InvalidInput, match="and 800 more") as caught:
        decode(data, ExecuteInput)
    assert len(caught.value.errors) == 100 and len(str(caught.value)) < 64 * 1024


def test_a_lone_surrogate_is_refused() -> None:
    with pytest.raises(InvalidInput, match="surrogate"):
        decode(b'{"program": "\\ud800"}', ExecuteInput)


@pytest.mark.parametrize("data", [b"[1]", b"7", b'"x"', b"null"])
def test_only_an_object_is_an_input(data: bytes) -> None:
    with pytest.raises(InvalidInput, match="object"):
        decode(data, ExecuteInput)


def test_a_concurrency_key_is_part_of_a_workflow_id_which_temporal_counts_in_bytes() -> None:
    body = {"name": "d", "concurrency_key": "\U0001f680" * 225}
    assert DeploymentBody.model_validate(body).concurrency_key == body["concurrency_key"]
    with pytest.raises(InvalidInput, match="900 bytes"):
        validated({**body, "concurrency_key": "\U0001f680" * 226}, DeploymentBody)
