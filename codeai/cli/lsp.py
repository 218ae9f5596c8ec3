"""`codeai lsp`: the language server that editors start."""

from __future__ import annotations

import logging
import os
from typing import Annotated

import typer

from codeai.cli.commands import new
from codeai.cli.exits import Done, Exit

app = new()


@app.command()
def lsp(
    stdio: Annotated[  # noqa: ARG001 (there is no other way; editors' libraries say it nevertheless)
        bool, typer.Option("--stdio", help="On standard input and output, as always.", show_default=False)
    ] = True,
) -> None:
    """Serves an editor by the Language Server Protocol: diagnostics, hover, completion, definition, format.

    Example: codeai lsp --stdio
    """
    from codeai.lsp import serve

    if not os.environ.get("CODEAI_DEBUG"):
        logging.disable()
    with os.fdopen(os.dup(0), "rb") as incoming, os.fdopen(os.dup(1), "wb") as outgoing:
        os.dup2(2, 1)  # whatever is printed by mistake would break the protocol
        ended = serve(incoming, outgoing)
    raise Done(Exit.OK if ended else Exit.FAILED)
