"""Takes secrets out of a stream of bytes, however that is cut into pieces: each becomes `***`.

Standard library only, and little of it: the supervisor imports this for a command that has secrets.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

KEY = 4
"""Bytes by which a form is found; none is shorter."""
STARS = b"***"
_MORE, _NO = -1, -2


class Forms:
    """What is looked for: byte strings, and ones that may be wrapped, as `base64` does: with a line break after
    any byte from the fourth on."""

    def __init__(self, plain: Iterable[bytes], wrapping: Iterable[bytes]) -> None:
        self._of: dict[bytes, list[tuple[bytes, bool]]] = {}
        for forms, wraps in ((plain, False), (wrapping, True)):
            for form in forms:
                if len(form) >= KEY:
                    self._of.setdefault(form[:KEY], []).append((form, wraps))
        self._beginnings = {key[:size] for key in self._of for size in range(1, KEY)}
        sets = [
            b"".join(re.escape(bytes((one,))) for one in {key[at] for key in self._of}) for at in range(KEY)
        ]
        first, *rest = (b"[%s]" % one if one else b"(?!)" for one in sets)
        self._keys = re.compile(first + b"(?=" + b"".join(rest) + b")")

    def candidates(self, data: bytes) -> Iterator[int]:
        """Where a form may begin."""
        for found in self._keys.finditer(data):
            if data[found.start() : found.start() + KEY] in self._of:
                yield found.start()
        for start in range(max(0, len(data) - KEY + 1), len(data)):
            if data[start:] in self._beginnings:
                yield start

    def end(self, data: bytes, start: int, last: bool) -> int | None:
        """Where the longest form that begins at `start` ends (`start`: there is none); None where more data must
        tell, unless this is the last."""
        longest = start
        if len(data) - start < KEY:
            return start if last else None
        for form, wraps in self._of[data[start : start + KEY]]:
            end = _wrapped(form, data, start) if wraps else _plain(form, data, start)
            if end == _MORE and not last:
                return None
            longest = max(longest, end)
        return longest


class Mask:
    """One stream. What could be the beginning of a form is held back until it is known."""

    def __init__(self, forms: Forms) -> None:
        self._forms = forms
        self._held = b""
        self._told = 0  # bytes of `_held` for which the stars have been shown

    def feed(self, data: bytes, last: bool = False) -> bytes:
        """What can be shown now. The pieces joined are the same however the stream is cut."""
        data = self._held + data
        known, at = len(data), self._told
        shown = bytearray()
        for start in self._forms.candidates(data):
            end = self._forms.end(data, start, last)
            if end is None:
                known = start
                break
            if end > max(start, at):  # forms that overlap are one piece
                if start >= at:
                    shown += data[at:start] + STARS
                at = end
        shown += data[at:known]
        self._held, self._told = data[known:], max(0, at - known)
        return bytes(shown)


def _plain(form: bytes, data: bytes, start: int) -> int:
    if data.startswith(form, start):
        return start + len(form)
    return _MORE if len(data) - start < len(form) and form.startswith(data[start:]) else _NO


def _wrapped(form: bytes, data: bytes, start: int) -> int:
    matched, at = 0, start
    while True:
        wanted = len(form) - matched
        stop = data.find(b"\n", at, at + wanted + 1)
        line = data[at : at + wanted] if stop < 0 else data[at:stop]
        if stop >= 0 or at + len(line) == len(data):
            line = line.removesuffix(b"\r")
        line = line[:wanted]
        if not line:
            return _MORE if at == len(data) else _NO
        if not form.startswith(line, matched):
            return _NO
        matched += len(line)
        if matched == len(form):
            return at + len(line)
        if stop < 0:
            return _MORE
        at = stop + 1
