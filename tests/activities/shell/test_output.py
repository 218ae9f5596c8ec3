"""A command's bytes as text."""

from __future__ import annotations

import pytest

from codeai.activities.shell import formats, output
from codeai.activities.shell.output import Chunker
from codeai.activities.shell.record import Chunk


def chunks(*pieces: tuple[bytes, bytes]) -> list[Chunk]:
    data = b"".join(formats.frame(stream, 1.5, piece) for stream, piece in pieces)
    frames, end = formats.frames(data, 0)
    assert end == len(data)
    chunker = Chunker("step", 2, 100)
    made = chunker.chunks(frames)
    return made + chunker.rest(end, made[-1].time)


def test_a_character_on_two_frames_is_not_broken_whatever_comes_between() -> None:
    made = chunks((formats.STDOUT, b"a\xc3"), (formats.STDERR, b"x"), (formats.STDOUT, b"\xa9b"))
    assert [(chunk.stream, chunk.text) for chunk in made] == [
        ("stdout", "a"),
        ("stderr", "x"),
        ("stdout", "éb"),
    ]
    assert {(chunk.step_id, chunk.attempt) for chunk in made} == {("step", 2)}
    assert len({chunk.position for chunk in made}) == 3


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"\xff", "\ufffd"),
        (b"a\0b", "a\ufffdb"),
        (b"\xed\xa0\x80", "\ufffd\ufffd\ufffd"),
        (b"end \xf0\x9f", "end \ufffd"),
    ],
)
def test_what_no_database_takes_is_replaced(data: bytes, text: str) -> None:
    assert "".join(chunk.text for chunk in chunks((formats.STDOUT, data))) == text


def test_a_frame_that_is_being_written_is_left_for_later() -> None:
    data = formats.frame(formats.STDOUT, 1.5, b"first") + formats.frame(formats.STDOUT, 1.5, b"second")
    for cut in range(len(data)):
        frames, position = formats.frames(data[:cut], 7)
        rest, end = formats.frames(data[position - 7 :], position)
        assert b"".join(frame.data for frame in frames + rest) == b"firstsecond"
        assert end == len(data) + 7


def test_an_output_of_which_a_power_cut_has_left_zeros_ends_there() -> None:
    """Else whoever takes the command over would try to read it again and again, and its run never went on."""
    whole = formats.frame(formats.STDOUT, 1.5, b"first")
    torn = formats.frame(formats.STDOUT, 1764425000.0, b"second 1 2\nthird\n" * 9)
    for size in range(1, len(torn)):
        found, end = formats.frames(whole + bytes(size) + torn[size:], 0)
        assert [frame.data for frame in found] == [b"first"]
        assert end == len(whole)


@pytest.mark.parametrize(
    ("data", "most", "cut", "head", "tail", "missing"),
    [
        ("aéz".encode(), 4, False, "aéz", "aéz", False),
        ("aéz".encode()[:2], 4, True, "a", "a\ufffd", True),
        ("aéz".encode()[:2], 4, False, "a\ufffd", "a\ufffd", False),
        ("aéz".encode()[2:], 4, True, "\ufffdz", "z", True),
        ("ééé".encode(), 3, False, "é", "é", True),
        (b"\xff\xff", 3, False, "\ufffd", "\ufffd", True),
        (b"", 0, False, "", "", False),
    ],
)
def test_a_halved_character_is_dropped_where_the_cut_is(
    data: bytes, most: int, cut: bool, head: str, tail: str, missing: bool
) -> None:
    assert output.head(data, most, cut) == (head, missing)
    assert output.tail(data, most, cut) == (tail, missing)
