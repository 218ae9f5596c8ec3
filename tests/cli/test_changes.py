"""Changes by the command line: it waits for one that takes its time, and overwrites nothing that it has not seen.
Breaks if a busy platform makes `codeai configs create` fail of what was done, or two people's updates meet unseen."""

from __future__ import annotations

import json
import os
import signal

from codeai.cli.client import Api
from tests.platform import Platform, wait_until


def test_a_change_that_takes_its_time_is_waited_for(stack: Platform) -> None:
    path = stack.write("later.cai", "return 1\n")
    worker, token = stack.child("worker"), stack.token

    def asked_what_became_of_it() -> bool:
        return 'path="/operations/{id}"' in str(stack.request("GET", "/metrics", token=token)[2])

    os.kill(worker, signal.SIGSTOP)
    try:
        creating = stack.start("configs", "create", "later", str(path), "--output", "json")
        wait_until(asked_what_became_of_it, 60, "the command to ask what became of the change")
    finally:
        os.kill(worker, signal.SIGCONT)
    out, err = creating.communicate(timeout=60)
    assert creating.returncode == 0, err
    assert json.loads(out)["name"] == "later"


def test_an_update_of_a_deployment_says_which_one_it_is_of(stack: Platform) -> None:
    assert stack.command("deployments", "create", "seen").returncode == 0
    answer = Api(stack.url, stack.token).ask("GET", "/deployments/seen")
    assert answer.headers["ETag"] == answer.headers["etag"] == '"1"'
