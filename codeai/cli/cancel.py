"""`codeai cancel`: stops a run."""

from __future__ import annotations

from codeai.cli.client import connect
from codeai.cli.commands import new
from codeai.cli.newest import RunId, run_id
from codeai.cli.options import AsOutput, Url
from codeai.cli.telling import Comment, tell
from codeai.cli.terminal import Output

app = new()


@app.command()
def cancel(
    id: RunId = None, comment: Comment = None, output: AsOutput = Output.TABLE, url: Url = None
) -> None:
    """Stops a run now: its commands are ended, then what was done is undone.

    Example: codeai cancel --comment "the wrong branch"
    """
    api = connect(url)
    tell(api, run_id(api, id), "cancel", output, comment=comment)
