"""What can be done with a tree: compare, copy, change, store; however deep it is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from codeai.dsl import tree
from codeai.dsl.parser import parse
from codeai.dsl.tree_json import BadTree, from_json, to_json
from codeai.dsl.tree_walk import clone, equal, print_tree, transform, walk
from tests.dsl.programs import EVERY_FORM, SMALL


def read(source: str) -> tree.Program:
    parsed = parse(source)
    assert parsed.tree is not None
    return parsed.tree


DEEP = read("return " + "1 + " * 50_000 + "1")


def test_walk_goes_from_the_outside_in_and_in_the_order_of_the_source() -> None:
    program = read("var a = f(1, b: [2])\nif a { a.c[3] = 4 }")
    numbers = [one.value for one in walk(program) if isinstance(one, tree.NumberLiteral)]
    assert numbers == [1, 2, 3, 4]
    assert [one.node_type for one in walk(program)][:4] == ["Program", "VarDecl", "Identifier", "Call"]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("var a = 1", "var   a =  1 # c", True),
        ("return a + b", "return (a) + (b)", True),
        ("return 1", "return 1.0", False),
        ("return true", "return 1", False),
        ("return 'a'", 'return "a"', True),
        ("return", "return null", False),
        ("f(a: 1)", "f(1)", False),
        ("return [1]", "return [1, 1]", False),
        ("exec { a }", "exec { b }", False),
        ("exec { a }", "exec {\n    a\n}", True),
    ],
)
def test_equal_looks_at_what_a_program_says_not_where(one: str, other: str, same: bool) -> None:
    assert equal(read(one), read(other)) is same


@pytest.mark.parametrize("program", [read(EVERY_FORM), *map(read, SMALL), DEEP], ids=lambda _: "program")
def test_a_clone_is_equal_and_shares_nothing(program: tree.Program) -> None:
    copy = clone(program)
    assert equal(copy, program)
    assert {id(one) for one in walk(copy)}.isdisjoint({id(one) for one in walk(program)})


def test_transform_changes_nodes_from_the_inside_out_and_shares_the_rest() -> None:
    program = read("var a = 1 + 2\nvar b = 3")

    def folded(node: tree.Node) -> tree.Node:
        if isinstance(node, tree.Binary):
            left, right = node.left, node.right
            assert isinstance(left, tree.NumberLiteral) and isinstance(right, tree.NumberLiteral)
            return tree.NumberLiteral(left.value + right.value, node.start, node.end)
        return node

    changed = transform(program, folded)
    assert isinstance(changed, tree.Program)
    assert equal(changed, read("var a = 3\nvar b = 3"))
    assert changed.body[1] is program.body[1]
    assert equal(program, read("var a = 1 + 2\nvar b = 3"))


@pytest.mark.parametrize("program", [read(EVERY_FORM), *map(read, SMALL), DEEP], ids=lambda _: "program")
def test_json_keeps_everything_also_through_text(program: tree.Program) -> None:
    text = json.dumps(to_json(program))
    again = from_json(json.loads(text))
    assert equal(again, program)
    assert [(one.start, one.end) for one in walk(again)] == [(one.start, one.end) for one in walk(program)]
    assert json.dumps(to_json(again)) == text


def test_the_json_of_a_small_program() -> None:
    assert to_json(read("return 2.0")) == {
        "version": 1,
        "nodes": [
            {"node_type": "Program", "start": 0, "end": 10, "params": [], "body": [1]},
            {"node_type": "Return", "start": 0, "end": 10, "value": 2},
            {"node_type": "NumberLiteral", "start": 7, "end": 10, "value": 2.0},
        ],
    }


@pytest.mark.parametrize(
    "document",
    [
        None,
        {},
        {"version": 2, "nodes": []},
        {"version": 1, "nodes": []},
        {"version": 1, "nodes": [{"node_type": "Nothing", "start": 0, "end": 0}]},
        {"version": 1, "nodes": [{"node_type": "Return", "start": 0, "end": 0}]},
        {"version": 1, "nodes": [{"node_type": "Return", "start": 0, "end": 0, "value": 0}]},
        {"version": 1, "nodes": [{"node_type": "Return", "start": 0, "end": 0, "value": 7}]},
        {"version": 1, "nodes": ["x"]},
    ],
)
def test_documents_that_are_no_tree_are_refused(document: Any) -> None:
    with pytest.raises(BadTree):
        from_json(document)


def test_a_deep_tree_is_printed_without_a_page_of_blanks() -> None:
    printed = print_tree(DEEP)
    assert len(printed) < 200 * 100_001
    assert "(50002) left: NumberLiteral 1" in printed
