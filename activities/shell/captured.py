"""What a command prints, as its supervisor keeps it: all on disk up to a limit, its head and its tail in memory.

Standard library only, and little of it (see supervisor.py).
"""

from __future__ import annotations

import os
import time

from codeai.activities.shell import formats

GATHER = 0.02  # output that comes after a silence is kept back so long, to be one frame, seconds
COALESCE = 0.1  # between two frames, where it comes all the time, seconds
FRAME = 65_536  # most bytes of a frame
SMALLEST = 64  # what a frame counts at least against the log's limit, bytes: each becomes a row


class Log:
    """The output on disk, as frames in the order of arrival, up to a limit. A byte in the FIFO `told` says that
    there is more of it."""

    def __init__(self, limit: int, told: int) -> None:
        self.file = os.open(formats.OUTPUT, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self.told = told
        self.limit = limit
        self.left = limit
        self.stream = b""
        self.waiting = bytearray()
        self.since = 0.0
        self.flushed = 0.0
        self.unsaid = b""  # why the output could not be written, while there is no room for that either

    def add(self, stream: bytes, data: bytes) -> None:
        if stream != self.stream:
            self.flush()
        if not self.waiting:
            self.stream, self.since = stream, time.monotonic()
        self.waiting += data
        if len(self.waiting) >= FRAME:
            self.flush()

    def due(self) -> float | None:
        """When the waiting output must be written, in monotonic seconds."""
        return max(self.since + GATHER, self.flushed + COALESCE) if self.waiting else None

    def flush(self) -> None:
        if not self.waiting or self.left < 0:
            self.waiting.clear()
            return
        data, cut = bytes(self.waiting[: self.left]), len(self.waiting) > self.left
        self.waiting.clear()
        self.left = max(0, self.left - max(len(data), SMALLEST))
        now, self.flushed = time.time(), time.monotonic()
        frames = formats.frame(self.stream, now, data) if data else b""
        if cut:
            frames += formats.frame(formats.CUT, now, b"")
            self.left = -1
        try:
            self.write(frames)
        except OSError as error:  # a full disk ends the log, not the command
            self.left = -1
            self.unsaid = os.strerror(error.errno or 0).encode()
            self.say()

    def say(self) -> None:
        """Marks where the output ends, if it could not be written; again later, where there is no room for the mark."""
        if not self.unsaid:
            return
        try:
            self.write(formats.frame(formats.FULL, time.time(), self.unsaid))
            self.unsaid = b""
        except OSError:
            pass

    def write(self, frames: bytes) -> None:
        """All of it or nothing. OSError where there is no room."""
        begin = os.fstat(self.file).st_size
        try:
            formats.write_all(self.file, frames)
        except OSError:
            os.ftruncate(self.file, begin)
            raise
        try:
            os.write(self.told, b".")
        except BlockingIOError:  # full of the same word
            pass


class Head:
    """The first bytes of an output; one more is kept, to tell a last newline from a cut."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.kept = bytearray()
        self.total = 0

    def add(self, data: bytes) -> None:
        self.total += len(data)
        if len(self.kept) <= self.most:
            self.kept += data[: self.most + 1 - len(self.kept)]

    def text(self) -> tuple[bytes, bool]:
        """What was kept, without the output's last newline, and whether something is missing."""
        whole = self.total == len(self.kept)
        kept = self.kept[:-1] if whole and self.kept.endswith(b"\n") else self.kept
        return bytes(kept[: self.most]), not whole or len(kept) > self.most


class Tail:
    """The last bytes of an output, likewise."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.kept = bytearray()
        self.total = 0

    def add(self, data: bytes) -> None:
        self.total += len(data)
        self.kept += data
        if len(self.kept) > 2 * (self.most + 1):
            del self.kept[: -(self.most + 1)]

    def text(self) -> tuple[bytes, bool]:
        kept = self.kept[:-1] if self.kept.endswith(b"\n") else self.kept
        missing = self.total - len(self.kept)
        return bytes(kept[max(0, len(kept) - self.most) :]), missing > 0 or len(kept) > self.most
