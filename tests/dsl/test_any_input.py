"""No input whatsoever crashes, hangs or overflows the front end, and every place is inside the file."""

from __future__ import annotations

import random
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from codeai.dsl.check import check
from codeai.dsl.format import format_source
from tests.dsl.programs import EVERY_FORM, PIECES, SMALL, damaged

BOUNDED = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
KIB = 1024


def looked_at(source: bytes | str) -> None:
    """Checks a source and the places of what is found in it."""
    checked = check(source)
    lines = checked.source.text.split("\n")
    for one in checked.diagnostics:
        assert 1 <= one.line <= one.end_line <= len(lines)
        assert 1 <= one.column <= len(lines[one.line - 1]) + 1
        assert 1 <= one.end_column <= len(lines[one.end_line - 1]) + 1
        assert (one.line, one.column) <= (one.end_line, one.end_column)
        assert one.message and one.code
    formatted = format_source(source).text
    assert formatted is None or format_source(formatted).text == formatted


@BOUNDED
@given(some.binary(max_size=300))
def test_any_bytes(source: bytes) -> None:
    looked_at(source)


@BOUNDED
@given(some.text(max_size=200))
def test_any_text(source: str) -> None:
    looked_at(source)


@BOUNDED
@given(some.lists(some.sampled_from(PIECES), max_size=60))
def test_any_pieces_of_programs(pieces: list[str]) -> None:
    looked_at("".join(pieces))


@BOUNDED
@given(some.sampled_from([EVERY_FORM, *SMALL]), some.integers(0, 2**32))
def test_damaged_programs(source: str, seed: int) -> None:
    looked_at(damaged(source, random.Random(seed)))


@pytest.mark.parametrize(
    "piece",
    [
        *PIECES,
        *(
            "1+",
            "not ",
            "- ",
            ".b",
            "[1]",
            "if a { } else ",
            '"${',
            '"a${',
            "a ",
            "a\n",
            "var a = )\n",
            "x = ",
            "{a: 1, ",
        ),
        *(
            '"a" ',
            "exec { } ",
            "undo { }",
            '"\\q"',
            "007 ",
            "if a {",
            "f(1, a: 2, ",
            "# c\n",
            "if :",
            "exec { $(",
            "$a ",
        ),
        *(
            "exec { cat <<E\n",
            "a = [1,\n",
            "function f() { }\n",
            "1 < 2 < ",
            "exec() x\n",
            "\r\r\n",
            "break\n",
            "var a = b\n",
        ),
    ],
)
def test_the_same_again_and_again_for_64_kib(piece: str) -> None:
    """Under a second of work: what is not in proportion to the size would take minutes."""
    source = (piece * (64 * KIB // len(piece) + 1))[: 64 * KIB]
    began = time.process_time()
    check(source)
    assert time.process_time() - began < 1


def test_random_text_of_one_mebibyte_takes_less_than_ten_seconds() -> None:
    chance = random.Random(3)
    source = "".join(chance.choice(PIECES) for _ in range(KIB * KIB // 4))[: KIB * KIB // 2]
    began = time.process_time()
    check(source)
    assert time.process_time() - began < 10


def test_many_names_and_many_unknown_ones_take_time_in_proportion() -> None:
    names = "".join(f"var abcde{number} = 1\n" for number in range(3000))
    unknown = "".join(f"log(abcdf{number})\nabcdg{number}()\n" for number in range(3000))
    began = time.process_time()
    assert len(check(names + unknown).errors) == 6000
    assert time.process_time() - began < 5
