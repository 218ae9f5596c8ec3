"""Every item of "What must hold" at its full size, one command an item, seed printed.

python -m tests.soak                    all of them
python -m tests.soak kills --seed 7     one of them
"""

from __future__ import annotations

import argparse
import random

from tests.platform import platform
from tests.soak import api, durability, hosts, lanes, limits, mixture, parks, query, tails
from tests.soak.item import Alone, Item

ITEMS: dict[str, Item | Alone] = {
    **durability.ITEMS,
    **hosts.ITEMS,
    **lanes.ITEMS,
    **limits.ITEMS,
    **mixture.ITEMS,
    **parks.ITEMS,
    **query.ITEMS,
    **api.ITEMS,
    **tails.ITEMS,
}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("item", nargs="*", choices=[*ITEMS, []])
    options.add_argument("--seed", type=int, default=random.randrange(10**6))
    asked = options.parse_args()
    for name in asked.item or ITEMS:
        print(f"{name} (seed {asked.seed}) ...", flush=True)
        item, chance = ITEMS[name], random.Random(asked.seed)
        if isinstance(item, Alone):
            print(f"{name}: {item.run(chance)}", flush=True)
            continue
        with platform(*item.up, **item.settings) as stack:
            print(f"{name}: {item.run(stack, chance)}", flush=True)


if __name__ == "__main__":
    main()
