"""One item of the soak: what it does on a platform of its own, and how that platform is started."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tests.platform import Platform


@dataclass(frozen=True, slots=True)
class Item:
    """`run` answers what was seen, in a line with its figures; it fails where the promise is not held."""

    run: Callable[[Platform, random.Random], str]
    up: tuple[str, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
