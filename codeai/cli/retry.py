"""`codeai retry`: the failed statement of a run again."""

from __future__ import annotations

from codeai.cli.client import connect
from codeai.cli.commands import new
from codeai.cli.newest import run_id
from codeai.cli.options import AsOutput, Url
from codeai.cli.reopening import Detach, go_on
from codeai.cli.telling import Comment, Fibre, ParkedOrFailed, newest_of
from codeai.cli.terminal import Output

app = new()


@app.command()
def retry(
    id: ParkedOrFailed = None,
    fibre: Fibre = None,
    comment: Comment = None,
    detach: Detach = False,
    output: AsOutput = Output.TABLE,
    url: Url = None,
) -> None:
    """Does the failed statement again: of a parked run, or of one that has failed, which is followed then.

    Example: codeai retry --comment "the disk is empty again"
    """
    api = connect(url)
    run = run_id(api, newest_of(api, "parked", "failed") if id is None else id)
    again = f"codeai retry {run}"
    go_on(api, run, "retry", output, again=again, detach=detach, fibre=fibre, comment=comment)
