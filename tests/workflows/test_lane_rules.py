"""What a lane decides: tables of who has it, who waits and who is sent away."""

from __future__ import annotations

import random

import pytest

from codeai.workflows.contracts.lanes import Concurrency, LaneState, Turn, TurnsKnown
from codeai.workflows.lane_rules import MOST, REMEMBERED, ask, call_next, cancelled, recovered, release, told

MODES = {"q": Concurrency.QUEUE, "!": Concurrency.REPLACE, "x": Concurrency.REJECT}


def turn(name: str) -> Turn:
    """`3q`: the run that started third, of a deployment that queues; `!` replaces, `x` rejects."""
    return Turn(
        execution=f"execution {name[:-1]}",
        workflow_id=f"execution/{name[:-1]}",
        run=name[:-1],
        since=float(name[:-1]),
        concurrency=MODES[name[-1]],
    )


def state(text: str) -> LaneState:
    """`holder | queue | unwanted | gone`, each by names."""
    holder, queue, unwanted, gone = ([*part.split()] for part in text.split("|"))
    return LaneState(
        holder=turn(holder[0].rstrip("?")) if holder else None,
        called=bool(holder) and holder[0].endswith("?"),
        queue=tuple(map(turn, queue)),
        unwanted=tuple(map(turn, unwanted)),
        gone=tuple(gone),
    )


def text(given: LaneState) -> str:
    def names(turns: tuple[Turn, ...]) -> str:
        marks = {mode: mark for mark, mode in MODES.items()}
        return " ".join(one.run + marks[one.concurrency] for one in turns)

    holder = names((given.holder,)) + "?" * given.called if given.holder else ""
    parts = (holder, names(given.queue), names(given.unwanted), " ".join(given.gone))
    return " | ".join(parts)


@pytest.mark.parametrize(
    ("before", "asks", "answer", "after"),
    [
        # a free lane takes anybody
        (" | | | ", "1q", "granted", "1q |  |  | "),
        (" | | | ", "1x", "granted", "1x |  |  | "),
        (" | | | ", "1!", "granted", "1! |  |  | "),
        # who waits stands by his start, whenever he asks
        ("1q | | | ", "2q", "queued 1", "1q | 2q |  | "),
        ("1q | 3q | | ", "2q", "queued 1", "1q | 2q 3q |  | "),
        ("1q | 2q | | ", "3q", "queued 2", "1q | 2q 3q |  | "),
        (" | 3q | | ", "2q", "queued 1", " | 2q 3q |  | "),
        # who asks again is answered alike
        ("1q | 2q | | ", "1q", "granted", "1q | 2q |  | "),
        ("1q? | 2q | | ", "1q", "granted", "1q? | 2q |  | "),
        ("1q | 2q 3q | | ", "3q", "queued 2", "1q | 2q 3q |  | "),
        ("1q | | | 2", "2x", "rejected", "1q |  |  | 2"),
        (" | | | 2", "2x", "rejected", " |  |  | 2"),
        # who rejects goes away at once
        ("1q | | | ", "2x", "rejected", "1q |  |  | 2"),
        (" | 1q | | ", "2x", "rejected", " | 1q |  | 2"),
        # who replaces ends all others; the holder keeps the lane until it has ended
        ("1q | | | ", "2!", "queued 1", "1q | 2! | 1q | "),
        ("1q | 2q 3q | | ", "4!", "queued 1", "1q | 4! | 2q 3q 1q | 2 3"),
        ("1q | 2! | 1q | ", "3!", "queued 1", "1q | 3! | 1q 2! | 2"),
        ("1q? | | | ", "2!", "queued 1", "1q? | 2! | 1q | "),
        # who started before somebody that replaces was replaced by it, also where it asks later
        ("1q | 3! | 1q | ", "2!", "rejected", "1q | 3! | 1q | 2"),
        ("3! | | | ", "2q", "rejected", "3! |  |  | 2"),
        ("3! | | | ", "4q", "queued 1", "3! | 4q |  | "),
    ],
)
def test_a_run_asks(before: str, asks: str, answer: str, after: str) -> None:
    now, got = ask(state(before), turn(asks))
    assert text(now) == after
    assert f"{got.answer} {got.position or ''}".strip() == answer
    again, same = ask(now, turn(asks))
    assert (again, same) == (now, got)


