"""What must hold for any input whatsoever, and inputs of every kind: for the tests and for `make fuzz`."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from codeai.dsl.bind import Bound, bind
from codeai.dsl.check import Checked, check
from codeai.dsl.compile import compile_program
from codeai.dsl.diagnostics import CODES, render_github, render_text
from codeai.dsl.format import format_source
from codeai.dsl.inputs import check_inputs
from codeai.dsl.machine import Machine
from codeai.dsl.parser import parse
from codeai.dsl.program import pack, unpack
from codeai.dsl.requests import Asking, EffectResult, Failed, Finished, Request
from codeai.dsl.tree_walk import equal
from codeai.dsl.values import ErrorValue, ExecValue
from tests.dsl.programs import EVERY_FORM, PIECES, SMALL, damaged
from tests.dsl.random_programs import Programs

KIB = 1024
MOST_ADVANCES = 25
Result = TypeVar("Result")


@dataclass
class Took:
    """Seconds of each stage that a source went through, and of the machine's longest `advance`."""

    stages: dict[str, float] = field(default_factory=dict)
    advance: float = 0.0

    def timed(self, stage: str, work: Callable[[], Result]) -> Result:
        began = time.process_time()
        result = work()
        self.stages[stage] = time.process_time() - began
        return result

    @property
    def ran(self) -> bool:
        """Whether it was a valid program."""
        return "bind" in self.stages


# What must hold


def judged(source: bytes | str, chance: random.Random) -> Took:
    """Checks and formats a source; a valid one is compiled, bound and run for a while on arbitrary answers.

    Raises:
        AssertionError, or whatever the language's code let through: what does not hold.
    """
    took = Took()
    checked = took.timed("check", lambda: check(source))
    _places_are_inside(checked)
    formatted = took.timed("format", lambda: format_source(source)).text
    if formatted is not None:
        again = format_source(formatted)
        assert again.text == formatted, "what was formatted is formatted otherwise"
        after = check(formatted)
        assert checked.tree is not None and after.tree is not None
        assert equal(checked.tree, after.tree), "the layout has another tree"
    if checked.tree is not None and not checked.errors:
        code = took.timed("compile", lambda: unpack(pack(compile_program(checked))))
        _runs(took.timed("bind", lambda: bind(code)), chance, took)
    return took


def _places_are_inside(checked: Checked) -> None:
    lines = checked.source.text.split("\n")
    for one in checked.diagnostics:
        assert 1 <= one.line <= one.end_line <= len(lines), one
        assert 1 <= one.column <= len(lines[one.line - 1]) + 1, one
        assert 1 <= one.end_column <= len(lines[one.end_line - 1]) + 1, one
        assert (one.line, one.column) <= (one.end_line, one.end_column), one
        assert one.message and one.code in CODES, one
    assert render_github(checked.diagnostics, "a").count("\n") == len(checked.diagnostics)
    assert render_text(checked.diagnostics, checked.source, "a").count("\n") == 3 * len(checked.diagnostics)


def _runs(program: Bound, chance: random.Random, took: Took) -> None:
    params = program.code.params
    given = {one.name: _plain(chance, 2) for one in params if one.required or chance.random() < 0.5}
    for wrong in check_inputs(program.code, given):
        given.pop(wrong.name, None)
    if any(one.required and one.name not in given for one in params):
        return
    machine = Machine.start(program, given)
    for _ in range(MOST_ADVANCES):
        began = time.process_time()
        outcome = machine.advance()
        took.advance = max(took.advance, time.process_time() - began)
        if isinstance(outcome, Finished | Failed):
            return
        if chance.random() < 0.1:
            machine.view()
            machine = Machine.resume(program, machine.state())
        if chance.random() < 0.02:
            machine.cancel()
        if isinstance(outcome, Asking):
            for step in chance.sample(list(machine.pending), chance.randint(0, len(machine.pending))):
                if step in machine.pending:
                    machine.answer(step, _answer(machine.pending[step], chance))


