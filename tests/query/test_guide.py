"""The examples of docs/query.md are queries and filters that can be asked."""

from __future__ import annotations

import re

import pytest

from codeai.dsl.query.check import check_filter
from codeai.dsl.query.diagnostics import BadQuery
from codeai.dsl.query.parser import read_filter
from codeai.persistence.entities import ENTITIES
from codeai.persistence.query import understood
from tests.tree import ROOT

GUIDE = (ROOT / "docs" / "query.md").read_text(encoding="utf-8")
PARAMS = {"run": "422bfc3e-4475-5ecb-8154-5cf3c265b9af"}


def examples(kind: str) -> list[str]:
    blocks = re.findall(rf"```{kind}\n(.*?)```", GUIDE, re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


@pytest.mark.parametrize("text", examples("query"))
def test_an_example_is_understood(text: str) -> None:
    assert understood(text, PARAMS)


@pytest.mark.parametrize("text", examples("filter"))
def test_a_filter_of_the_examples_is_one_of_executions(text: str) -> None:
    assert check_filter(*read_filter(text), ENTITIES["executions"].shape)


def test_the_error_is_what_is_told() -> None:
    with pytest.raises(BadQuery) as refused:
        understood("SELECT nme FROM deployments", {})
    assert refused.value.shown().strip() in GUIDE
