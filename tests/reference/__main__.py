"""Writes every page, and the grammar of editors: `make reference`."""

from __future__ import annotations

from tests.reference import grammar
from tests.reference.pages import FOLDER, PAGES, file, text
from tests.tree import ROOT

FOLDER.mkdir(parents=True, exist_ok=True)
written = {file(name): text(name) for name in PAGES} | {grammar.FILE: grammar.grammar()}
for path, content in written.items():
    path.write_text(content, encoding="utf-8")
    print(path.relative_to(ROOT))
