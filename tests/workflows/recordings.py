"""The runs of ExecuteDeployment whose histories are stored: programs, and what each run is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from temporalio.client import WorkflowHandle

MENDED = 'param n = 2\nexec { echo once } undo { echo unmade }\nvar tag = "v${n}"\nreturn str(exec { echo "$tag" })\n'
"""With which a parked run goes on."""


@dataclass(frozen=True, slots=True)
class Tell:
    """An update or a signal to a run, when its status is `when`."""

    how: Literal["update", "signal"]
    name: str
    when: str
    given: Mapping[str, Any] = field(default_factory=dict)
    line: int | None = None
    """Of a run that is parked: where."""

    async def is_time(self, handle: WorkflowHandle[Any, Any]) -> bool:
        state = await handle.query("state")
        at = {one["line"] for one in state.get("fibres", ()) if one["waits"] == "parked"}
        return bool(state["status"] == self.when and (self.line is None or self.line in at))


@dataclass(frozen=True, slots=True)
class Recording:
    """One run to be kept: a program's text (or any other input), what it is told, and when it is cancelled."""

    program: str | None
    more: Mapping[str, Any] = field(default_factory=dict)
    cancel_at: int | None = None
    """The number of the step during which the run is cancelled."""
    tells: tuple[Tell, ...] = ()
    again: Literal["compensate", "retry", "patch"] | None = None
    """The run that is this command to the ended one is kept instead."""
    patched: str | None = None
    """With which program it goes on."""
    through_us: bool = False
    """Started as the API does, with its search attributes; else by Temporal alone."""


