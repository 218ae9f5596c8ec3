"""`codeai reject`: says no to a run that waits for a person."""

from __future__ import annotations

from codeai.cli.client import connect
from codeai.cli.commands import new
from codeai.cli.options import AsOutput, Url
from codeai.cli.telling import Comment, Step, Waiting, tell, waiting_run
from codeai.cli.terminal import Output

app = new()


@app.command()
def reject(
    id: Waiting = None,
    step: Step = None,
    comment: Comment = None,
    output: AsOutput = Output.TABLE,
    url: Url = None,
) -> None:
    """Says no to a run that waits for a person: an error of kind `rejected` in its program.

    Example: codeai reject --comment "not on a Friday"
    """
    api = connect(url)
    tell(api, waiting_run(api, id), "reject", output, step=step, comment=comment)
