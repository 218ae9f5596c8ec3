"""Built-in functions on text: bodies of the rows in `builtins.py`."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, NoReturn

import re2

from codeai.dsl.faults import type_fault, value_fault
from codeai.dsl.limits import INSTRUCTIONS, ITEMS, KIB, NESTING, STATE, STRING
from codeai.dsl.operators import as_string
from codeai.dsl.values import (
    MOST,
    Array,
    SecretHandle,
    Value,
    array,
    finite,
    from_plain,
    json_text,
    named,
    scalar_text,
    secret_fault,
    text,
    whole,
)


def given_text(function: str, value: Value) -> str:
    """The text of an argument.

    Raises:
        Fault: kind `type_error`.
    """
    found = as_string(value)
    if found is None:
        raise (
            secret_fault()
            if type(value) is SecretHandle
            else type_fault(f"{function} takes a string, not {named(value)}")
        )
    return found


def given_array(function: str, value: Value) -> Array:
    if type(value) is not Array:
        raise type_fault(f"{function} takes an array, not {named(value)}")
    return value


def given_integer(function: str, value: Value) -> int:
    if type(value) is not int:
        raise type_fault(f"{function} takes an integer, not {named(value)}")
    return value


def starts_with(s: Value, prefix: Value) -> Value:
    return given_text("starts_with", s).startswith(given_text("starts_with", prefix))


def ends_with(s: Value, suffix: Value) -> Value:
    return given_text("ends_with", s).endswith(given_text("ends_with", suffix))


def split(s: Value, sep: Value) -> Value:
    whole_text = given_text("split", s)
    if sep is None:
        return array(whole_text.split())
    mark = given_text("split", sep)
    if not mark:
        raise value_fault("split needs a separator: it cannot be empty")
    if whole_text.count(mark) >= ITEMS.most:
        raise ITEMS.fault()
    return array(whole_text.split(mark))


def join(items: Value, sep: Value) -> Value:
    mark = given_text("join", sep)
    parts = [given_text("join", item) for item in given_array("join", items)]
    if sum(map(len, parts)) + len(mark) * (len(parts) - 1) > STRING.most:
        raise STRING.fault()
    return text(mark.join(parts))


def replace(s: Value, old: Value, new: Value) -> Value:
    whole_text, before, after = (given_text("replace", one) for one in (s, old, new))
    if not before:
        raise value_fault("replace needs a text to look for: it cannot be empty")
    if len(whole_text) + whole_text.count(before) * (len(after) - len(before)) > STRING.most:
        raise STRING.fault()
    return text(whole_text.replace(before, after))


def trim(s: Value) -> Value:
    return given_text("trim", s).strip()


def upper(s: Value) -> Value:
    return text(given_text("upper", s).upper())


def lower(s: Value) -> Value:
    return text(given_text("lower", s).lower())


def lines(s: Value) -> Value:
    whole_text = given_text("lines", s)
    if not whole_text:
        return array(())
    return array(whole_text.removesuffix("\n").split("\n"))


# JSON


def json_encode(x: Value, indent: Value) -> Value:
    if indent is not None and not 0 <= given_integer("json_encode", indent) <= 16:
        raise value_fault(f"json_encode: indent is from 0 to 16, not {indent}")
    return json_text(x, indent if type(indent) is int else None)


def json_decode(s: Value) -> Value:
    """Strict RFC 8259: no NaN, no duplicate keys, 64-bit integers, finite numbers, scalar values."""
    source = given_text("json_decode", s)
    try:
        plain = json.loads(
            source,
            parse_constant=_no_json,
            parse_int=_json_integer,
            parse_float=_json_float,
            object_pairs_hook=_json_map,
        )
    except RecursionError:
        raise NESTING.fault() from None
    except json.JSONDecodeError as error:
        raise value_fault(
            f"json_decode: {error.msg} at line {error.lineno}, column {error.colno} of the text"
        ) from None
    return from_plain(plain)


def _no_json(word: str) -> NoReturn:
    raise value_fault(f"json_decode: {word} is no JSON")


def _json_integer(digits: str) -> int:
    if len(digits) > 20:
        raise value_fault("json_decode: an integer has more than 64 bits")
    return whole(int(digits))


def _json_float(digits: str) -> float:
    return finite(float(digits))


def _json_map(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise value_fault("json_decode: an object has the same key twice")
    return made


# Bytes


def base64_encode(s: Value) -> Value:
    return text(base64.b64encode(given_text("base64_encode", s).encode()).decode())


def base64_decode(s: Value) -> Value:
    try:
        plain = base64.b64decode(given_text("base64_decode", s).encode("ascii"), validate=True)
        return scalar_text(plain.decode())
    except UnicodeDecodeError:
        raise value_fault("base64_decode: what was encoded is no UTF-8 text") from None
    except (binascii.Error, UnicodeEncodeError):
        raise value_fault("base64_decode: this is no base64") from None


def sha256(s: Value) -> Value:
    return hashlib.sha256(given_text("sha256", s).encode()).hexdigest()


# Regular expressions: RE2, so in linear time; on bytes, as RE2 works


_LONGEST_PATTERN = 4 * KIB
_MEMORY = 2 * 1024 * KIB
"""Bytes that RE2 may use for one pattern: a larger one takes 0.2 s to compile, and as much again for the next."""


@lru_cache(maxsize=64)
def _compiled(pattern: str) -> Any:
    if len(pattern) > _LONGEST_PATTERN:
        raise INSTRUCTIONS.fault()
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MEMORY
    try:
        return re2.compile(pattern.encode(), options)
    except re2.error as error:
        reason = error.args[0] if error.args else ""
        words = reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
        if words.startswith("pattern too large"):
            raise INSTRUCTIONS.fault() from None
        raise value_fault(f"not a regular expression (RE2): {words}") from None


# RE2 takes time in proportion to text times pattern for a walk through the text (measured up to 10 ns for each
# byte and instruction of its program, more where it keeps many groups), and a search may look past its match, so
# that all matches together walk more than the text (`a.*b|a` in "aaaa…" walks the rest of it for each). All is
# counted in fourths of such a step and bounded to about 0.3 s.
_MOST_WALKED = 128 * 1024 * 1024
_WALKED_PER_INSTRUCTION = 2048
_STEP = 4
_MATCH = 256
_GROUP = 40

_ENDLESS = re.compile(r"[*+]|,}")
_RUN = re.compile(r"(?:\\[dDsSwW]|\.|\\[pP](?:[A-Z]|\{\^?\w+\})|\[\^?(?:[^]\[\\]|\\[^xQ0-9])+\])\+")
_OVER_LINES = re.compile(
    r"\[\^|\[:|\\[^dwSbBAz.\\\[\](){}*+?|$^/\"'=:;,@%&#<>_~`!-]|\(\?[a-zA-Z-]*s|[\x00-\x1f]"
)
"""What may take the end of a line; all that is not known not to."""
_SMALL = 20
"""Instructions of a program that has so few states that each is made once: its walks take a fourth of a step."""
_LITERAL = r"(?:[^][\\(){}.*+?|^$]|\\[^A-Za-z0-9])"
_ONE_CLASS = re.compile(
    rf"{_LITERAL}{{0,16}}(?:\\[pP](?:[A-Z]|\{{\^?\w+\}})|\[\^?(?:[^][\\]|\\[^xQ0-9])+\])[*+?]?{_LITERAL}{{0,16}}"
)
"""One class of characters: as few states, though those of Unicode are programs of a thousand instructions."""
_IN_CLASS = r"(?:[^][\\-]|\\[nrtsd]|\\[^A-Za-z0-9])"
_CLOSED = re.compile(
    rf"{_LITERAL}+\(?\[\^{_IN_CLASS}*?([^][\\\w\s-]){_IN_CLASS}*\][*+]\??\)?"
    rf"(?:\\|(?![.*+?|^$(){{}}]))\1{_LITERAL}*"
)
"""What is closed by a character that cannot stand in it, such as `"[^"]*"`: a match ends the search there."""
_LONGEST_CLOSED = 64


def _counted(walked: int) -> int:
    """The instructions that a search counts as.

    Raises:
        Fault: kind `limit`.
    """
    if walked > _MOST_WALKED:
        raise INSTRUCTIONS.fault()
    return walked // _WALKED_PER_INSTRUCTION


def _size(compiled: Any, pattern: str) -> int:
    """The instructions that a walk takes time for."""
    size: int = compiled.programsize
    return min(size, _SMALL) if _ONE_CLASS.fullmatch(pattern) else size


def _walk(compiled: Any, pattern: str, length: int) -> int:
    """What one walk through a text counts, with the making of the pattern's program."""
    groups = 4 + compiled.groups
    walk: int = _STEP * _size(compiled, pattern) * groups // 4 * length
    made: int = _STEP * compiled.programsize * groups // 4 * 32
    return max(walk, made) + len(compiled.pattern) * _WALKED_PER_INSTRUCTION // 4


