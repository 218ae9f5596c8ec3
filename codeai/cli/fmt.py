"""`codeai fmt`: programs in their one canonical layout."""

from __future__ import annotations

import difflib
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer

from codeai.cli.commands import new
from codeai.cli.exits import Done, Exit, Stop
from codeai.cli.files import read_all
from codeai.cli.options import AsOutput
from codeai.cli.terminal import Output, put_json, visible

app = new()


@app.command()
def fmt(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Programs; - is standard input.")],
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; end with 1 where it would.")
    ] = False,
    diff: Annotated[bool, typer.Option("--diff", help="Change nothing; show what would be changed.")] = False,
    output: AsOutput = Output.TABLE,
) -> None:
    """Rewrites programs in the canonical layout; comments stay where they are.

    Example: codeai fmt --check *.cai
    """
    from codeai.dsl.diagnostics import Source, render_text, to_json
    from codeai.dsl.format import format_source

    code = Exit.OK
    told: list[dict[str, Any]] = []
    read, unread = read_all(files)
    for file, data in read:
        formatted = format_source(data)
        changes = formatted.text is not None and formatted.text.encode() != data
        told.append({"file": str(file), "changes": changes, "diagnostics": to_json(formatted.diagnostics)})
        if formatted.text is None:
            text = render_text(formatted.diagnostics, Source(data.decode("utf-8", "replace")), str(file))
            print(visible(text), end="", file=sys.stderr)
            code = Exit.FAILED
        elif str(file) == "-" and not (check or diff):
            if output is Output.TABLE:
                print(formatted.text, end="")
            told[-1]["content"] = formatted.text
        elif changes:
            if diff and output is Output.TABLE:
                _put_diff(data.decode("utf-8"), formatted.text, file)
            elif check:
                rewrite = "" if str(file) == "-" else f"; rewrite it with: codeai fmt {file}"
                print(f"{file}: not in the canonical layout{rewrite}", file=sys.stderr)
            elif not diff:
                _rewrite(file, formatted.text)
            code = Exit.FAILED if check else code
    if output is Output.JSON:
        put_json({"items": told})
    if unread is not None:
        raise unread
    raise Done(code)


def _put_diff(before: str, after: str, file: Path) -> None:
    lines = difflib.unified_diff(
        before.splitlines(keepends=True), after.splitlines(keepends=True), str(file), str(file)
    )
    for line in lines:
        print(visible(line if line.endswith("\n") else line + "\n\\ No newline at end of file\n"), end="")


def _rewrite(file: Path, text: str) -> None:
    """All of it or nothing, with the mode that the file has. Raises Stop."""
    target = file.resolve()
    try:
        with tempfile.NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}.", delete=False) as made:
            made.write(text.encode())
        try:
            Path(made.name).chmod(target.stat().st_mode & 0o7777)
            Path(made.name).replace(target)
        except OSError:
            Path(made.name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise Stop(f"{file}: cannot be written: {error.strerror or error}") from None
