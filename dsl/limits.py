"""The limits of a run (★): each one's number, what it is called, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass

from codeai.dsl.faults import Fault

KIB = 1024


@dataclass(frozen=True, slots=True)
class Limit:
    """`most` is still allowed. Sizes are JSON bytes; a string's size is its UTF-8 bytes."""

    name: str
    most: int
    what: str
    advice: str

    def fault(self) -> Fault:
        return Fault("limit", f"{self.what} (limit {self.name}: {self.most:,}); {self.advice}")


INSTRUCTIONS = Limit(
    "instructions between two effects",
    2_000_000,
    "the program computes too long without an effect",
    "check that the loop ends, or leave heavy work to a command",
)
INSTRUCTIONS_OF_RUN = Limit(
    "instructions of a run",
    100_000_000,
    "the run computes too much",
    "leave heavy work to commands, or split the program",
)
CALL_DEPTH = Limit(
    "call depth", 256, "functions call each other too deeply", "check that the recursion ends, or use a loop"
)
STRING = Limit(
    "string size", 256 * KIB, "a string is too long, in bytes", "keep large text in a file of the workspace"
)
ITEMS = Limit(
    "items", 100_000, "an array or map has too many items", "work on it in parts, or keep it in a file"
)
STATE = Limit(
    "state size",
    1024 * KIB,
    "all variables together are too large, in bytes",
    "keep large data in files of the workspace and drop what is no longer needed",
)
UNDO_ENTRIES = Limit(
    "open undo entries", 20_000, "too many commands have an undo", "undo several commands by one block"
)
EFFECT_INPUT = Limit(
    "effect input", 256 * KIB, "what is given to the effect is too large, in bytes", "hand it over in a file"
)
EFFECT_RESULT = Limit(
    "effect result",
    256 * KIB,
    "what the effect gave back is too large, in bytes",
    "let it write to a file and read what is needed",
)
NESTING = Limit("nesting", 100, "a value is nested too deeply", "flatten the data")

LIMITS = (
    INSTRUCTIONS,
    INSTRUCTIONS_OF_RUN,
    CALL_DEPTH,
    STRING,
    ITEMS,
    STATE,
    UNDO_ENTRIES,
    EFFECT_INPUT,
    EFFECT_RESULT,
    NESTING,
)

SLICE = 20_000
"""Counted instructions after which the machine gives way: at the next loop head or function entry, and soon in
straight code."""
VARIABLE_TO_SHELL = 64 * KIB
"""Bytes of one variable that reach a command's environment."""
FIBRES_AT_ONCE = 800
"""Fibres of a run that go on at once, without those that wait for others: a run has 2,000 activities and children under
way at most (Temporal), and each of a command that dies has two."""
FRAME_SIZE = 40
"""Bytes of the state that a call or a fibre is counted with."""
FIBRE = 10
"""Instructions that the beginning of a fibre counts as."""
