"""The instructions of a compiled program (★): a statement, a jump, an effect or a pure expression each.

A program is a list of `[name, operands…]`. An *expression* operand is a flat list in postfix order, of which
the second table has the words: each takes its operands from a stack of values and puts its result there.
"""

from __future__ import annotations

from dataclasses import dataclass

FIRST = 2
"""The first variable of a frame; before it stand the run and the frame of the program itself."""
NOWHERE = -1
"""The slot of a result that nobody wants."""


@dataclass(frozen=True, slots=True)
class Opcode:
    """One instruction. `simple` ones have one successor and never end a run of instructions."""

    name: str
    operands: tuple[str, ...]
    help: str
    simple: bool = True


@dataclass(frozen=True, slots=True)
class Word:
    """One word of an expression: what follows it in the list, and what it does to the stack. `walks`: it may take
    as long as its operands are large (a built-in function says so itself)."""

    name: str
    operands: tuple[str, ...]
    picture: str
    walks: bool = False


_INSTRUCTIONS = (
    Opcode("given", ("slot", "target"), "goes to target where the input has been given", simple=False),
    Opcode("set", ("slot", "expression"), "slot = value; shares a value that is not new"),
    Opcode("drop", ("expression",), "a call whose result nobody wants"),
    Opcode("change", ("slot", "operator", "expression"), "slot operator= value"),
    Opcode("add", ("slot", "expression"), "slot = slot + value; text that nobody else holds grows in place"),
    Opcode("push", ("slot", "expression", "line"), "slot = append(slot, value), in place"),
    Opcode("put", ("slot", "keys", "operator", "expression"), "slot[key]… operator= value, in place"),
    Opcode("jump", ("target",), "goes to target"),
    Opcode("branch", ("expression", "target"), "goes on where true, else to target", simple=False),
    Opcode(
        "while", ("expression", "target"), "a loop head: goes on where true, else to target", simple=False
    ),
    Opcode("loop", (), "a loop head before a condition with calls or effects", simple=False),
    Opcode("for", ("first", "expression"), "begins a loop over a value of its own (in first + 2)"),
    Opcode(
        "over", ("first", "source", "name"), "begins a loop over a variable that the loop does not change"
    ),
    Opcode("count", ("first", "expressions"), "begins a loop over range(…)"),
    Opcode(
        "next",
        ("first", "source", "names", "target"),
        "a loop head: the next item, or to target",
        simple=False,
    ),
    Opcode("step", ("first", "name", "target"), "a loop head: the next integer, or to target", simple=False),
    Opcode(
        "call", ("unit", "expressions", "slot"), "calls a function; its result goes to slot", simple=False
    ),
    Opcode("return", ("expression",), "ends the function, fibre or program", simple=False),
    Opcode("fail", ("expression",), "raises an error", simple=False),
    Opcode(
        "effect", ("name", "arguments", "slot"), "asks for an effect; its result goes to slot", simple=False
    ),
    Opcode(
        "exec",
        ("text", "options", "mentions", "undo", "assigned", "slot"),
        "asks for a command; undo is null or [line, text, options, mentions]",
        simple=False,
    ),
    Opcode(
        "parallel",
        ("expression", "options", "name", "target", "slot"),
        "a fibre for each item runs what follows; then goes to target with the results in slot",
        simple=False,
    ),
)

_SIGNS = ("+", "-", "*", "/", "%", "==", "!=", "<", ">", "<=", ">=", "in")
_WORDS = (
    Word("v", ("slot",), "-> the variable"),
    Word("t", ("slot",), "-> the temporary, which is empty from now on"),
    Word("g", ("slot", "name", "line"), "-> the program's variable, seen from a function"),
    Word("c", ("value",), "-> the constant"),
    Word("[", ("count",), "items -> array"),
    Word("{", ("keys",), "values (before each whose key is null: its key) -> map"),
    Word("s", ("count", "line"), "parts -> text"),
    *(Word(sign, ("line",), "left right -> value", walks=sign in ("==", "!=", "in")) for sign in _SIGNS),
    Word("and", (), "left right -> one of them; the right one only where needed"),
    Word("or", (), "left right -> one of them; the right one only where needed"),
    Word("not", ("line",), "value -> bool"),
    Word("neg", ("line",), "number -> number"),
    Word("i", ("line",), "subject key -> element"),
    Word(".", ("name", "line"), "subject -> field"),
    Word(
        "b",
        ("name", "places", "line"),
        "arguments -> what the built-in gives; a place is a number or [default]",
    ),
)

OPCODES: dict[str, Opcode] = {opcode.name: opcode for opcode in _INSTRUCTIONS}
WORDS: dict[str, Word] = {word.name: word for word in _WORDS}
