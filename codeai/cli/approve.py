"""`codeai approve`: lets a run go on that waits for a person."""

from __future__ import annotations

from codeai.cli.client import connect
from codeai.cli.commands import new
from codeai.cli.options import AsOutput, Url
from codeai.cli.telling import Comment, Step, Waiting, tell, waiting_run
from codeai.cli.terminal import Output

app = new()


@app.command()
def approve(
    id: Waiting = None,
    step: Step = None,
    comment: Comment = None,
    output: AsOutput = Output.TABLE,
    url: Url = None,
) -> None:
    """Lets a run go on that waits for a person.

    Example: codeai approve --comment "looks good"
    """
    api = connect(url)
    tell(api, waiting_run(api, id), "approve", output, step=step, comment=comment)
