"""`codeai pause`: holds a run."""

from __future__ import annotations

from codeai.cli.client import connect
from codeai.cli.commands import new
from codeai.cli.newest import RunId, run_id
from codeai.cli.options import AsOutput, Url
from codeai.cli.telling import Comment, tell
from codeai.cli.terminal import Output

app = new()


@app.command()
def pause(
    id: RunId = None, comment: Comment = None, output: AsOutput = Output.TABLE, url: Url = None
) -> None:
    """Holds a run: what is under way ends, and nothing else begins until it is resumed.

    Example: codeai pause --comment "the freeze begins"
    """
    api = connect(url)
    tell(api, run_id(api, id), "pause", output, comment=comment)