@pytest.mark.parametrize(
    ("before", "run", "after"),
    [
        ("1q | 2q | | ", "1", " | 2q |  | 1"),
        ("1q? | 2q | | ", "1", " | 2q |  | 1"),
        ("1q | 2q 3q | | ", "2", "1q | 3q |  | 2"),
        ("1q | 2! | 1q | ", "1", " | 2! |  | 1"),
        ("1q | | | ", "7", "1q |  |  | 7"),
        (" | | | 7", "7", " |  |  | 7"),
    ],
)
def test_a_run_has_ended(before: str, run: str, after: str) -> None:
    now = release(state(before), run)
    assert text(now) == after
    assert release(now, run) == now


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (" | | | ", " |  |  | "),
        (" | 2q 3q | | ", "2q? | 3q |  | "),
        ("1q | 2q | | ", "1q | 2q |  | "),
    ],
)
def test_the_next_one_is_called(before: str, after: str) -> None:
    assert text(call_next(state(before))) == after


def test_what_was_told_needs_not_be_told_again() -> None:
    assert text(told(state("1q? | | | "), turn("1q"))) == "1q |  |  | "
    assert text(told(state("2q? | | | "), turn("1q"))) == "2q? |  |  | "
    assert text(cancelled(state("1q | 4! | 2q 1q | "), turn("2q"))) == "1q | 4! | 1q | "


def test_a_lane_is_bounded() -> None:
    full = LaneState(holder=turn("1q"), queue=tuple(turn(f"{n}q") for n in range(2, MOST + 2)))
    _, answer = ask(full, turn(f"{MOST + 5}q"))
    assert answer.answer == "rejected"
    now = LaneState()
    for n in range(REMEMBERED + 50):
        now = release(now, str(n))
    assert (len(now.gone), now.gone[-1]) == (REMEMBERED, str(REMEMBERED + 49))


@pytest.mark.parametrize("seed", range(30))
def test_whatever_comes_nobody_is_forgotten_and_never_two_have_it(seed: int) -> None:
    """Runs ask in any order and again, are granted, told, cancelled, end: each comes to its end, one at a time."""
    chance = random.Random(seed)
    modes = "qqqq" if seed % 3 else "qq!x"
    fresh = [turn(f"{n}{chance.choice(modes)}") for n in range(1, 30)]
    now, has, waits, ended = LaneState(), set[str](), {}, set[str]()
    for _ in range(3_000):
        act = chance.randrange(5)
        if act == 0 and fresh:
            one = fresh.pop(chance.randrange(min(3, len(fresh))))
            now, answer = ask(now, one)
            if answer.answer == "granted":
                has.add(one.run)
            elif answer.answer == "queued":
                waits[one.run] = one
            else:
                ended.add(one.run)
                now = release(now, one.run)
        elif act == 1 and waits:
            again = chance.choice(list(waits.values()))
            _, answer = ask(now, again)
            assert answer.answer != "granted" or now.holder == again
        elif act == 2 and has:
            run = has.pop()
            ended.add(run)
            now = release(now, run)
        elif act == 3:
            now = call_next(now)
            if now.called and now.holder is not None:
                waits.pop(now.holder.run)
                has.add(now.holder.run)
                now = told(now, now.holder)
        elif act == 4 and now.unwanted:
            one = now.unwanted[0]
            now = cancelled(now, one)
            for known in (has, waits):
                if one.run in known:
                    known.discard(one.run) if isinstance(known, set) else known.pop(one.run)
            ended.add(one.run)
            now = release(now, one.run)
        assert len(has) <= 1
        assert [one.since for one in now.queue] == sorted(one.since for one in now.queue)
    assert not fresh
    assert now.is_empty
    assert ended == {str(n) for n in range(1, 30)}


def test_a_lane_that_follows_one_that_was_ended_by_force_knows_whose_it_is() -> None:
    known = TurnsKnown(holder=turn("1q"), queue=(turn("3q"), turn("2q")))
    assert text(recovered(state("|||"), known)) == text(state("1q|2q 3q||"))
    assert text(recovered(state("|||1"), known)) == text(state("|2q 3q||1"))
    assert text(recovered(state("|||2"), known)) == text(state("1q|3q||2"))
    assert text(recovered(state("|||"), known, asking={"3"})) == text(state("1q|2q||"))
