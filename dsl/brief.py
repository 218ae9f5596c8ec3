"""Values as people see them, cut where they are large; what is cut says how much there was."""

from __future__ import annotations

from typing import Any

from codeai.dsl.values import HIDDEN, ErrorValue, ExecValue, SecretHandle, Value, text_size

LONGEST = 1000
"""About how many characters of a value are shown."""


def brief(value: Value, longest: int = LONGEST) -> Any:
    """Plain JSON data for people, as `to_result` gives it: of a long text its beginning, of a large array or map
    its first items."""
    return _cut(value, [longest])


def _cut(value: Any, room: list[int]) -> Any:
    if isinstance(value, SecretHandle):
        return HIDDEN
    if isinstance(value, ExecValue):
        value = value.stdout
    elif isinstance(value, ErrorValue):
        value = value.fields()
    if isinstance(value, str):
        return _text(value, room)
    room[0] -= 4
    if isinstance(value, list):
        items: list[Any] = []
        for item in value:
            if room[0] <= 0:
                items.append(f"… {len(value) - len(items)} more")
                break
            items.append(_cut(item, room))
        return items
    if isinstance(value, dict):
        entries: dict[str, Any] = {}
        for key, item in value.items():
            if room[0] <= 0:
                entries["…"] = f"{len(value) - len(entries)} more"
                break
            entries[_text(key, room)] = _cut(item, room)
        return entries
    return value


def _text(text: str, room: list[int]) -> str:
    most = max(room[0], 20)
    room[0] -= len(text) + 4
    return text if len(text) <= most else f"{text[:most]}… ({text_size(text)} bytes)"
