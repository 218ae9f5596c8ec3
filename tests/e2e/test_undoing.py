"""Undo blocks, each once: whoever dies between them, and whoever ends the run in their middle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.e2e.test_reconciling import terminate
from tests.platform import Platform, wait_until

PROGRAM = """
param file
param hold
param n = 4
for i in range(n) {
    exec { true } undo {
        echo "undo $i" >> "$file"
        while [ -e "$hold$i" ]; do sleep 0.05; done
        echo "done $i" >> "$file"
    }
}
fail("stop")
"""


class Undoing:
    """A run that undoes four steps; a block waits while its file `hold<number>` is there."""

    def __init__(self, stack: Platform, token: str, folder: Path, *held: int) -> None:
        self.stack, self.token = stack, token
        self.file, self.hold = folder / "did", folder / "hold"
        for one in held:
            self.held(one).touch()
        self.id = stack.detach(PROGRAM, "-i", f"file={self.file}", "-i", f"hold={self.hold}")

    def held(self, number: int) -> Path:
        return Path(f"{self.hold}{number}")

    def did(self) -> list[str]:
        return self.file.read_text().splitlines() if self.file.exists() else []

    def is_in(self, number: int) -> None:
        wait_until(lambda: f"undo {number}" in self.did(), 60, f"undo {number} to have begun")

    def show(self) -> dict[str, Any]:
        found: dict[str, Any] = self.stack.request("GET", f"/executions/{self.id}", token=self.token)[2]
        return found

    def is_at(self, *statuses: str) -> dict[str, Any]:
        def asked() -> dict[str, Any] | None:
            found = self.show()
            return found if found["status"] in statuses else None

        found: dict[str, Any] = wait_until(asked, 60, f"the run to be {statuses}")
        return found

    def compensate(self) -> dict[str, Any]:
        done = self.stack.command("compensate", self.id)
        assert done.returncode == 0, done.stderr
        return self.is_at("compensated")


def blocks(*numbers: int) -> list[str]:
    return [f"{word} {number}" for number in numbers for word in ("undo", "done")]


def test_each_block_runs_once_though_the_worker_is_killed_between_and_in_them(
    stack: Platform, token: str, tmp_path: Path
) -> None:
    run = Undoing(stack, token, tmp_path, 3, 1)
    for number in (3, 1):
        run.is_in(number)
        stack.kill("worker")
        run.held(number).unlink()
    ended = run.is_at("failed")
    assert (ended["error"]["message"], ended["undo_failed"]) == ("stop", [])
    assert run.did() == blocks(3, 2, 1, 0)


def test_an_abort_between_blocks_leaves_the_others_to_compensate(
    stack: Platform, token: str, tmp_path: Path
) -> None:
    run = Undoing(stack, token, tmp_path, 2)
    run.is_in(2)
    assert stack.command("abort", run.id).returncode == 0
    run.held(2).unlink()
    run.is_at("failed")
    assert run.did() == blocks(3, 2)
    assert run.compensate()["undo_failed"] == []
    assert run.did() == blocks(3, 2, 1, 0)
    again = stack.command("compensate", run.id)
    assert again.returncode == 1 and "compensated already" in again.stderr


def test_a_run_that_is_terminated_while_it_undoes_is_undone_by_compensate(
    stack: Platform, token: str, tmp_path: Path
) -> None:
    """Ended by force in its first block, and in a later one: what has been undone is not undone again, the block that
    was killed is."""
    for at, before in ((3, []), (1, blocks(3, 2))):
        folder = tmp_path / str(at)
        folder.mkdir()
        run = Undoing(stack, token, folder, at)
        run.is_in(at)
        terminate(stack, run.id)
        assert run.is_at("failed")["error"]["kind"] == "terminated"
        steps = f"/executions/{run.id}/steps?limit=100"
        wait_until(
            lambda: all(
                step["status"] != "running"
                for step in stack.request("GET", steps, token=token)[2]["items"]  # noqa: B023
            ),
            60,
            "the block to be killed",
        )
        run.held(at).unlink()
        refused = stack.command("retry", run.id)
        assert refused.returncode == 1 and "undo blocks" in refused.stderr
        assert run.compensate()["undo_failed"] == []
        assert run.did() == [*before, f"undo {at}", *blocks(*range(at, -1, -1))]


def test_compensate_at_once_takes_up_the_block_that_still_runs(
    stack: Platform, token: str, tmp_path: Path
) -> None:
    run = Undoing(stack, token, tmp_path, 2)
    run.is_in(2)
    terminate(stack, run.id)
    assert stack.request("POST", f"/executions/{run.id}/compensate", token=token)[0] == 202
    run.held(2).unlink()
    assert run.is_at("compensated")["undo_failed"] == []
    assert run.did() == blocks(3, 2, 1, 0)


PARKS = """
param file
exec { echo one >> "$file" } undo { echo "unmade one" >> "$file" }
exec { false } undo { echo "undone" >> "$file" }
exec { echo three >> "$file" } undo { echo "unmade three" >> "$file" }
exec { echo four >> "$file"; sleep 600 } undo { echo "unmade four" >> "$file" }
"""


@pytest.mark.parametrize("word", ["compensate", "retry"])
def test_a_run_that_went_on_after_what_was_kept_of_it_and_was_terminated_is_not_taken_up(
    stack: Platform, token: str, tmp_path: Path, word: str
) -> None:
    """It was kept when it parked: two more steps have begun, and their results are not taken for those of others."""
    file = tmp_path / "did"
    id = stack.detach(PARKS, "-i", f"file={file}", "--failure-policy", "park")
    wait_until(lambda: stack.command("skip", id).returncode == 0, 60, "the run to be parked")
    wait_until(lambda: "four" in file.read_text(), 60, "the last step to have begun")
    terminate(stack, id)
    stack.ended(id, token)
    refused = stack.command(word, id)
    assert refused.returncode == 1 and "knows its steps up to 2; those up to 4 have begun" in refused.stderr
    assert file.read_text().split() == ["one", "three", "four"]


def test_a_command_that_was_killed_with_its_run_is_done_again_by_retry(
    stack: Platform, token: str, tmp_path: Path
) -> None:
    """What was kept knows its first attempt only: the second one, which was killed, is not taken for the third."""
    file = tmp_path / "did"
    tries = 'exec { echo "$CODEAI_ATTEMPT" >> "$file"; [ "$CODEAI_ATTEMPT" != 2 ] || sleep 600; [ -e "$file.ok" ]; }'
    id = stack.detach(f"param file\n{tries}", "-i", f"file={file}", "--failure-policy", "park")
    wait_until(lambda: stack.command("retry", id).returncode == 0, 60, "the run to be parked")
    wait_until(lambda: file.read_text().split() == ["1", "2"], 60, "the second attempt")
    terminate(stack, id)
    stack.ended(id, token)
    Path(f"{file}.ok").touch()

    def killed() -> bool:
        [step] = stack.request("GET", f"/executions/{id}/steps", token=token)[2]["items"]
        return bool(step["status"] == "cancelled")

    wait_until(killed, 60, "the second attempt to be killed")
    again = stack.command("retry", id)
    assert again.returncode == 0, again.stderr
    assert file.read_text().split() == ["1", "2", "3"]


@pytest.mark.parametrize("word", ["compensate", "retry"])
def test_a_terminated_run_of_which_nothing_was_kept_is_refused_with_the_reason(
    stack: Platform, token: str, tmp_path: Path, word: str
) -> None:
    file = tmp_path / "did"
    id = stack.detach(PARKS.replace("exec { false }", "exec { true }"), "-i", f"file={file}")
    wait_until(lambda: file.exists() and "four" in file.read_text(), 60, "the last step to have begun")
    terminate(stack, id)
    stack.ended(id, token)
    refused = stack.command(word, id)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "no state of this run was kept" in refused.stderr and "start it anew" in refused.stderr
    shown = stack.request("GET", f"/executions/{id}", token=token)[2]
    assert (shown["status"], shown["error"]["kind"]) == ("failed", "terminated")
    # Where it stood and what it did is shown all the same.
    stood = stack.request("GET", f"/executions/{id}/state", token=token)[2]
    assert (stood["status"], len(stood["fibres"])) == ("failed", 1), stood
    traced = stack.request("GET", f"/executions/{id}/trace", token=token)[2]
    assert traced["items"][-1]["kind"] == "ask" and not traced["complete"] and traced["cut"], traced