_KINDS = ("exec_failed", "timeout", "lost", "cancelled", "failed", "limit", "rejected", "anything")
_LEAVES = (None, True, 0, -(2**63), 10**30, 0.5, 1e300, "", "text", "$x \U0001f680\n", "x" * 300_000)


def _answer(request: Request, chance: random.Random) -> EffectResult:
    """An answer of any kind, also such as no platform should give."""
    if chance.random() < 0.2:
        error = ErrorValue(chance.choice(_KINDS), "no", chance.choice((None, 1)), chance.choice((None, 1)))
        return EffectResult(error=error, undoable=chance.random() < 0.5)
    if request.effect == "exec" and chance.random() < 0.9:
        text = chance.choice(("", "a", "1", "\U0001f680\n", "x" * 70_000, "x" * 300_000))
        return EffectResult(ExecValue(text, chance.choice(("", text)), chance.choice((0, 0, 1, 255))))
    return EffectResult(_plain(chance, 3))


def _plain(chance: random.Random, depth: int) -> Any:
    if not depth or chance.random() < 0.7:
        return chance.choice(_LEAVES)
    items = [_plain(chance, depth - 1) for _ in range(chance.randrange(4))]
    return items if chance.random() < 0.5 else {f"k{at}": item for at, item in enumerate(items)}


# Inputs of every kind

OPENINGS = (
    *("(", "[", "{", "{a: ", '"${', "f(", "a[", "exec(", "if a {", "while a {", "for x in a {", "try {"),
    *("function f() {", "parallel for x in a {", "else {", "exec {", "undo {", "exec { $(", "${", "(("),
    *(
        "'",
        '"',
        "`",
        "<<E\n",
        "case x in ",
        "{ a; ",
        "return [",
        "not ",
        "-",
        "exec { (",
        "if :",
        "exec() x\n",
    ),
)
CLOSINGS = ("}", ")", "]", '"', "'", "`", "E\n", "esac", "\n", "1", "")
CHAINS = (
    *(
        "1 + ",
        "1+",
        "not ",
        "-",
        "- ",
        ".b",
        "[0]",
        "[1]",
        " else if a { }",
        "if a { } else ",
        "a = ",
        "x = ",
    ),
    *(
        "a, ",
        "{a: 1, ",
        "1 < 2 < ",
        "x and ",
        '"a" ',
        "f(",
        "f(1, a: 2, ",
        "var a = 1\n",
        "var a = b\n",
        "f()\n",
    ),
    *("var a = )\n", "a += 1\n", "a = [1,\n", "exec { a }\n", "exec { } ", "undo { }", "function f() { }\n"),
    *("break\n", "# c\n", ";", "a ", "a\n", "\\", '"\\q"', '"${a}" ', '"a${', "007 ", "$a ", "\r\r\n"),
    *("exec { cat <<E\n", 'var a = "', "param p = 1\n", "a.b.c[d] = e.f + 1\n", "for a in b { c }\n"),
)
UNCLOSED = (
    '"',
    "'",
    "`",
    "{",
    "(",
    "[",
    '"${',
    "exec {",
    "<<EOF\n",
    "$(",
    "#",
    "\\",
    "exec { cat <<E\n",
    "*/",
)


