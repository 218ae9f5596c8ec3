"""Renaming: where the new name is written, or why that could change what the program does."""

from __future__ import annotations

import re

from codeai.dsl.builtins import BUILTINS
from codeai.dsl.editor import Span, definition, references
from codeai.dsl.editor_document import Document, Kind, Name, as_word
from codeai.dsl.effects import EFFECTS
from codeai.dsl.envnames import is_reserved
from codeai.dsl.lexer import KEYWORDS

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Refused(Exception):
    """A rename that could change what the program does; the message says why."""


def rename(document: Document, offset: int, new: str) -> list[Span]:
    """The places to write `new` at. Raises Refused."""
    name = definition(document, offset)
    if name is None:
        raise Refused("there is no variable or function of the program here")
    if not _NAME.fullmatch(new) or new in KEYWORDS:
        raise Refused(f'"{new}" is no name')
    is_function = name.kind is Kind.FUNCTION
    taken = new in document.functions or new in EFFECTS or new in BUILTINS if is_function else False
    if taken or (not is_function and new in document.names):
        raise Refused(f'"{new}" is the name of something else here')
    if not is_function:
        _refuse_in_shell(document, name, new)
    return references(document, offset)


def _refuse_in_shell(document: Document, name: Name, new: str) -> None:
    """A word of a command that is no `$name` may be anything, and a new name may be a word there already."""
    for start, meant in document.mentions(name.name):
        line, _ = document.source.position(start)
        if meant is name and not document.text[max(0, start - 2) : start].endswith(("$", "${")):
            raise Refused(f'the command on line {line} has the bare word "{name.name}": rename it by hand')
        if meant is name and is_reserved(new):
            raise Refused(f'no command would see a variable "{new}": the shell reads that name itself')
    for kind, _, start, end in document.tokens:
        if kind == "SHELL" and as_word(new).search(document.text, start, end):
            line, _ = document.source.position(start)
            raise Refused(f'the command on line {line} has the word "{new}" already')
