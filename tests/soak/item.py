"""One item of the soak: what it does, and how the platform that it has for itself is started."""

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


@dataclass(frozen=True, slots=True)
class Alone:
    """An item that needs no platform."""

    run: Callable[[random.Random], str]
