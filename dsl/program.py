"""The compiled form of a program: plain data that travels, deflated, from who compiles to who runs."""

from __future__ import annotations

import base64
import json
import zlib
from dataclasses import asdict, dataclass
from typing import Any

LEVEL = 1
"""The language level: it rises with every change that gives an old program another meaning."""

Expression = list[Any]
"""A pure expression in postfix order (opcodes.WORDS)."""


@dataclass(frozen=True, slots=True)
class Param:
    """An input. `type` is that of its default as `type()` names it; None: any."""

    name: str
    line: int
    column: int
    required: bool
    type: str | None


@dataclass(frozen=True, slots=True)
class Unit:
    """The program itself (the first) or a function: where its instructions begin, how many parameters,
    variables and temporaries its frame has."""

    name: str
    entry: int
    parameters: int
    variables: int
    temporaries: int


@dataclass(frozen=True, slots=True)
class Code:
    """A compiled program. For each instruction `lines` has its line and `heights` how many variables of its
    frame are alive. `tries` are [first, end, handler, slot of the error], outer ones first; `names` are
    [slot, name, first, end]: which variable is called how, and where; `starts` has the first instruction of the
    statement that each is a part of (of the innermost one)."""

    level: int
    params: tuple[Param, ...]
    units: tuple[Unit, ...]
    code: list[list[Any]]
    lines: list[int]
    heights: list[int]
    tries: list[list[int]]
    names: list[list[Any]]
    starts: list[int]

    def target(self, pc: int) -> int:
        """Where one comes to who goes to `pc`: jumps are followed, but those that are statements (`break`, `continue`),
        of which it is noted that they have run."""
        while self.code[pc][0] == "jump" and self.starts[pc] != pc:
            pc = self.code[pc][1]
        return pc

    def to_json(self) -> dict[str, Any]:
        return {
            "level": self.level,
            "params": [asdict(param) for param in self.params],
            "units": [asdict(unit) for unit in self.units],
            "code": self.code,
            "lines": self.lines,
            "heights": self.heights,
            "tries": self.tries,
            "names": self.names,
            "starts": self.starts,
        }

    @classmethod
    def from_json(cls, plain: dict[str, Any]) -> Code:
        """The code that `to_json` was asked of.

        Raises:
            ValueError: it is of a language level that this build does not know.
        """
        if plain["level"] > LEVEL:
            raise ValueError(
                f"the program is compiled for language level {plain['level']}, this build knows {LEVEL}: "
                "update the workers"
            )
        fields = dict(plain)
        fields["params"] = tuple(Param(**param) for param in plain["params"])
        fields["units"] = tuple(Unit(**unit) for unit in plain["units"])
        return cls(**fields)


def pack(code: Code) -> str:
    """The code as ASCII text: JSON, deflated, in base64."""
    plain = json.dumps(code.to_json(), ensure_ascii=False, separators=(",", ":"))
    return base64.b64encode(zlib.compress(plain.encode())).decode("ascii")


def unpack(text: str) -> Code:
    """The code that `pack` was given."""
    return Code.from_json(json.loads(zlib.decompress(base64.b64decode(text))))
