"""A setting as a row of the table: what it is, how it is read, and which names it has."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from codeai.settings_values import text

Value = TypeVar("Value")


def setting(
    default: Value,
    help: str,
    read: Callable[[object], Value] | Callable[[object], Any] = text,
    *names: str,
    secret: bool = False,
    from_file: bool = False,
    private_file: bool = False,
    none: str = "",
) -> Value:
    """A setting: its default, what it is, how it is read, its names in the environment where they are not
    CODEAI_SECTION_KEY (the first one given wins), whether it is shown, whether NAME_FILE may name a file,
    whether that must be readable by its owner only, the word for None."""
    about = {
        "help": help,
        "read": read,
        "names": names,
        "secret": secret,
        "from_file": from_file or private_file,
        "private_file": private_file,
        "none": none,
    }
    return field(default=default, metadata=about, repr=not secret)


@dataclass(frozen=True, slots=True)
class Row:
    """One setting, as the table has it."""

    section: str
    key: str
    default: object
    help: str
    read: Callable[[object], object]
    names: tuple[str, ...]
    secret: bool
    from_file: bool
    private_file: bool
    none: str

    @property
    def path(self) -> str:
        return f"{self.section}.{self.key}"


def rows_of(sections: Mapping[str, type[Any]]) -> tuple[Row, ...]:
    """Every setting of these sections."""
    rows = []
    for section, shape in sections.items():
        for each in dataclasses.fields(shape):
            about = dict(each.metadata)
            about["names"] = about["names"] or (f"CODEAI_{section}_{each.name}".upper(),)
            rows.append(Row(section, each.name, each.default, **about))
    return tuple(rows)
