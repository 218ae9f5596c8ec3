"""A key that has reopened an ended run has its first answer, whatever has become of the run since."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from tests.platform import Platform, wait_until

DIVIDES = "var n = 0\nvar x = 6 / n\nreturn x\n"


@pytest.mark.parametrize("word", ["retry", "patch"])
def test_the_key_that_reopened_a_run_tells_it_nothing_when_it_has_parked_again(
    stack: Platform, token: str, word: str
) -> None:
    program = {"program": DIVIDES, "failure_policy": "park"}
    id = stack.request("POST", "/executions", program, token=token)[2]["id"]
    body = {"program": DIVIDES + "\n"} if word == "patch" else {}

    def sent(key: str, **more: Any) -> tuple[int, Any]:
        headers = {"Idempotency-Key": key}
        status, _, told = stack.request("POST", f"/executions/{id}/{word}", body | more, headers, token)
        return status, told.get("code") or told

    def comes_to(status: str) -> None:
        def there() -> bool:
            return bool(stack.request("GET", f"/executions/{id}", token=token)[2]["status"] == status)

        wait_until(there, 60, f"the run to be {status}")

    comes_to("parked")
    first = str(uuid.uuid4())
    for key in (first, str(uuid.uuid4())):
        assert stack.request("POST", f"/executions/{id}/abort", {}, token=token)[0] == 200
        comes_to("failed")
        answer = wait_until(lambda key=key: (told := sent(key))[0] != 409 and told, 20, "its workflow to end")
        assert answer[0] == 202
        comes_to("parked")
        assert sent(key) == sent(first) == answer
        assert sent(key, comment="for another reason") == (422, "idempotency_key_reused")
    _, _, log = stack.request("GET", f"/executions/{id}/logs?limit=100", token=token)
    assert sum(line["text"].startswith(f"{word} by ") for line in log["items"]) == 2