RECORDINGS: dict[str, Recording] = {
    "straight_line": Recording(
        """
        param who
        var greeting = exec { printf 'hello %s' "$who" }
        exec { echo "$greeting" > note }
        var seen = exec(retry: 1, backoff: 0, check: false) { cat note; exit 3 }
        return {"said": str(seen), "code": seen.exit_code, "attempts": seen.attempt}
        """,
        {"inputs": {"who": "you"}, "triggered_by": "somebody"},
    ),
    "failure_with_undo": Recording(
        """
        var name = "first"
        var made = exec { echo "made $name" } undo { echo "unmade $name, was $made" }
        exec { echo kept } undo(retry: 0) { echo "cannot"; exit 4 }
        exec { echo "no disk" >&2; exit 7 }
        """
    ),
    "failure_without_undo": Recording(
        'exec { true } undo { echo never }\nfail("stop")', {"failure_policy": "fail"}
    ),
    "caught": Recording(
        """
        var why = ""
        try { exec { exit 5 } } catch problem { why = problem.kind }
        return why
        """,
        through_us=True,
    ),
    "cancel_with_undo": Recording(
        """
        exec { true } undo { echo unmade }
        exec { sleep 600 }
        """,
        cancel_at=2,
    ),
    "parallel_with_limit": Recording(
        """
        var found = parallel(limit: 2) for n in [1, 2, 3, 4] {
            sleep("10ms")
            return exec { echo $((n * n)) }
        }
        return found
        """
    ),
    "parallel_that_fails": Recording(
        """
        parallel for seconds in [0, 600] {
            exec { sleep "$seconds"; exit 6 } undo { echo unmade }
        }
        """
    ),
    "loop_over_two_runs": Recording(
        """
        var n = 0
        while n < 14 {
            exec { echo "$n" } undo { echo "unmade $n" }
            n += 1
        }
        return n
        """
    ),
    "handed_over_command": Recording(
        """
        return parallel(limit: 2) for n in range(20) {
            return exec { if [ "$n" = 0 ]; then sleep 4; fi; echo "$n" }
        }
        """
    ),
    "undo_over_two_runs": Recording(
        """
        for n in range(7) { exec { echo "$n" } undo { echo "unmade $n" } }
        fail("enough")
        """
    ),
    "pure_effects": Recording(
        """
        var begun = now()
        sleep("20ms")
        log("warn", "slept")
        set_status("nearly there")
        return {"later": now() >= begun, "uuid": len(uuid()), "random": random() < 1.0}
        """
    ),
    "slices": Recording("var n = 0\nwhile n < 30000 { n += 1 }\nreturn n"),
    "refused_inputs": Recording("param who\nparam times = 1\nreturn who", {"inputs": {"times": "many"}}),
    "refused_program": Recording("return nobody"),
    "parked_and_retried": Recording(
        """
        var n = 3
        exec { echo "$n" >> tries; exit "$n" } undo { echo unmade }
        var said = parallel for divisor in [0, 2] { return 6 / divisor }
        return said
        """,
        {"failure_policy": "park"},
        tells=(
            Tell("update", "retry", "parked"),
            Tell("signal", "set", "parked", {"name": "n", "value": 0, "by": "ann", "comment": "mended"}),
            Tell("signal", "retry", "parked"),
            Tell("update", "skip", "parked", {"fibre": 2, "value": "none"}, line=4),
        ),
    ),
    "parked_over_two_runs": Recording(
        """
        for n in range(9) { exec { echo "$n" } undo { echo "unmade $n" } }
        exec { exit 1 }
        for n in range(4) { exec { echo "$n" } }
        fail("enough")
        """,
        {"failure_policy": "park"},
        tells=(
            *(Tell("update", "retry", "parked", line=3) for _ in range(3)),
            Tell("update", "skip", "parked", line=3),
            Tell("update", "rollback", "parked", line=5),
        ),
    ),
    "nobody_came": Recording("return 1 / 0", {"failure_policy": "park", "park_timeout": 0.2}),
    "aborted_in_its_undo": Recording(
        """
        exec { true } undo { echo never }
        exec { true } undo { sleep 2 }
        fail("stop")
        """,
        tells=(Tell("signal", "abort", "undoing", {"by": "ann"}),),
    ),
    "retried": Recording(
        """
        exec { true } undo { echo unmade }
        exec { [ -e mended ] || { touch mended; exit 5; } }
        return "done"
        """,
        {"failure_policy": "fail"},
        again="retry",
    ),
    "patched": Recording(
        """
        exec { true } undo { echo unmade }
        exec { exit 5 }
        """,
        {"failure_policy": "fail"},
        again="patch",
        patched='exec { true } undo { echo unmade }\nreturn "done"\n',
    ),
    "parked_and_patched": Recording(
        """
        param n = 2
        exec { echo once } undo { echo unmade }
        exec { exit 7 }
        """,
        {"failure_policy": "park"},
        tells=(
            Tell("signal", "patch", "parked", {"program": "return 1"}),
            Tell("update", "patch", "parked", {"program": MENDED, "by": "ann"}),
        ),
    ),
    "not_an_input": Recording(None, {"nothing": 1}),
    "approved": Recording(
        """
        var said = approve("Ship?", role: "editor", timeout: "1h")
        return [said.by, said.comment, exec { echo shipped }]
        """,
        tells=(Tell("update", "approve", "waiting", {"by": "ann", "comment": "fine"}),),
    ),
    "rejected": Recording(
        """
        exec { true } undo { echo unmade }
        approve("Ship?")
        """,
        tells=(
            Tell("signal", "approve", "waiting", {"step": 7}),
            Tell("signal", "reject", "waiting", {"by": "ann"}),
        ),
    ),
    "nobody_decided": Recording('return approve("Ship?", timeout: "50ms", check: false)'),
    "paused": Recording(
        """
        for n in range(3) { exec { sleep 0.3; echo "$n" } }
        return "done"
        """,
        tells=(Tell("signal", "pause", "running"), Tell("update", "resume", "paused")),
    ),
    "awaited_event": Recording(
        """
        var found = parallel for who in ["waits", "tells"] {
            if who == "waits" { return wait_event("custom.recorded", where: {n: 1}, timeout: "1m").data }
            sleep("300ms")
            return type(emit("custom.recorded", {n: 1, more: true}))
        }
        try { wait_event("custom.never", timeout: "50ms") } catch e { found += [e.kind] }
        return found
        """
    ),
    "children": Recording(
        """
        var made = run("recorded-child", inputs: {n: 1})
        try { run("recorded-child", inputs: {n: 0}) } catch e { log(e.message) }
        fail("undo " + made)
        """
    ),
    "compensated": Recording(
        """
        exec { echo made } undo { echo unmade }
        return run("recorded-child", inputs: {n: 2})
        """,
        again="compensate",
    ),
    "request_refused": Recording(
        """
        try { http("GET", "http://127.0.0.1:9/") } catch e { return e.kind }
        """
    ),
    "unknown_secret": Recording(
        """
        var token = secret("nothing")
        try { exec { echo "$token" } } catch e { return e.kind }
        """
    ),
}
"""The runs of ExecuteDeployment (★), by the name of their file."""
CHILD = 'param n\nexec { echo "$n" } undo { echo "unmade $n" }\nif n == 0 { fail("nothing") }\nreturn "child ${n}"'