def _looks_past(compiled: Any, pattern: str, source: bytes) -> Callable[[int], int]:
    """How far a search may look at most whose match ends at a place of the text.

    A program without loops passes each of its instructions once, for one byte at most. A search for a run of one
    class of characters ends at the character that is none of them; one that takes no end of a line, there."""
    end = len(source)
    closed = len(pattern) <= _LONGEST_CLOSED and _CLOSED.fullmatch(pattern)
    if closed or not _ENDLESS.search(pattern) or _RUN.fullmatch(pattern):
        past = _size(compiled, pattern)
        return lambda stop: min(stop + past, end)
    if _OVER_LINES.search(pattern):
        return lambda _: end
    return lambda stop: end if (found := source.find(b"\n", stop)) < 0 else found + 1


def regex_match(s: Value, pattern: Value) -> tuple[Value, int]:
    """The match, and how many instructions the search counts as."""
    source, words = given_text("regex_match", s).encode(), given_text("regex_match", pattern)
    compiled = _compiled(words)
    count = _counted(_walk(compiled, words, len(source)))
    found = compiled.search(source)
    if found is None:
        return None, count
    spans = [found.span(group) for group in range(compiled.groups + 1)]
    if sum(end - start for start, end in spans) > STATE.most:  # before so many copies are made
        raise STATE.fault()
    return array(
        None if start < 0 else source[start:end].decode(errors="replace") for start, end in spans
    ), count


