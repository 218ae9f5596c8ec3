"""The tree as JSON, stable and versioned: what the database stores.

All nodes stand in one flat list, each as a map with its `node_type`, its span and its fields; where a field
holds a node, it holds that node's place in the list (a chain of 100,000 operators would nest deeper than any
JSON reader goes). The first node is the root.
"""

from __future__ import annotations

from typing import Any

from codeai.dsl import tree
from codeai.dsl.tree import Node
from codeai.dsl.tree_walk import made_of, walk

VERSION = 1
_TYPES = {one.__name__: one for one in Node.__subclasses__()}
_PLAIN = {"value": (tree.StringLiteral, tree.NumberLiteral, tree.BoolLiteral), "name": (tree.Identifier,)}
_PLAIN_ALWAYS = frozenset({"operator", "text"})


class BadTree(ValueError):
    """A document that is no tree of this version: what is wrong with it."""


def to_json(node: Node) -> dict[str, Any]:
    """`{"version": 1, "nodes": […]}`: plain data for `json.dumps`."""
    nodes = list(walk(node))
    places = {one: number for number, one in enumerate(nodes)}
    rows = []
    for one in nodes:
        row: dict[str, Any] = {"node_type": one.node_type, "start": one.start, "end": one.end}
        for name in one.fields:
            value = getattr(one, name)
            if isinstance(value, Node):
                value = places[value]
            elif type(value) is tuple:
                value = [places[child] for child in value]
            row[name] = value
        rows.append(row)
    return {"version": VERSION, "nodes": rows}


def from_json(document: Any) -> Node:
    """The tree that `to_json` wrote.

    Raises:
        BadTree: the document is of another version or no tree at all.
    """
    if not isinstance(document, dict) or document.get("version") != VERSION:
        raise BadTree(f"this is no syntax tree of version {VERSION}")
    rows = document.get("nodes")
    if not isinstance(rows, list) or not rows:
        raise BadTree("a syntax tree has a list of nodes")
    made: list[Node | None] = [None] * len(rows)
    for place in range(len(rows) - 1, -1, -1):  # what a node is made of comes after it
        made[place] = _node(rows[place], place, made)
    root = made[0]
    assert root is not None
    return root


def _node(row: Any, place: int, made: list[Node | None]) -> Node:
    kind = _TYPES.get(row.get("node_type", "")) if isinstance(row, dict) else None
    if kind is None:
        raise BadTree(f"node {place} has an unknown type")
    try:
        values = [_value(kind, name, row[name], place, made) for name in kind.fields]
        return made_of(kind, values, int(row["start"]), int(row["end"]))
    except (KeyError, TypeError, IndexError) as error:
        raise BadTree(f"node {place}, {kind.__name__}, is not whole: {error!r}") from None


def _value(kind: type[Node], name: str, value: Any, place: int, made: list[Node | None]) -> Any:
    if value is None or name in _PLAIN_ALWAYS or kind in _PLAIN.get(name, ()):
        return value
    if isinstance(value, list):
        return tuple(_value(kind, name, one, place, made) for one in value)
    if not isinstance(value, int) or value <= place:
        raise BadTree(f"node {place}, {kind.__name__}: `{name}` is no node after it")
    return made[value]
