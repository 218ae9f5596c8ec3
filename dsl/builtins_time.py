"""Built-in functions on times and durations: bodies of the rows in `builtins.py`."""

from __future__ import annotations

import re
from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from codeai.dsl.builtins_data import number
from codeai.dsl.builtins_text import given_text, quoted
from codeai.dsl.faults import value_fault
from codeai.dsl.operators import as_string, is_number
from codeai.dsl.values import Value, scalar_text, text

_DURATION = re.compile(r"(?:([0-9]+)d)?(?:([0-9]+)h)?(?:([0-9]+)m)?(?:([0-9]+)s)?(?:([0-9]+)ms)?")
_MILLISECONDS = (86_400_000, 3_600_000, 60_000, 1_000, 1)
LONGEST = 100 * 365 * 86_400.0
"""Seconds of the longest duration: 100 years."""


def seconds(duration: str) -> float:
    """The seconds of a text such as "1h30m".

    Raises:
        Fault: kind `value_error`.
    """
    found = _DURATION.fullmatch(duration)
    if found is None or not duration or len(duration) > 60:
        raise value_fault(
            f'{quoted(duration)} is no duration: write for example "250ms", "10s", "1h30m" or "2d"'
        )
    total = sum(int(part) * unit for part, unit in zip(found.groups("0"), _MILLISECONDS, strict=True)) / 1000
    if total > LONGEST:
        raise value_fault(f"{quoted(duration)} is longer than 100 years")
    return total


def duration_of(value: Value) -> float | None:
    """The seconds of a duration as programs write it: a number of seconds or text. None: it is neither.

    Raises:
        Fault: kind `value_error`.
    """
    source = as_string(value)
    if source is not None:
        return seconds(source)
    if not is_number(value):
        return None
    if not 0 <= value <= LONGEST:
        raise value_fault(f"a duration is from 0 seconds to 100 years, not {value}")
    return float(value)


def parse_duration(s: Value) -> Value:
    return seconds(given_text("parse_duration", s))


def format_time(t: Value, layout: Value, zone: Value) -> Value:
    """strftime; by default ISO 8601 in whole seconds."""
    at = number("format_time", t)
    name = given_text("format_time", zone)
    try:
        moment = datetime.fromtimestamp(at, _zone(name))
        if layout is not None:
            return text(scalar_text(moment.strftime(given_text("format_time", layout))))
    except (OverflowError, OSError, UnicodeError, ValueError) as error:
        raise value_fault(f"format_time: {error}") from None
    made = moment.replace(microsecond=0).isoformat()
    return made.removesuffix("+00:00") + "Z" if name == "UTC" else made


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError):
        raise value_fault(f"format_time: there is no time zone {quoted(name)}") from None
