"""`codeai abort`: stops a run without undo."""

from __future__ import annotations

from codeai.cli.client import connect
from codeai.cli.commands import new
from codeai.cli.newest import RunId, run_id
from codeai.cli.options import AsOutput, Url
from codeai.cli.telling import Comment, Fibre, tell
from codeai.cli.terminal import Output

app = new()


@app.command()
def abort(
    id: RunId = None,
    fibre: Fibre = None,
    comment: Comment = None,
    output: AsOutput = Output.TABLE,
    url: Url = None,
) -> None:
    """Stops a run without undo; what it did can be undone later: codeai compensate.

    Example: codeai abort --comment "wrong cluster"
    """
    api = connect(url)
    tell(api, run_id(api, id), "abort", output, fibre=fibre, comment=comment)
