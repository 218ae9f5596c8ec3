"""Prints the house: every module with the first line of its docstring."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("codeai", "dsl", "workflows", "activities", "api", "persistence", "workers")


def job(path: Path) -> str:
    """The first line of a module's docstring."""
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    return (docstring or "").partition("\n")[0]


def modules() -> list[Path]:
    """Every module of the product, each once (the links inside `codeai/` are left out)."""
    found = []
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            if not any(parent.is_symlink() for parent in path.parents):
                found.append(path)
    return found


if __name__ == "__main__":
    for path in modules():
        lines = path.read_text(encoding="utf-8").count("\n")
        print(f"{path.relative_to(ROOT)!s:44} {lines:4}  {job(path)}")
