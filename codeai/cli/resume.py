"""`codeai resume`: lets a paused run go on."""

from __future__ import annotations

from codeai.cli.client import connect
from codeai.cli.commands import new
from codeai.cli.newest import RunId, run_id
from codeai.cli.options import AsOutput, Url
from codeai.cli.telling import Comment, tell
from codeai.cli.terminal import Output

app = new()


@app.command()
def resume(
    id: RunId = None, comment: Comment = None, output: AsOutput = Output.TABLE, url: Url = None
) -> None:
    """Lets a paused run go on.

    Example: codeai resume
    """
    api = connect(url)
    tell(api, run_id(api, id), "resume", output, comment=comment)
