"""What a command printed, as text: chunks for the log, head and tail for the result."""

from __future__ import annotations

import codecs
from collections.abc import Iterable
from datetime import UTC, datetime

from codeai.activities.shell import formats
from codeai.activities.shell.record import Chunk

_NAMES = {formats.STDOUT: "stdout", formats.STDERR: "stderr"}


class Chunker:
    """Turns the frames of one attempt, from the first on, into chunks. A character that falls on two frames
    comes with the second, so that the chunks are the same whoever makes them."""

    def __init__(self, step_id: str, attempt: int, limit: int) -> None:
        self._step = (step_id, attempt)
        self._limit = limit
        decoder = codecs.getincrementaldecoder("utf-8")
        self._decoders = {stream: decoder("replace") for stream in _NAMES}

    def chunks(self, frames: Iterable[formats.Frame]) -> list[Chunk]:
        made = []
        for frame in frames:
            if frame.stream == formats.CUT:
                stream, text = "system", f"[the output past {self._limit} bytes is not kept]\n"
            elif frame.stream == formats.FULL:
                why = frame.data.decode(errors="replace")
                stream, text = (
                    "system",
                    f"[from here on the output could not be written on its host: {why}]\n",
                )
            else:
                stream = _NAMES[frame.stream]
                text = clean(self._decoders[frame.stream].decode(frame.data))
            if text:
                time = datetime.fromtimestamp(frame.time, UTC)
                made.append(Chunk(*self._step, frame.position, stream, time, text))
        return made

    def rest(self, position: int, at: datetime) -> list[Chunk]:
        """What an output that ended within a character still owes; `position` is the end of the spool's
        file."""
        made = []
        for stream, decoder in self._decoders.items():
            if text := decoder.decode(b"", final=True):
                made.append(Chunk(*self._step, position, _NAMES[stream], at, text))
                position += 1
        return made


def head(data: bytes, most: int, cut: bool) -> tuple[str, bool]:
    """The begin of an output as at most `most` bytes of text, and whether something is missing. `cut`: something
    was, already; a character that the cut has halved is dropped."""
    text = codecs.getincrementaldecoder("utf-8")("replace").decode(data, final=not cut)
    encoded = clean(text).encode()
    return encoded[:most].decode(errors="ignore"), cut or len(encoded) > most


def tail(data: bytes, most: int, cut: bool) -> tuple[str, bool]:
    """The end of an output, likewise."""
    begin = next((at for at in range(min(4, len(data))) if data[at] & 0xC0 != 0x80), 0) if cut else 0
    encoded = clean(data[begin:].decode(errors="replace")).encode()
    return encoded[max(0, len(encoded) - most) :].decode(errors="ignore"), cut or len(encoded) > most


def clean(text: str) -> str:
    """Without NUL, which no database takes. (Decoding has replaced what is not UTF-8, and surrogates.)"""
    return text.replace("\0", "\ufffd")