def random_bytes(chance: random.Random, size: int) -> bytes:
    """Bytes of the whole range, of ASCII, of any text, or of pieces of programs."""
    kind = chance.randrange(4)
    if kind == 0:
        return chance.randbytes(size)
    if kind == 1:
        return bytes(byte & 0x7F for byte in chance.randbytes(size))
    if kind == 2:
        return "".join(chr(_point(chance)) for _ in range(size // 3)).encode("utf-8", "surrogatepass")
    return _filled(size, lambda: chance.choice(PIECES)).encode()[:size]


def _point(chance: random.Random) -> int:
    return chance.choice((chance.randrange(0x7F), chance.randrange(0x3000), chance.randrange(0x110000)))


def mutated(chance: random.Random, size: int) -> str | bytes:
    """A program of about this size with something done to it, or something that only looks like one."""
    source = chance.choice(_KINDS_OF_PROGRAMS)(chance, size)
    if chance.random() < 0.3:
        at = chance.randrange(len(source) + 1)
        source = source[:at] + chance.choice(UNCLOSED) + source[at:]
    return _bytes_changed(source, chance) if chance.random() < 0.1 else source


def _programs(chance: random.Random, size: int) -> str:
    """Valid programs, one after the other."""
    return _filled(size, lambda: _program(chance) + "\n")


def _program(chance: random.Random) -> str:
    kind = chance.randrange(4)
    if kind == 0:
        return EVERY_FORM
    if kind == 1:
        return chance.choice(_EXAMPLES)
    return Programs(chance.randrange(10**9)).program()


def _tokens_changed(chance: random.Random, size: int) -> str:
    return damaged(_programs(chance, size), chance)


def _lines_changed(chance: random.Random, size: int) -> str:
    """Lines taken out, doubled, swapped, cut off."""
    lines = _programs(chance, size).split("\n")
    for _ in range(chance.choice((1, 2, 5, 20))):
        one, other, kind = chance.randrange(len(lines)), chance.randrange(len(lines)), chance.randrange(5)
        if kind == 0 and len(lines) > 1:
            del lines[one]
        elif kind == 1:
            lines.insert(one, lines[other])
        elif kind == 2:
            lines[one], lines[other] = lines[other], lines[one]
        elif kind == 3:
            lines[one] = lines[one][: chance.randrange(len(lines[one]) + 1)]
        else:
            del lines[one + 1 :]
    return "\n".join(lines)


def _characters_changed(chance: random.Random, size: int) -> str:
    text = _programs(chance, size)
    for _ in range(chance.choice((1, 2, 5, 20))):
        at = chance.randrange(len(text) + 1)
        text = text[:at] + chance.choice((*PIECES, "", "")) + text[at + chance.randrange(3) :]
    return text


def _bytes_changed(text: str, chance: random.Random) -> bytes:
    made = bytearray(text.encode("utf-8", "surrogatepass"))
    for _ in range(chance.choice((1, 2, 5))):
        if made:
            made[chance.randrange(len(made))] = chance.randrange(256)
    return bytes(made)


def _bomb(chance: random.Random, size: int) -> str:
    """Openings within each other, sometimes closed again."""
    pick = [chance.choice(OPENINGS) for _ in range(chance.choice((1, 1, 2, 5)))]
    deep = chance.choice((5, 50, 99, 101, size))
    opened = _filled(min(size, deep * len(pick[0])), lambda: chance.choice(pick))
    closed = "".join(chance.choice(CLOSINGS) for _ in range(chance.choice((0, 1, min(deep, size)))))
    return chance.choice(("", "var a = ", "return ")) + opened + closed


def _chain(chance: random.Random, size: int) -> str:
    """The same few things again and again."""
    pick = [chance.choice((*CHAINS, *PIECES)) for _ in range(chance.choice((1, 1, 2, 5)))]
    return chance.choice(("", "var a = 1\n", "return ")) + _filled(size, lambda: chance.choice(pick))


def _pieces(chance: random.Random, size: int) -> str:
    return _filled(size, lambda: chance.choice(PIECES))


def _spliced(chance: random.Random, size: int) -> str:
    """The head of one program and the tail of another."""
    one, other = _programs(chance, size // 2), _programs(chance, size // 2)
    return one[: chance.randrange(len(one) + 1)] + other[chance.randrange(len(other) + 1) :]


_EXAMPLES = (*SMALL, *(row.example for row in CODES.values() if parse(row.example).tokens))
_KINDS_OF_PROGRAMS: tuple[Callable[[random.Random, int], str], ...] = (
    *(_programs, _tokens_changed, _tokens_changed, _lines_changed, _characters_changed),
    *(_bomb, _chain, _pieces, _spliced),
)


def _filled(size: int, piece: Callable[[], str]) -> str:
    """Pieces up to about this size in bytes, at least one."""
    parts = [piece()]
    length = len(parts[0].encode("utf-8", "surrogatepass"))
    while length < size:
        part = piece()
        length += len(part.encode("utf-8", "surrogatepass"))
        if length <= size:
            parts.append(part)
    return "".join(parts)
