"""Secrets from the command line to the command: it has them, and they stand nowhere else."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import re
import uuid
import zlib
from pathlib import Path
from typing import Any
from urllib.parse import quote

import asyncpg
import pytest

from codeai import sealing
from tests.e2e.histories import histories
from tests.e2e.test_events import temporal
from tests.platform import Platform, wait_until
from tests.tree import ROOT

pytestmark = pytest.mark.stack

KEY = "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\nBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj\n-----END KEY-----"


def forms(value: str) -> dict[str, bytes]:
    """How a leak would most likely look."""
    found = {"plain": value, "url": quote(value, safe=""), "json": json.dumps(value)[1:-1]}
    encoded = {name: text.encode() for name, text in found.items()}
    for offset in range(3):
        inner = base64.b64encode(b"\0" * offset + value.encode())
        encoded[f"base64 at {offset}"] = inner[4:-4]
    return encoded


def places(stack: Platform, wanted: bytes) -> list[str]:
    """The files below the platform's folder that hold `wanted`: Postgres with its log, Temporal's database, spools,
    workspaces, what the processes log."""
    found = []
    for path in stack.folder.rglob("*"):
        if path.is_file() and wanted in _read(path):
            found.append(str(path.relative_to(stack.folder)))
    return found


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:  # it went while we looked
        return b""


def keep(stack: Platform, value: str, *words: str, name: str | None = None) -> str:
    name = name or f"e2e_{uuid.uuid4().hex}"
    done = stack.command("secrets", "set", name, *words, data=value)
    assert done.returncode == 0, done.stderr
    return name


def test_a_secret_stands_in_no_file_of_the_platform(stack: Platform, token: str) -> None:
    value, mark = f"S3cr3t+{uuid.uuid4().hex}/=1", uuid.uuid4().hex
    name, key = keep(stack, value + "\n"), keep(stack, KEY)
    program = f"""
        var mark = "{mark}"
        var s = secret("{name}")
        var key = secret("{key}")
        log("the secret is " + s)
        set_status("with " + s)
        exec {{ echo "plain $s $mark"; printf %s "u:$s" | base64; printf '{{"t":"%s"}}' "$s"; echo "$key" >&2 }}
        var piece = exec {{ printf "${{s:0:9}}"; sleep 0.3; printf %s "${{s:9}}" }}.stdout
        exec(env: {{AUTH: "Bearer " + s}}, files: {{"id.key": key, conf: "t=" + s}}) {{
            cat "$CODEAI_FILES/conf" "$CODEAI_FILES/id.key"; env | grep AUTH
        }} undo {{ echo "undone with $s"; echo "$AUTH" }}
        var all = parallel for n in [1, 2, 3] {{ return exec {{ echo "$n $s" }}.stdout }}
        log("${{all}} ${{piece}}")
        exec(retry: 1, backoff: "100ms") {{ echo "broken: $s" >&2; exit 7 }}
    """
    ended = stack.run(program)
    assert (ended["status"], ended["error"]["kind"]) == ("failed", "exec_failed"), ended
    assert ended["error"]["stderr"] == "broken: ***"
    id = ended["execution_id"]
    _, _, steps = stack.request("GET", f"/executions/{id}/steps?limit=100", token=token)
    outputs = [step["stdout"] for step in steps["items"]]
    assert any((text or "").startswith(f"plain *** {mark}") for text in outputs)
    assert "t=******AUTH=Bearer ***" in outputs and "undone with ***\nBearer ***" in outputs
    logged = stack.command("logs", id)
    assert logged.stderr.startswith("***\n") and '["1 ***","2 ***","3 ***"] ***' in logged.stderr
    said = [logged.stdout + logged.stderr, json.dumps(ended), json.dumps(steps)]
    for path in (
        f"/executions/{id}",
        f"/executions/{id}/state",
        f"/executions/{id}/trace",
        "/secrets",
        "/events",
    ):
        said.append(json.dumps(stack.request("GET", path, token=token)[2]))
    assert places(stack, mark.encode()), "what is no secret is found"
    for secret in (value, KEY):
        for form, wanted in forms(secret).items():
            assert places(stack, wanted) == [], f"{form} of a secret"
            assert wanted.decode() not in "".join(said), form
    for line in KEY.splitlines():
        assert places(stack, line.encode()) == []


def test_the_guide_shows_what_its_program_prints(stack: Platform) -> None:
    keep(stack, "npm_0123456789", name="npm")
    guide = (ROOT / "docs" / "secrets.md").read_text(encoding="utf-8")
    program, shown = re.search(r"^```cai\n(.*?)```\n+```text\n(.*?)```$", guide, re.M | re.S).groups()  # type: ignore[union-attr]
    file = stack.write("secrets.cai", program)
    done = stack.command("run", str(file), "--workspace", "none")
    assert (done.returncode, done.stdout) == (0, shown), done.stderr


def test_a_worker_that_adopts_a_command_shows_no_secret_either(stack: Platform, token: str) -> None:
    value = f"S3cr3t-{uuid.uuid4().hex}"
    id = stack.detach(
        f"""
        var s = secret("{keep(stack, value)}")
        exec {{ echo "before $s"; while [ ! -e go ]; do sleep 0.05; done; echo "after $s"; printf "$s" > kept }}
        exec {{ cat kept; echo " of an earlier step" }}
        """
    )

    def log() -> str:
        return stack.command("logs", id).stdout

    wait_until(lambda: "before ***" in log(), 60, "the step's first line")
    stack.kill("worker")
    (stack.data / "workspaces" / "runs" / id / "work" / "go").touch()
    assert stack.ended(id, token)["status"] == "complete"
    assert log() == "before ***\nafter ***\n*** of an earlier step\n"
    assert {Path(place).name for place in places(stack, value.encode())} == {"kept"}


def test_who_may_not_use_secrets_runs_no_program_with_them(stack: Platform, token: str) -> None:
    name = keep(stack, "a secret of others")
    editor = stack.command("token", "create", "--role", "editor").stdout.strip()
    program = f'var s = secret("{name}")\nexec {{ echo "$s" > got }} undo {{ echo undone }}\n'
    status, _, run = stack.request("POST", "/executions", {"program": program, "wait": True}, token=editor)
    assert status == 200 and run["error"]["kind"] == "value_error", run
    assert "secrets:use" in run["error"]["message"] and run["undo_failed"] == []
    _, _, steps = stack.request("GET", f"/executions/{run['execution_id']}/steps", token=token)
    assert [(step["kind"], step["status"]) for step in steps["items"]] == [("exec", "failed")]


@pytest.mark.parametrize("policy", ["park", "fail"])
def test_a_run_that_somebody_without_secrets_patches_has_none_from_then_on(
    stack: Platform, token: str, policy: str
) -> None:
    name = keep(stack, f"a secret of the one who started it, {policy}")
    editor = stack.command("token", "create", "--role", "editor").stdout.strip()
    before = f'var s = secret("{name}")\nexec {{ test -n "$s" && echo had it }}\nexec {{ exit 3 }}\n'
    after = before.replace("exit 3", 'echo "$s" > got; echo ran')
    asked = {"program": before, "failure_policy": policy}
    _, _, begun = stack.request("POST", "/executions", asked, token=token)
    id = begun["id"]

    def run() -> Any:
        return stack.request("GET", f"/executions/{id}", token=token)[2]

    stopped = "parked" if policy == "park" else "failed"
    wait_until(lambda: run()["status"] == stopped, 60, stopped)

    def patched() -> bool:  # the row of an ended run says so before its workflow has
        status, _, told = stack.request("POST", f"/executions/{id}/patch", {"program": after}, token=editor)
        assert status < 300 or told["code"] == "not_ended", told
        return status < 300

    wait_until(patched, 30, "the patch")

    def steps() -> list[tuple[int, int, str]]:
        found = stack.request("GET", f"/executions/{id}/steps", token=token)[2]["items"]
        return [(one["seq"], one["line"], one["status"]) for one in found]

    wait_until(lambda: len(steps()) == 3 and run()["status"] == stopped, 60, "the patched statement's end")
    assert steps() == [(1, 2, "succeeded"), (2, 3, "failed"), (3, 3, "failed")]
    said = stack.request("GET", f"/executions/{id}/state", token=token)[2] if policy == "park" else run()
    assert "secrets:use" in json.dumps(said)
    assert not list((stack.data / "workspaces" / "runs" / id).rglob("got"))


def test_the_command_line_sets_lists_seals_and_deletes(stack: Platform) -> None:
    name = keep(stack, "first value")
    again = json.loads(
        stack.command("secrets", "set", name, "--output", "json", data="second value\n").stdout
    )
    assert (again["name"], again["version"], again["mask"]) == (name, 2, True)
    listed = json.loads(stack.command("secrets", "list", "--output", "json").stdout)["items"]
    assert listed[0]["name"] == name and "value" not in listed[0]
    for words, value in ((["set", name], "short"), (["set", name], ""), (["seal", name], "short")):
        refused = stack.command("secrets", *words, data=value)
        assert refused.returncode and len(refused.stderr.splitlines()) == 1, refused.stderr
    assert stack.command("secrets", "set", name, "--no-mask", data="short").returncode == 0
    sealed = json.loads(stack.command("secrets", "seal", name, "--output", "json", data="sealed here").stdout)
    assert stack.run(f'var s = secret("{name}")\nreturn exec {{ echo "$s" }}.stdout')["result"] == "short"
    start = ["workflow", "execute", "--type", "ChangeRecord", "--task-queue", "codeai-workflows"]
    temporal(stack, *start, "--workflow-id", f"change/{uuid.uuid4()}", "--input", json.dumps(sealed))
    length = stack.run(
        f'var s = secret("{name}")\nreturn [exec {{ printf "$s" | wc -c }}.stdout, exec {{ echo "$s" }}.stdout]'
    )
    assert length["result"] == ["11", "***"]
    assert stack.command("secrets", "delete", name).returncode == 0
    gone = stack.run(f'var s = secret("{name}")\nreturn exec {{ echo "$s" }}')
    assert gone["error"]["kind"] == "not_found" and f"codeai secrets set {name}" in gone["error"]["message"]


def test_secrets_are_sealed_anew_by_the_command_line(stack: Platform) -> None:
    name = keep(stack, "of another key, perhaps")
    done = stack.command("secrets", "rotate", name, "--output", "json")
    assert done.returncode == 0 and json.loads(done.stdout)["items"][0]["name"] == name, done.stderr
    missing = stack.command("secrets", "rotate", name, "no_such_secret")
    assert missing.returncode == 1 and "no_such_secret: there is no secret" in missing.stderr
    pair = json.loads(stack.command("secrets", "key", "--output", "json").stdout)
    assert sealing.public_of(pair["private"]) == pair["public"]


def dumped(stack: Platform) -> dict[str, str]:
    """Every row of every table, as the worker reads them: table -> JSON."""

    async def rows() -> dict[str, str]:
        database = await asyncpg.connect(stack.database("worker"))
        try:
            tables = await database.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
            return {
                name: str(await database.fetchval(f'SELECT json_agg(one)::text FROM "{name}" one'))
                for (name,) in tables
            }
        finally:
            await database.close()

    return asyncio.run(rows())


def unpacked(text: str) -> str:
    """The text, and what is packed in it: states, journals and programs are deflated."""
    inside = []
    for packed in set(re.findall(r"[A-Za-z0-9+/]{40,}={0,2}", text)):
        with contextlib.suppress(ValueError, zlib.error):
            inside.append(zlib.decompress(base64.b64decode(packed, validate=True)).decode("utf-8", "replace"))
    return "\n".join([text, *inside])


def test_a_secret_stands_in_no_table_and_no_history(stack: Platform, token: str) -> None:
    """By every effect, into what is published, asked, recorded and kept of a run, and of one below it."""
    value, mark = f"S3cr3t+{uuid.uuid4().hex}/é", uuid.uuid4().hex
    name, config = keep(stack, value), f"below-{mark}"
    content = 'param s\nexec { echo "below $s" } undo { echo "unmade $s" }\nreturn {got: s}'
    file = stack.write(f"{config}.cai", content)
    assert stack.command("configs", "create", config, str(file)).returncode == 0
    id = stack.detach(
        f"""
        var s = secret("{name}")
        var kept = {{list: [s, {{deep: s}}], mark: "{mark}"}}
        exec(check: false) {{ echo "$s {mark}"; printf %s "$s" | base64 -w0 >&2; echo "$kept"; exit 3 }}
        exec {{ printf %s "$s" | head -c 20; sleep 0.4; printf %s "$s" | tail -c +21 }}
        log("{mark} " + s)
        set_status("{mark} " + s)
        emit("custom.{mark[:8]}", {{mark: "{mark}"}})
        try {{ run("{config}", inputs: {{s: s}}) }} catch e {{ log(e.message) }}
        approve("{mark} with ${{s}}?", timeout: "90s")
        exec {{ echo "$s" }} undo {{ echo "$s" >&2; exit 5 }}
        exec {{ echo "broken $s" >&2; echo "$s"; exit 4 }}
        """
    )
    wait_until(
        lambda: stack.request("GET", f"/executions/{id}", token=token)[2].get("status") == "waiting",
        60,
        "the approval",
    )
    assert stack.command("approve", id, "--comment", mark).returncode == 0
    ended = stack.ended(id, token)
    assert ended["error"]["kind"] == "exec_failed" and ended["undo_failed"], ended
    tables = {table: unpacked(text) for table, text in dumped(stack).items()}
    history = unpacked(histories(stack, f"execution/{id}"))
    for table in ("execution_logs", "execution_steps", "events", "audit_log"):
        assert mark in tables[table], table
    assert mark in history and f"*** {mark}" in tables["execution_logs"]
    for table in ("secrets", "audit_log", "execution_checkpoints"):
        assert name in tables[table], table
    for form, wanted in forms(value).items():
        assert [table for table, text in tables.items() if wanted.decode() in text] == [], form
        assert wanted.decode() not in history, form


def test_the_api_can_open_no_secret(stack: Platform) -> None:
    """It has no private key, nor the name of a file with one, and the database does not give it what is sealed."""
    name = keep(stack, "a value that the API may not open")
    keys = (stack.data / "seal.key").read_text().split()
    told = Path(f"/proc/{stack.child('api')}/environ").read_bytes().decode()
    assert "CODEAI_SEAL_PUBLIC_KEY=" in told and "CODEAI_SEAL_PRIVATE" not in told
    assert not any(key in told for key in keys)

    async def asked() -> None:
        database = await asyncpg.connect(stack.database("api"))
        try:
            assert await database.fetchval("SELECT key_id FROM secrets WHERE name = $1", name)
            for column in ("sealed", "*"):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await database.fetch(f"SELECT {column} FROM secrets")
        finally:
            await database.close()

    asyncio.run(asked())
