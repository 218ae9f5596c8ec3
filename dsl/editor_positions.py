"""An editor's positions and our offsets: lines from 0, columns in the code units that the editor counts in.

An editor's text has line ends and a byte order mark that reading drops (source_text.py), and it also ends a line
at a lone CR. Offsets are code points of the text as it was read.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from enum import StrEnum

from codeai.dsl.source_text import LINE_END

_EDITORS_LINE_END = re.compile("\r\n|\r|\n")


class Unit(StrEnum):
    """What a column counts; the names are those of the protocol."""

    UTF_8 = "utf-8"
    UTF_16 = "utf-16"
    UTF_32 = "utf-32"


class Positions:
    """The positions of one text of an editor."""

    def __init__(self, text: str, unit: Unit) -> None:
        self.text = text
        self.unit = Unit.UTF_32 if text.isascii() else unit
        self._lines = [0, *(one.end() for one in _EDITORS_LINE_END.finditer(text))]
        dropped = [0] if text.startswith("\ufeff") else []
        if "\r" in text:
            dropped += [at for one in LINE_END.finditer(text) for at in range(one.start(), one.end() - 1)]
        self._dropped = dropped
        self._dropped_before = [at - number for number, at in enumerate(dropped)]

    def offset(self, line: int, column: int) -> int:
        """The offset of a position; one that is outside the text gives the nearest inside."""
        if line < 0 or column < 0:
            line, column = max(line, 0), 0 if line < 0 else max(column, 0)
        if line >= len(self._lines):
            at = len(self.text)
        else:
            start = self._lines[line]
            end = self._lines[line + 1] if line + 1 < len(self._lines) else len(self.text)
            while end > start and self.text[end - 1] in "\r\n":
                end -= 1
            at = start + self._code_points(self.text[start:end], column)
        return at - bisect_left(self._dropped, at)

    def position(self, offset: int) -> tuple[int, int]:
        """(line, column) of an offset."""
        at = min(offset + bisect_left(self._dropped_before, offset), len(self.text))
        line = bisect_right(self._lines, at) - 1
        return line, self._units(self.text[self._lines[line] : at])

    def _units(self, text: str) -> int:
        if self.unit is Unit.UTF_32:
            return len(text)
        if self.unit is Unit.UTF_16:
            return len(text.encode("utf-16-le", "surrogatepass")) // 2
        return len(text.encode("utf-8", "surrogatepass"))

    def _code_points(self, line: str, column: int) -> int:
        """How many characters the first `column` units of a line are; one that is cut in two is left out."""
        if self.unit is Unit.UTF_32:
            return min(column, len(line))
        size = 2 if self.unit is Unit.UTF_16 else 1
        encoding = "utf-16-le" if self.unit is Unit.UTF_16 else "utf-8"
        return len(line.encode(encoding, "surrogatepass")[: column * size].decode(encoding, "ignore"))
