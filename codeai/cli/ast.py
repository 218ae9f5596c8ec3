"""`codeai ast`: a program's syntax tree."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from codeai.cli.commands import new
from codeai.cli.exits import Done, Exit
from codeai.cli.files import read_bytes
from codeai.cli.options import AsOutput
from codeai.cli.terminal import Output, put_json, visible
from codeai.dsl.tree import Node

app = new()

_DEEPEST = 60


@app.command()
def ast(
    file: Annotated[Path, typer.Argument(help="A program; - is standard input.")],
    output: AsOutput = Output.TABLE,
) -> None:
    """Shows the syntax tree of a program.

    Example: codeai ast release.cai --output json
    """
    import sys

    from codeai.dsl.diagnostics import render_text
    from codeai.dsl.parser import parse
    from codeai.dsl.tree_json import to_json

    parsed = parse(read_bytes(file))
    if parsed.diagnostics or parsed.tree is None:
        print(visible(render_text(parsed.diagnostics, parsed.source, str(file))), end="", file=sys.stderr)
        raise Done(Exit.FAILED)
    if output is Output.JSON:
        put_json(to_json(parsed.tree))
    else:
        _put(parsed.tree)


def _put(tree: Node) -> None:
    """A line for each node, indented by its depth; a stack of our own, because trees may be very deep."""
    waiting: list[tuple[int, str, Node]] = [(0, "", tree)]
    while waiting:
        depth, label, node = waiting.pop()
        values = {name: getattr(node, name) for name in node.fields}
        inner = [(name, one) for name, value in values.items() for one in _nodes(value)]
        plain = [f"{name}={value!r}" for name, value in values.items() if _is_plain(value)]
        indent = "  " * min(depth, _DEEPEST) + (f"{label}: " if label else "")
        print(visible(" ".join([indent + node.node_type, *plain])))
        waiting += [(depth + 1, name, one) for name, one in reversed(inner)]


def _nodes(value: Any) -> tuple[Node, ...]:
    return (value,) if isinstance(value, Node) else value if isinstance(value, tuple) else ()


def _is_plain(value: Any) -> bool:
    return value is not None and not isinstance(value, Node | tuple)
