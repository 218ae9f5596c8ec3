"""`make torture`: random programs under kills on a platform of their own, seed printed.

python -m tests.torture --programs 100 --seed 7
"""

from __future__ import annotations

import argparse
import random

from tests.platform import platform
from tests.torture.torture import Torture

BATCH = 12
"""Programs under way at once."""


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--programs", type=int, default=96)
    options.add_argument("--seed", type=int, default=random.randrange(10**6))
    asked = options.parse_args()
    for done in range(0, asked.programs, BATCH):
        seed = asked.seed + done
        with platform("--no-worker") as stack:
            said = Torture(stack, seed, min(BATCH, asked.programs - done)).run()
        print(f"torture (seed {seed}): {said}", flush=True)


if __name__ == "__main__":
    main()
