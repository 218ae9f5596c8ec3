"""What a command may do to its host: fifty descendants that will not end, twenty floods of output at once."""

from __future__ import annotations

import json
import random
import threading
import time
from datetime import datetime
from pathlib import Path
from urllib.request import Request, urlopen

from codeai.activities.shell.formats import with_marks
from tests.platform import Platform, wait_until
from tests.soak.item import Item

GRACE = 3.0
FIFTY = """
exec(grace: "3s", timeout: "10m") {
    trap 'date +%s.%N >> heard' TERM
    for n in {1..17}; do
        (trap "" TERM; sleep 700) &
        (trap "" TERM; setsid sleep 700 &) &
        setsid bash -c 'trap "" TERM; (sleep 700 &); wait; sleep 700' &
    done
    echo on; while :; do sleep 1 || :; done
}
"""
FLOOD = """
exec(timeout: "10m") { echo first; sleep 2; head -c 50000000 /dev/zero | tr '\\0' x | fold -w 200; echo last }
"""
FLOODS = 20


def fifty(stack: Platform, _: random.Random) -> str:
    """Cancel of a step with fifty descendants that trap SIGTERM: all gone within the grace and a second."""
    id = stack.detach(FIFTY)
    mark = [f"CODEAI_EXECUTION_ID={id}"]
    wait_until(lambda: len(with_marks(mark)) > 50, 60, "fifty descendants")
    count, began = len(with_marks(mark)), time.time()
    status, _, _ = stack.request("POST", f"/executions/{id}/cancel", token=stack.token)
    assert status < 300, status
    wait_until(lambda: not with_marks(mark), 60, "the end of all of them")
    gone = time.time()
    assert stack.ended(id, stack.token)["status"] == "cancelled"
    heard = float((stack.data / "workspaces" / "runs" / id / "work" / "heard").read_text().split()[0])
    assert gone - began < GRACE + 1, (heard - began, gone - began)
    return (
        f"{count} processes gone {gone - began:.2f} s after the cancel was asked for, with a grace of {GRACE:g} s; "
        f"the first SIGTERM came after {heard - began:.2f} s"
    )


def floods(stack: Platform, _: random.Random) -> str:
    """Twenty runs that print 50 MB each at once: the worker's memory stays small, the tail is there at once."""
    token, worker = stack.token, stack.child("worker")
    most, over = [0], threading.Event()

    def watch() -> None:
        while not over.wait(0.1):
            pages = int(Path(f"/proc/{worker}/statm").read_text().split()[1])
            most[0] = max(most[0], pages * 4096)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        ids = [stack.detach(FLOOD) for _ in range(FLOODS)]
        ends = [stack.ended(id, token, 600) for id in ids]
    finally:
        over.set()
        watcher.join()
    assert [one["status"] for one in ends] == ["complete"] * FLOODS, ends
    assert stack.child("worker") == worker, "the worker is the same"
    waits = [_until_first_line(stack, id, token) for id in ids]
    assert most[0] < 300 << 20, most
    assert max(waits) < 1.0, waits
    return (
        f"{FLOODS} runs of 50 MB: the worker had at most {most[0] >> 20} MiB, "
        f"the first line was written at most {max(waits):.2f} s after its step's begin"
    )


def _until_first_line(stack: Platform, id: str, token: str) -> float:
    """Seconds from the step's begin to its first line in the log; reads the whole log, as a follower does, which ends
    with the mark."""
    _, _, steps = stack.request("GET", f"/executions/{id}/steps", token=token)
    url = f"{stack.url}/executions/{id}/logs?follow=true"
    lines, last = [], 0
    with urlopen(Request(url, headers={"Authorization": f"Bearer {token}"}), timeout=120) as stream:
        for raw in stream:
            if raw.startswith(b'data: {"offset"'):
                line = json.loads(raw[6:])
                assert line["offset"] > last
                last = line["offset"]
                lines.append((line["stream"], line["time"], len(line["text"])))
    assert lines[-1][0] == "system" and 9 << 20 < sum(size for *_, size in lines) <= 11 << 20
    began, first = (_seconds(text) for text in (steps["items"][0]["started_at"], lines[0][1]))
    return first - began


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


ITEMS = {
    "fifty": Item(fifty),
    "floods": Item(floods, settings={"CODEAI_WORKER_COMMANDS_AT_ONCE": str(FLOODS)}),
}
