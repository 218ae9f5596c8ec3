"""Any input through check, format, compile, bind and a bounded run: `make fuzz`, seed printed.

python -m tests.fuzz                            100,000 inputs of each kind
python -m tests.fuzz programs --seed 7          one kind
python -m tests.fuzz programs --seed 7 --only 3 one input, printed
"""

from __future__ import annotations

import argparse
import faulthandler
import random
import sys
import time
import traceback
from collections.abc import Callable

from tests.dsl.any_input import KIB, judged, mutated, random_bytes

SIZES = ((0.98, 2 * KIB), (0.999, 64 * KIB), (1.0, 1024 * KIB))
"""Which share of the inputs has up to how many bytes; the small ones have all that can go wrong in them."""
LIMITS = {2 * KIB: 1.0, 64 * KIB: 1.0, 1024 * KIB: 10.0}
"""Seconds that no stage of an input of up to so many bytes may take."""
LONGEST_ADVANCE = 0.5
"""Seconds: an activation of the workflow holds all others of its worker."""
HANGS = 120
KINDS: dict[str, Callable[[random.Random, int], str | bytes]] = {"bytes": random_bytes, "programs": mutated}


def made(kind: str, seed: int, number: int) -> tuple[str | bytes, int, random.Random]:
    """Input `number` of a kind, the class of its size, and the chance that goes on from there."""
    chance = random.Random(f"{kind} {seed} {number}")
    share = chance.random()
    most = next(most for below, most in SIZES if share < below)
    size = int(most * chance.random() ** 3) if most < 64 * KIB else chance.randrange(most // 4, most + 1)
    source = KINDS[kind](chance, size)
    length = len(source if isinstance(source, bytes) else source.encode("utf-8", "surrogatepass"))
    return source, next((one for one in LIMITS if length <= one), 1024 * KIB), chance


def fuzz(kind: str, seed: int, numbers: range) -> int:
    """Judges these inputs and prints what was seen; gives the number of failures."""
    failures = valid = 0
    count, slowest = dict.fromkeys(LIMITS, 0), dict.fromkeys(LIMITS, (0.0, "", -1))
    advance, began = (0.0, -1), time.monotonic()
    for number in numbers:
        source, size, chance = made(kind, seed, number)
        faulthandler.dump_traceback_later(HANGS, exit=True)
        try:
            took = judged(source, chance)
            worst, stage = max((seconds, stage) for stage, seconds in took.stages.items())
            assert worst < LIMITS[size], f"{stage} took {worst:.1f} s"
            assert took.advance < LONGEST_ADVANCE, f"an advance took {took.advance:.2f} s"
        except Exception:
            failures += 1
            print(
                f"{kind}: input {number} of seed {seed} ({size // KIB} KiB):\n{traceback.format_exc(-6)}",
                flush=True,
            )
            continue
        valid += took.ran
        count[size] += 1
        slowest[size] = max(slowest[size], (worst, stage, number))
        advance = max(advance, (took.advance, number))
    faulthandler.cancel_dump_traceback_later()
    sizes = "; ".join(
        f"{count[size]} up to {size // KIB} KiB, slowest stage {worst:.2f} s ({stage}, input {number})"
        for size, (worst, stage, number) in slowest.items()
        if count[size]
    )
    print(
        f"{kind}: {len(numbers)} inputs in {time.monotonic() - began:.0f} s, {failures} failures; {sizes}; "
        f"{valid} valid programs ran, longest advance {advance[0]:.2f} s (input {advance[1]})",
        flush=True,
    )
    return failures


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("kind", nargs="*", choices=[*KINDS, []])
    options.add_argument("--count", type=int, default=100_000)
    options.add_argument("--seed", type=int, default=random.randrange(10**6))
    options.add_argument("--only", type=int)
    asked = options.parse_args()
    failures = 0
    for kind in asked.kind or KINDS:
        print(f"{kind} (seed {asked.seed}) ...", flush=True)
        if asked.only is not None:
            print(repr(made(kind, asked.seed, asked.only)[0]))
        numbers = range(asked.count) if asked.only is None else range(asked.only, asked.only + 1)
        failures += fuzz(kind, asked.seed, numbers)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
