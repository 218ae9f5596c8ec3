"""Which parentheses an offset is in, and whose fields stand behind a dot; by the tokens, so in any program."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from codeai.dsl import tree
from codeai.dsl.editor_document import Document, begun
from codeai.dsl.editor_words import Form, Parameter, forms
from codeai.dsl.lexer import OPEN, Token

_CLOSE = frozenset(OPEN.values())


@dataclass(frozen=True, slots=True)
class Call:
    """The parentheses that an offset is in: the ways to fill them, how many arguments stand before, the name of
    the argument that is being written, and all names that are given."""

    forms: tuple[Form, ...]
    place: int
    named: str
    given: frozenset[str]

    def parameter(self, form: Form) -> int | None:
        """The number of the parameter that is being written."""
        names = [one.name for one in form.parameters]
        if self.named or form.by_name:
            return names.index(self.named) if self.named in names else None
        if form.parameters and form.parameters[-1].shown.endswith("..."):
            return min(self.place, len(names) - 1)
        return self.place if self.place < len(names) else None


def call_at(document: Document, tokens: Sequence[Token], at: int) -> Call | None:
    """The parentheses that token number `at` stands in, directly."""
    opened = _opened(tokens, at)
    if opened <= 0 or tokens[opened][0] != "(":
        return None
    kind, value, _, _ = tokens[opened - 1]
    found = _forms(document, str(value)) if kind == "NAME" else forms(kind)
    place, named, depth = 0, "", 0
    given = set()
    for number in range(opened + 1, at):
        one = tokens[number][0]
        depth += (one in OPEN) - (one in _CLOSE)
        if depth:
            continue
        if one == ",":
            place, named = place + 1, ""
        elif one == "NAME" and tokens[number + 1][0] == ":" and tokens[number - 1][0] in ("(", ","):
            named = str(tokens[number][1]) if number + 1 < at else ""
            given.add(str(tokens[number][1]))
    return Call(found, place, named, frozenset(given)) if found else None


def _forms(document: Document, word: str) -> tuple[Form, ...]:
    function = document.functions.get(word)
    if function is not None and isinstance(function.node, tree.FunctionDecl):
        parameters = tuple(Parameter(one.name.name, one.name.name) for one in function.node.params)
        return (Form(word, parameters),)
    return forms(word)


def _opened(tokens: Sequence[Token], at: int) -> int:
    """The number of the bracket that is open before token number `at`; -1: there is none."""
    depth = 0
    for number in range(at - 1, -1, -1):
        kind = tokens[number][0]
        if kind in _CLOSE:
            depth += 1
        elif kind in OPEN:
            if not depth:
                return number
            depth -= 1
    return -1


def signature(document: Document, offset: int) -> Call | None:
    """The call whose arguments are being written at an offset."""
    tokens = begun(document.text[:offset]).tokens
    return call_at(document, tokens, len(tokens) - 1)


def held_before(document: Document, tokens: Sequence[Token], dot: int) -> str:
    """Whose fields stand behind the `.` at token number `dot`: the name of an effect or `error`."""
    if dot <= 0:
        return ""
    kind, value, start, _ = tokens[dot - 1]
    if kind == "SHELL":
        return "exec"
    if kind == "NAME" and (dot < 2 or tokens[dot - 2][0] != "."):
        name = document.uses.get(start) or document.lookup(str(value), start)
        return name.holds if name is not None else ""
    if kind == ")":
        opened = _opened(tokens, dot - 1)
        return str(tokens[opened - 1][1]) if opened > 0 and tokens[opened - 1][0] == "NAME" else ""
    return ""
