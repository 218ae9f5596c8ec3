"""What may be written at an offset: fields, options and their words, names, functions, effects, keywords.

Only what stands before the offset counts, and of that the grammar tells which kinds of tokens may follow.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from codeai.dsl.builtins import BUILTINS
from codeai.dsl.diagnostics import Findings, Source
from codeai.dsl.editor_calls import Call, call_at, held_before
from codeai.dsl.editor_document import Document, begun
from codeai.dsl.editor_words import described, fields, forms
from codeai.dsl.effects import EFFECTS
from codeai.dsl.lexer import KEYWORDS, Lexed
from codeai.dsl.parser import Parser

_TYPED = re.compile(r"[A-Za-z0-9_]*\Z")
_SHELL_VARIABLE = re.compile(r"\$\{?\Z")
_CARET = "caret"


class Sort(StrEnum):
    """What a completion is, in the order in which they are shown."""

    FIELD = "field"
    WORD = "word"
    OPTION = "option"
    NAME = "name"
    FUNCTION = "function"
    EFFECT = "effect"
    BUILTIN = "builtin"
    KEYWORD = "keyword"


@dataclass(frozen=True, slots=True)
class Completion:
    """`label` is shown, `text` is written; `help` is Markdown."""

    label: str
    sort: Sort
    detail: str = ""
    text: str = ""
    help: str = ""


@dataclass(frozen=True, slots=True)
class Completions:
    """What may be written instead of the text from `start` to the offset."""

    start: int
    items: tuple[Completion, ...]


def complete(document: Document, offset: int) -> Completions:
    """Everything that fits at an offset, whatever of it is typed already."""
    typed = _TYPED.search(document.text, max(0, document.text.rfind("\n", 0, offset)), offset)
    start = typed.start() if typed else offset
    items = () if document.text[start:offset][:1].isdigit() else tuple(_items(document, start))
    return Completions(start, items)


def _items(document: Document, start: int) -> Iterator[Completion]:
    text = document.text[:start]
    lexed = begun(text)
    tokens = lexed.tokens
    end = len(tokens) - 1
    if lexed.cut:
        yield from _in_text(document, lexed, text)
        return
    last = tokens[end - 1] if end else None
    if "#" in text[last[3] if last else 0 :].rpartition("\n")[2]:
        return  # in a comment
    if last is not None and last[0] == ".":
        for name, help in fields(held_before(document, tokens, end - 1)).items():
            yield Completion(name, Sort.FIELD, help, name)
        return
    call = call_at(document, tokens, end)
    if call is not None:
        yield from _in_call(call, begins=last is not None and last[0] in ("(", ","))
        if any(form.by_name for form in call.forms) and not call.named:
            return
    yield from _in_code(document, lexed, start)


def _in_text(document: Document, lexed: Lexed, text: str) -> Iterator[Completion]:
    """In a string the words of the option that it is the value of; in a shell text, after `$`, the variables."""
    at = len(lexed.tokens) - 2
    opened = lexed.tokens[at][2]
    if text[opened] == "{" and _SHELL_VARIABLE.search(text):
        yield from _variables(document, opened)
    elif text[opened] in "\"'" and opened == len(text) - 1:
        call = call_at(document, lexed.tokens, at)
        for word in _words(call) if call is not None else ():
            yield Completion(word, Sort.WORD, text=word)


def _words(call: Call) -> tuple[str, ...]:
    """The words that the argument takes that is being written."""
    number = call.parameter(call.forms[0])
    return call.forms[0].parameters[number].words if number is not None else ()


def _in_call(call: Call, begins: bool) -> Iterator[Completion]:
    if begins:
        for form in call.forms:
            for one in form.parameters:
                if one.name not in call.given:
                    yield Completion(f"{one.name}:", Sort.OPTION, one.help, f"{one.name}: ")
        if any(form.by_name for form in call.forms):
            return
    for word in _words(call) if begins or call.named else ():
        yield Completion(f'"{word}"', Sort.WORD, text=f'"{word}"')


def _in_code(document: Document, lexed: Lexed, start: int) -> Iterator[Completion]:
    accepted = _accepted(lexed, Source(document.text[:start]))
    if accepted is None or not accepted.isdisjoint({"NUMBER", "while"}):
        yield from _variables(document, start)
        for name in document.functions.values():
            parameters = getattr(name.node, "params", ())
            shown = f"{name.name}({', '.join(one.name.name for one in parameters)})"
            yield Completion(name.name, Sort.FUNCTION, shown, name.name)
        for effect in EFFECTS.values():
            if effect.available and effect.name not in KEYWORDS:
                yield _called(effect.name, Sort.EFFECT)
        for builtin in BUILTINS:
            yield _called(builtin, Sort.BUILTIN)
    for keyword in sorted(KEYWORDS if accepted is None else KEYWORDS & accepted):
        yield Completion(keyword, Sort.KEYWORD, text=keyword, help=described(keyword))


def _called(name: str, sort: Sort) -> Completion:
    return Completion(name, sort, forms(name)[0].label, name, described(name))


def _variables(document: Document, offset: int) -> Iterator[Completion]:
    for name in document.visible(offset):
        line, _ = document.source.position(name.start)
        yield Completion(name.name, Sort.NAME, f"{name.kind}, line {line}", name.name)


def _accepted(lexed: Lexed, source: Source) -> frozenset[str] | None:
    """The types of tokens that may follow the beginning of a program; None where its last statement is wrong."""
    end = len(source.text)
    lexed.tokens.insert(len(lexed.tokens) - 1, (_CARET, "", end, end))
    probe = _Probe(lexed, Findings(source), "program")
    probe.run()
    return probe.accepted


class _Probe(Parser):
    """A parser that stops at the caret and notes what may come there."""

    accepted: frozenset[str] | None = None

    def recover(self) -> bool:
        if self.tokens[self.at][0] != _CARET:
            return super().recover()
        self.accepted = frozenset(kind for kind in ("NUMBER", "NAME", *KEYWORDS) if self.accepts(kind))
        return False
