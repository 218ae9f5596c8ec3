"""Writes every page: `make reference`."""

from __future__ import annotations

from tests.reference.pages import FOLDER, PAGES, file, text

FOLDER.mkdir(parents=True, exist_ok=True)
for name in PAGES:
    file(name).write_text(text(name), encoding="utf-8")
    print(file(name).relative_to(FOLDER.parent.parent))
