"""What an editor asks of a program: hover, definition, references, outline."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass

from codeai.dsl import tree
from codeai.dsl.editor_calls import call_at, held_before
from codeai.dsl.editor_document import Document, Kind, Name
from codeai.dsl.editor_words import ERROR, Parameter, code, described, fields
from codeai.dsl.lexer import comments

Span = tuple[int, int]

_MOST_COMMENTS = 10


@dataclass(frozen=True, slots=True)
class Hover:
    """What is said of the text from `start` to `end`, as Markdown."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Symbol:
    """One line of the outline."""

    name: Name
    start: int
    end: int
    children: tuple[Symbol, ...] = ()


def hover(document: Document, offset: int) -> Hover | None:
    """What stands at an offset."""
    at = document.token_at(offset)
    if at < 0:
        return None
    token = document.tokens[at]
    kind, value, start, end = token
    if kind == "SHELL":
        word = document.word_at(token, offset)
        name = document.lookup(word[0], start) if word else None
        return Hover(word.start(), word.end(), _name_text(document, name)) if word and name else None
    text = described(kind)
    if kind == "NAME":
        text = _hovered_name(document, at, str(value))
    return Hover(start, end, text) if text else None


def _hovered_name(document: Document, at: int, word: str) -> str:
    tokens = document.tokens
    name = document.means(at)
    if name is not None:
        return _name_text(document, name)
    if at and tokens[at - 1][0] == ".":
        known = fields(held_before(document, tokens, at - 1))
        return code(f".{word}") + known[word] if word in known else ""
    if tokens[at + 1][0] == ":":
        call = call_at(document, tokens, at)
        of_all = (one for form in call.forms for one in form.parameters) if call else ()
        return next((_parameter_text(one) for one in of_all if one.name == word), "")
    return described(word) if tokens[at + 1][0] == "(" else ""


def _parameter_text(parameter: Parameter) -> str:
    return code(parameter.shown) + parameter.help


def _name_text(document: Document, name: Name) -> str:
    """The declaration, what it is, where it stands, and the comments that stand with it."""
    line, _ = document.source.position(name.start)
    parts = [code(_declaration(document, name)) + f"{name.kind}, line {line}"]
    if (known := fields(name.holds)) and name.holds != ERROR:
        parts.append(f"It has {', '.join(f'`.{one}`' for one in known)}.")
    if said := _comment(document, name):
        parts.append(said)
    return "\n\n".join(parts)


def _declaration(document: Document, name: Name) -> str:
    node = name.node
    if isinstance(node, tree.FunctionDecl) and name.kind is Kind.FUNCTION:
        return f"function {name.name}({', '.join(one.name.name for one in node.params)})"
    if node is None or name.kind in (Kind.CAUGHT, Kind.PARAMETER):
        return name.name
    if name.kind is Kind.LOOP:
        assert isinstance(node, tree.For | tree.Parallel)
        words = "for" if isinstance(node, tree.For) else "parallel for"
        return _first_line(f"{words} {name.name} in {document.text[node.iterable.start : node.iterable.end]}")
    return _first_line(document.text[node.start : node.end])


def _first_line(text: str, most: int = 100) -> str:
    line, rest, _ = text.partition("\n")
    return line[:most].rstrip() + (" …" if rest or len(line) > most else "")


def _comment(document: Document, name: Name) -> str:
    """The comment behind a declaration, else those on the lines above it."""
    node = name.node
    if node is None or name.kind not in (Kind.INPUT, Kind.VARIABLE, Kind.FUNCTION):
        return ""
    source, text = document.source, document.text
    line_end = text.find("\n", node.end)
    behind = comments(text, node.end, line_end if line_end >= 0 else len(text))
    above: list[str] = []
    line, _ = source.position(node.start)
    while len(above) < _MOST_COMMENTS and source.line(line - 1 - len(above)).lstrip().startswith("#"):
        above.append(source.line(line - 1 - len(above)))
    found = [one for one, _ in behind] or above[::-1]
    return "\n".join(one.strip().lstrip("#").strip() for one in found)


def definition(document: Document, offset: int) -> Name | None:
    """The declaration of the name at an offset, in code or in a shell text."""
    at = document.token_at(offset)
    if at < 0:
        return None
    token = document.tokens[at]
    if token[0] == "SHELL":
        word = document.word_at(token, offset)
        return document.lookup(word[0], token[2]) if word else None
    return document.means(at)


def references(document: Document, offset: int) -> list[Span]:
    """Every place of the name at an offset, its declaration first."""
    name = definition(document, offset)
    return [] if name is None else [(start, start + len(name.name)) for start in _places(document, name)]


def _places(document: Document, name: Name) -> Iterator[int]:
    yield name.start
    found = [start for start, meant in document.uses.items() if meant is name and start != name.start]
    if name.kind is not Kind.FUNCTION:
        found += [start for start, meant in document.mentions(name.name) if meant is name]
    yield from sorted(found)


def symbols(document: Document) -> list[Symbol]:
    """The outline: inputs, variables of the program, functions with theirs."""
    variables = sorted((one for same in document.names.values() for one in same), key=_start)
    found = [_symbol(one) for one in variables if one.top]
    for function in document.functions.values():
        node = function.node
        assert isinstance(node, tree.FunctionDecl)
        first, end = (bisect_left(variables, at, key=_start) for at in (node.start, node.end))
        found.append(Symbol(function, node.start, node.end, tuple(map(_symbol, variables[first:end]))))
    return sorted(found, key=lambda one: one.start)


def _start(name: Name) -> int:
    return name.start


def _symbol(name: Name) -> Symbol:
    node = name.node
    if isinstance(node, tree.VarDecl | tree.Param):
        return Symbol(name, node.start, node.end)
    return Symbol(name, name.start, name.end)
