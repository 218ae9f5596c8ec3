"""What the language server sends: our findings, hovers, completions and symbols in the protocol's types."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lsprotocol import types

import codeai
from codeai.dsl.diagnostics import Diagnostic, Severity
from codeai.dsl.editor import Hover, Span, Symbol
from codeai.dsl.editor_calls import Call
from codeai.dsl.editor_completion import Completions, Sort
from codeai.dsl.editor_document import Document, Kind, read
from codeai.dsl.editor_positions import Positions, Unit
from codeai.dsl.editor_words import Form

MOST_DIAGNOSTICS = 1000
"""Of one text; an editor gains nothing from more, and they all go over one pipe."""

_DOCS = Path(codeai.__file__).resolve().parent.parent / "docs" / "reference" / "diagnostics.md"
_SEVERITIES = {
    Severity.ERROR: types.DiagnosticSeverity.Error,
    Severity.WARNING: types.DiagnosticSeverity.Warning,
}
_FADED = frozenset({"unused", "unreachable"})
_SORTS = {
    Sort.FIELD: types.CompletionItemKind.Field,
    Sort.WORD: types.CompletionItemKind.EnumMember,
    Sort.OPTION: types.CompletionItemKind.Property,
    Sort.NAME: types.CompletionItemKind.Variable,
    Sort.FUNCTION: types.CompletionItemKind.Function,
    Sort.EFFECT: types.CompletionItemKind.Event,
    Sort.BUILTIN: types.CompletionItemKind.Function,
    Sort.KEYWORD: types.CompletionItemKind.Keyword,
}
_ORDER = {sort: f"{number}" for number, sort in enumerate(Sort)}
_SYMBOLS = {Kind.FUNCTION: types.SymbolKind.Function, Kind.INPUT: types.SymbolKind.Property}


@dataclass(frozen=True, slots=True)
class Reading:
    """A text as it was read, with what its editor's positions mean."""

    document: Document
    positions: Positions

    @classmethod
    def of(cls, text: str, unit: Unit) -> Reading:
        return cls(read(text), Positions(text, unit))

    def offset(self, position: types.Position) -> int:
        found = self.positions.offset(position.line, position.character)
        return min(found, len(self.document.text))

    def position(self, offset: int) -> types.Position:
        line, column = self.positions.position(offset)
        return types.Position(line, column)

    def range(self, start: int, end: int) -> types.Range:
        return types.Range(self.position(start), self.position(end))

    def diagnostics(self) -> list[types.Diagnostic]:
        return [self._diagnostic(one) for one in self.document.diagnostics[:MOST_DIAGNOSTICS]]

    def _diagnostic(self, one: Diagnostic) -> types.Diagnostic:
        source = self.document.source
        start, end = source.offset(one.line, one.column), source.offset(one.end_line, one.end_column)
        page = types.CodeDescription(f"{_DOCS.as_uri()}#{one.code}") if _DOCS.exists() else None
        return types.Diagnostic(
            self.range(start, end),
            f"{one.message}; {one.hint}" if one.hint else one.message,
            severity=_SEVERITIES[one.severity],
            code=one.code,
            code_description=page,
            source="codeai",
            tags=[types.DiagnosticTag.Unnecessary] if one.code in _FADED else None,
        )

    def hover(self, found: Hover | None) -> types.Hover | None:
        return types.Hover(_markdown(found.text), self.range(found.start, found.end)) if found else None

    def completions(self, found: Completions, position: types.Position) -> types.CompletionList:
        replaced = types.Range(self.position(found.start), position)
        items = [
            types.CompletionItem(
                one.label,
                kind=_SORTS[one.sort],
                detail=one.detail or None,
                documentation=_markdown(one.help) if one.help else None,
                sort_text=_ORDER[one.sort] + one.label,
                filter_text=one.text,
                text_edit=types.TextEdit(replaced, one.text),
            )
            for one in found.items
        ]
        return types.CompletionList(is_incomplete=False, items=items)

    def symbol(self, one: Symbol) -> types.DocumentSymbol:
        return types.DocumentSymbol(
            one.name.name,
            _SYMBOLS.get(one.name.kind, types.SymbolKind.Variable),
            self.range(one.start, one.end),
            self.range(one.name.start, one.name.end),
            detail=str(one.name.kind),
            children=[self.symbol(inner) for inner in one.children],
        )

    def location(self, uri: str, span: Span) -> types.Location:
        return types.Location(uri, self.range(*span))


def shown_signature(call: Call) -> types.SignatureHelp:
    """All ways to call it; the active one is the first that has a parameter at this place."""
    numbers = [call.parameter(form) for form in call.forms]
    active = next((at for at, number in enumerate(numbers) if number is not None), 0)
    shown = [
        types.SignatureInformation(
            form.label, form.help or None, list(_parameters(form)), active_parameter=number
        )
        for form, number in zip(call.forms, numbers, strict=True)
    ]
    return types.SignatureHelp(shown, active, numbers[active])


def _parameters(form: Form) -> Iterator[types.ParameterInformation]:
    at = len(form.name) + 1
    for one in form.parameters:
        yield types.ParameterInformation((at, at + len(one.shown)), one.help or None)
        at += len(one.shown) + len(", ")


def _markdown(text: str) -> types.MarkupContent:
    return types.MarkupContent(types.MarkupKind.Markdown, text)
