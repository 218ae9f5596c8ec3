"""`codeai rollback`: ends a parked run; what it did is undone."""

from __future__ import annotations

from codeai.cli.client import connect
from codeai.cli.commands import new
from codeai.cli.options import AsOutput, Url
from codeai.cli.telling import Comment, Fibre, ParkedRun, parked_run, tell
from codeai.cli.terminal import Output

app = new()


@app.command()
def rollback(
    id: ParkedRun = None,
    fibre: Fibre = None,
    comment: Comment = None,
    output: AsOutput = Output.TABLE,
    url: Url = None,
) -> None:
    """Ends a parked run: what it did is undone, last first, and it has failed.

    Example: codeai rollback --comment "not today"
    """
    api = connect(url)
    tell(api, parked_run(api, id), "rollback", output, fibre=fibre, comment=comment)
