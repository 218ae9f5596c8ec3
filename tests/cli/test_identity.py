"""`codeai roles`, `codeai audit`, `codeai token`: as their page has them, and told in a line what is wrong."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.closure.test_identity import COMMANDS, PAGE
from tests.platform import CODEAI, Platform

pytestmark = pytest.mark.stack


def as_page_has_it(stack: Platform, line: str) -> subprocess.CompletedProcess[str]:
    path = f"{Path(CODEAI).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-c", line],
        cwd=stack.folder,
        env=stack.environment | {"PATH": path},
        text=True,
        capture_output=True,
        timeout=60,
        check=False,
    )


def test_the_commands_of_the_page_do_what_it_says(stack: Platform) -> None:
    lines = [line for block in PAGE.split("```sh\n")[1:] for line in block.partition("```")[0].splitlines()]
    assert len(lines) == len(COMMANDS)
    said = {}
    for line in lines:
        done = as_page_has_it(stack, line)
        assert done.returncode == 0, f"{line}: {done.stderr}"
        said[line] = done.stdout
    for line in ("codeai audit verify", "codeai audit verify --file audit.jsonl"):
        assert said[line].startswith("whole: ")
    assert "role/releaser" in said["codeai audit list --entity role --since 2026-11-01"]
    assert "deployments:execute" in said["codeai roles show releaser"]


def test_a_role_lets_its_holder_do_what_it_says(stack: Platform) -> None:
    def started(token: str) -> subprocess.CompletedProcess[str]:
        return as_page_has_it(stack, f"CODEAI_TOKEN={token} codeai configs list --url {stack.url}")

    token = stack.command("token", "create", "--role", "looker", "--subject", "lou").stdout.strip()
    refused = started(token)
    assert refused.returncode == 1 and "needs the permission configs:read" in refused.stderr
    made = stack.command("roles", "set", "looker", "-p", "configs:read", "--output", "json")
    assert json.loads(made.stdout)["permissions"] == ["configs:read"]
    assert started(token).returncode == 0
    listed = json.loads(stack.command("audit", "list", "--entity", "role/looker", "--output", "json").stdout)
    assert [one["action"] for one in listed["items"]] == ["update"]


def test_an_export_may_have_other_ends_of_lines_in_its_texts(stack: Platform) -> None:
    made = stack.command("deployments", "create", "one\u2028two\x85three")
    assert made.returncode == 0, made.stderr
    file = stack.write("texts.jsonl", stack.command("audit", "export").stdout)
    done = stack.command("audit", "verify", "--file", str(file))
    assert done.returncode == 0 and done.stdout.startswith("whole: "), done.stderr


def test_an_export_is_narrowed_as_a_list_is(stack: Platform) -> None:
    stack.command("roles", "set", "narrow", "-p", "jobs:read")
    asked = ("--entity", "role/narrow", "--filter", "action:update")
    listed = json.loads(stack.command("audit", "list", *asked, "--output", "json").stdout)["items"]
    exported = stack.command("audit", "export", *asked).stdout.splitlines()
    assert [json.loads(line)["seq"] for line in exported] == [one["seq"] for one in listed] != []
    for command in ("list", "export"):
        wrong = stack.command("audit", command, "--filter", "actr:x")
        assert wrong.returncode == 2 and "^^^^" in wrong.stderr and '"actor"' in wrong.stderr


def test_a_forged_export_is_found(stack: Platform) -> None:
    stack.command("roles", "set", "first", "-p", "jobs:read")
    stack.command("roles", "set", "second", "-p", "jobs:read")
    lines = stack.command("audit", "export").stdout.removesuffix("\n").split("\n")
    cut, changed = lines[:1] + lines[2:], [lines[0].replace('"update"', '"delete"'), *lines[1:]]
    for broken, at in ((cut, 2), (changed, 1), (["hello"], 1), (['{"seq": 1}'], 1)):
        file = stack.write("broken.jsonl", "\n".join(broken) + "\n")
        done = stack.command("audit", "verify", "--file", str(file))
        assert done.returncode == 1 and f"broken at entry {at}:" in done.stderr
    file = stack.write("whole.jsonl", "\n".join(lines) + "\n")
    whole = json.loads(stack.command("audit", "verify", "--file", str(file), "--output", "json").stdout)
    assert whole == {"entries": len(lines), "last_hash": json.loads(lines[-1])["hash"]}


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("roles", "show", "nobody"), 1, "there is no role 'nobody'"),
        (("roles", "set", "mine", "-p", "everything"), 1, "permissions.0"),
        (("roles", "set", "mine", "--inherits", "mine"), 1, "mine -> mine"),
        (("roles", "delete", "viewer"), 1, "is used by role 'editor'"),
        (("roles", "delete", "admin"), 1, "cannot lose *:*"),
        (("audit", "list", "--since", "yesterday"), 2, "is no time such as"),
        (("audit", "verify", "--file", "none.jsonl"), 2, "none.jsonl"),
        (("token", "create", "--role", "viewer", "--ttl", "91d"), 2, "between 1s and 90d"),
    ],
)
def test_what_is_wrong_is_told_in_a_line(
    stack: Platform, words: tuple[str, ...], code: int, said: str
) -> None:
    done = stack.command(*words)
    assert (done.returncode, len(done.stderr.splitlines())) == (code, 1), done.stderr
    assert said in done.stderr


def test_no_token_is_signed_where_an_issuer_does_that(stack: Platform) -> None:
    line = "JWKS_URL=https://login.example.com/keys codeai token create --role admin"
    done = as_page_has_it(stack, line)
    assert done.returncode == 1 and "tokens of its issuer only" in done.stderr
