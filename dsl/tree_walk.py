"""What can be done with any tree: walk it, compare, copy and change it, show it. Nothing here recurses."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from codeai.dsl.tree import Block, If, Node

AnyNode = TypeVar("AnyNode", bound=Node)
DEEPEST_SHOWN = 60


def children(node: Node) -> Iterator[Node]:
    """The nodes that `node` is made of, in the order of its fields."""
    for name in node.fields:
        value = getattr(node, name)
        if isinstance(value, Node):
            yield value
        elif type(value) is tuple:
            yield from value


def walk(node: Node) -> Iterator[Node]:
    """`node` and everything in it, each before what it is made of."""
    ahead = [node]
    while ahead:
        one = ahead.pop()
        yield one
        ahead += reversed(list(children(one)))


def equal(one: Node, other: Node) -> bool:
    """Whether two trees say the same; where they stand in their sources does not matter."""
    ahead = [(one, other)]
    while ahead:
        pairs = _pairs(*ahead.pop())
        if pairs is None:
            return False
        ahead += pairs
    return True


def same(one: Node, other: Node) -> list[tuple[Node, Node]] | None:
    """The blocks of two statements, pairwise, and their `else if`s, where all else of them says the same; else None."""
    if isinstance(one, Block) and isinstance(other, Block):
        return [(one, other)]
    found: list[tuple[Node, Node]] = []
    ahead = [(one, other)]
    while ahead:
        a, b = ahead.pop()
        if a is not one and isinstance(a, Block | If) and isinstance(b, Block | If):
            found.append((a, b))
            continue
        pairs = _pairs(a, b)
        if pairs is None:
            return None
        ahead += pairs
    return found


def _pairs(a: Node, b: Node) -> list[tuple[Node, Node]] | None:
    """What two nodes are made of, pairwise; None where they are not alike themselves."""
    if type(a) is not type(b):
        return None
    pairs: list[tuple[Node, Node]] = []
    for name in a.fields:
        mine, yours = getattr(a, name), getattr(b, name)
        if isinstance(mine, Node) and isinstance(yours, Node):
            pairs.append((mine, yours))
        elif type(mine) is tuple and type(yours) is tuple and len(mine) == len(yours):
            pairs += zip(mine, yours, strict=True)
        elif type(mine) is not type(yours) or mine != yours or type(mine) is tuple:
            return None
    return pairs


def transform(node: AnyNode, change: Callable[[Node], Node]) -> Node:
    """A new tree in which each node, after those in it, is what `change` gives for it. Nodes that are left as
    they are, with all in them, are shared with the old tree."""
    made: dict[Node, Node] = {}
    ahead: list[tuple[Node, bool]] = [(node, False)]
    while ahead:
        one, ready = ahead.pop()
        if not ready:
            ahead.append((one, True))
            ahead += [(child, False) for child in children(one)]
        else:
            made[one] = change(_rebuilt(one, made))
    return made[node]


def clone(node: AnyNode) -> AnyNode:
    """A copy that shares no node with the old tree."""
    copy = transform(node, _copied)
    assert type(copy) is type(node)
    return copy


def made_of(kind: Callable[..., Node], values: Iterable[object], start: int, end: int) -> Node:
    """A node of a class from the values of its fields."""
    return kind(*values, start, end)


def _copied(node: Node) -> Node:
    return made_of(type(node), (getattr(node, name) for name in node.fields), node.start, node.end)


def _rebuilt(node: Node, made: dict[Node, Node]) -> Node:
    values = []
    changed = False
    for name in node.fields:
        value = getattr(node, name)
        if isinstance(value, Node):
            value = made[value]
        elif type(value) is tuple:
            value = tuple(made[one] for one in value)
        else:
            values.append(value)
            continue
        changed = changed or value != getattr(node, name)
        values.append(value)
    return made_of(type(node), values, node.start, node.end) if changed else node


def print_tree(node: Node) -> str:
    """The tree as indented text, a node a line with its plain values. Deeper than 60 levels the indentation
    stays and the level is written, so that a long chain does not become a page of blanks."""
    lines = []
    ahead = [(node, 0, "")]
    while ahead:
        one, depth, role = ahead.pop()
        plain = " ".join(_shown(getattr(one, name)) for name in one.fields if _is_plain(getattr(one, name)))
        lead = "  " * depth if depth <= DEEPEST_SHOWN else "  " * DEEPEST_SHOWN + f"({depth}) "
        lines.append(f"{lead}{role}{one.node_type}{' ' if plain else ''}{plain}")
        below: list[tuple[Node, int, str]] = []
        for name in one.fields:
            value = getattr(one, name)
            if isinstance(value, Node):
                below.append((value, depth + 1, f"{name}: "))
            elif type(value) is tuple:
                below += [(child, depth + 1, f"{name}[{number}]: ") for number, child in enumerate(value)]
        ahead += reversed(below)
    return "\n".join(lines) + "\n"


def _is_plain(value: object) -> bool:
    return value is not None and not isinstance(value, Node | tuple)


def _shown(value: object) -> str:
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else repr(value)