_REFERENCE = re.compile(r"\$([0-9$])")


def regex_replace(s: Value, pattern: Value, replacement: Value) -> tuple[Value, int]:
    """The text, and how many instructions the search counts as."""
    source = given_text("regex_replace", s).encode()
    words = given_text("regex_replace", pattern)
    compiled = _compiled(words)
    pieces = _pieces(given_text("regex_replace", replacement), compiled.groups)
    looks_to, per_match = _looks_past(compiled, words, source), _MATCH + _GROUP * compiled.groups
    again = 1 if _size(compiled, words) <= _SMALL else _STEP * compiled.programsize
    made: list[bytes] = []
    size, at, walked = 0, 0, _walk(compiled, words, len(source))
    _counted(walked)
    for spans in _matches(compiled, source):
        start, stop = spans[0]
        walked += per_match + again * (looks_to(stop) - stop)
        if walked > _MOST_WALKED:
            raise INSTRUCTIONS.fault()
        made.append(source[at:start])
        size += start - at
        for piece in pieces:
            if isinstance(piece, int):
                first, last = spans[piece]
                piece = source[first:last] if first >= 0 else b""
            made.append(piece)
            size += len(piece)
        if size > STRING.most:
            raise STRING.fault()
        at = stop
    made.append(source[at:])
    return text(b"".join(made).decode(errors="replace")), _counted(walked)


_ANYWHERE = re2._Anchor.UNANCHORED


def _matches(compiled: Any, source: bytes) -> Iterator[list[tuple[int, int]]]:
    """The spans of each match and its groups, as `finditer` finds them: its objects take longer than the search."""
    search, at, end = compiled._regexp.Match, 0, len(source)
    while at <= end:
        spans = search(_ANYWHERE, source, at, end)
        if spans[0][0] < 0:
            return
        yield spans
        stop = spans[0][1]
        at = stop if stop > at else at + 1


def _pieces(replacement: str, groups: int) -> list[bytes | int]:
    """Texts and numbers of groups in turn."""
    pieces: list[bytes | int] = []
    for number, piece in enumerate(_REFERENCE.split(replacement)):
        if number % 2 == 0:
            pieces.append(piece.encode())
        elif piece == "$":
            pieces.append(b"$")
        elif int(piece) <= groups:
            pieces.append(int(piece))
        else:
            raise value_fault(f"regex_replace: the pattern has no group {piece}")
    return pieces


# Text as numbers

_INTEGER = re.compile(r"[ \t\n\r\f\v]*([+-]?[0-9]+)[ \t\n\r\f\v]*")
_FLOAT = re.compile(r"[ \t\n\r\f\v]*([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)[ \t\n\r\f\v]*")


def parsed_integer(source: str) -> int:
    found = _INTEGER.fullmatch(source)
    if found is None:
        raise value_fault(f"int: {quoted(source)} is no integer")
    digits = found[1].lstrip("+")
    if len(digits.lstrip("-").lstrip("0")) > len(str(MOST)):
        raise value_fault("int: the number has more than 64 bits (overflow)")
    return whole(int(digits.replace("-", "").lstrip("0") or "0") * (-1 if digits.startswith("-") else 1))


def parsed_float(source: str) -> float:
    found = _FLOAT.fullmatch(source)
    if found is None:
        raise value_fault(f"float: {quoted(source)} is no number")
    return finite(float(found[1]))


def quoted(source: str) -> str:
    """A text in a message, cut where it is long."""
    return json.dumps(source if len(source) <= 60 else source[:57] + "...", ensure_ascii=False)
