"""The client's decisions: what is repeated and when, and where a redirect may go."""

from __future__ import annotations

import pytest

from codeai.integration import policy
from codeai.integration.circuits import CLOSED, Circuit, entered, left
from codeai.integration.exchange import Answer, Sending
from codeai.integration.pace import next_turn
from codeai.integration.unanswered import Unanswered, Why

NOW = 1_800_000_000.0


def asking(method: str = "GET", retry: int | None = None, **headers: str) -> Sending:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Sending(method, "https://a.test/x", f"{method} https://a.test/x", named, retry=retry)


def answered(status: int, retry_after: str | None = None) -> Answer:
    return Answer(status, {} if retry_after is None else {"retry-after": retry_after}, b"")


UNREACHED = Unanswered(Why.UNREACHABLE, "")
LOST = Unanswered(Why.BROKEN, "", sent=True)
LATE = Unanswered(Why.TIMEOUT, "", sent=True)


@pytest.mark.parametrize(
    ("asked", "outcome", "again"),
    [
        (asking(), answered(200), False),
        (asking(), answered(404), False),
        (asking(), answered(501), False),
        (asking(), answered(503), True),
        (asking(), answered(429), True),
        (asking(), LOST, True),
        (asking(), LATE, True),
        (asking(), UNREACHED, True),
        (asking(), Unanswered(Why.REFUSED, ""), False),
        (asking(), Unanswered(Why.CIRCUIT_OPEN, ""), False),
        (asking(), Unanswered(Why.TOO_LARGE, "", sent=True), False),
        (asking("PUT"), LOST, True),
        (asking("DELETE"), LATE, True),
        (asking("POST"), UNREACHED, True),  # it never left
        (asking("POST"), LOST, False),
        (asking("POST"), LATE, False),
        (asking("POST"), answered(503), False),
        (asking("PATCH"), answered(503), False),
        (asking("POST", idempotency_key="1"), answered(503), True),
        (asking("POST", idempotency_key="1"), LOST, True),
        (asking("POST", retry=1), LOST, True),  # the program says so
        (asking("POST", retry=1), answered(503), True),
        (asking("POST", retry=1), answered(404), False),
        (asking(retry=0), answered(503), False),
        (asking(retry=0), UNREACHED, False),
    ],
)
def test_only_what_may_pass_and_is_safe_is_repeated(
    asked: Sending, outcome: Answer | Unanswered, again: bool
) -> None:
    assert (policy.pause_before_next(asked, 1, outcome, 0, NOW) is not None) is again


@pytest.mark.parametrize(
    ("attempt", "retry", "outcome", "chance", "pause"),
    [
        (1, None, answered(503), 0, 0.1),
        (2, None, answered(503), 0, 0.2),
        (3, None, answered(503), 0, None),
        (1, None, answered(503), 1, 0.125),
        (1, None, answered(503), -1, 0.075),
        (8, 20, answered(503), 0, 12.8),
        (10, 20, answered(503), 0, 30.0),
        (2000, 9999, answered(503), 0, 30.0),
        (1, None, answered(503, "7"), 0, 7.0),
        (1, None, answered(503, "0"), 0, 0.1),
        (1, None, answered(429, "30"), 0, 30.0),
        (1, None, answered(429, "31"), 0, None),  # longer than anybody waits for it
        (1, None, answered(429, "9" * 400), 0, None),
        (1, None, answered(503, "-5"), 0, 0.1),
        (1, None, answered(503, "soon"), 0, 0.1),
        (1, None, answered(503, "Fri, 15 Jan 2027 08:00:09 GMT"), 0, 9.0),
        (1, None, answered(503, "Fri, 15 Jan 2027 07:59:00 GMT"), 0, 0.1),
        (1, None, answered(503, "Fri, 99 Jan 2027 07:59:00 GMT"), 0, 0.1),
    ],
)
def test_pauses_grow_and_a_server_may_ask_for_more(
    attempt: int, retry: int | None, outcome: Answer, chance: float, pause: float | None
) -> None:
    assert policy.pause_before_next(asking(retry=retry), attempt, outcome, chance, NOW) == pytest.approx(
        pause
    )


@pytest.mark.parametrize(
    ("status", "method", "then", "keeps_body"),
    [
        (301, "GET", "GET", True),
        (301, "POST", "GET", False),
        (302, "POST", "GET", False),
        (302, "PUT", "PUT", True),
        (303, "PUT", "GET", False),
        (303, "HEAD", "HEAD", True),
        (307, "POST", "POST", True),
        (308, "PATCH", "PATCH", True),
    ],
)
def test_a_redirect_keeps_the_method_or_makes_it_a_get(
    status: int, method: str, then: str, keeps_body: bool
) -> None:
    asked = Sending(method, "u", "u", {"content-type": "text/plain", "x": "1"}, b"body")
    followed = policy.redirected(asked, status, "v", True)
    assert (followed.url, followed.method, followed.body) == ("v", then, b"body" if keeps_body else None)
    assert ("content-type" in followed.headers) is keeps_body
    assert followed.headers["x"] == "1"


def test_another_origin_gets_no_credentials() -> None:
    headers = {"authorization": "a", "cookie": "b", "x-key": "c", "accept": "d"}
    asked = Sending("GET", "u", "u", headers, private=frozenset({"x-key"}))
    assert policy.redirected(asked, 302, "v", True).headers == headers
    assert policy.redirected(asked, 302, "v", False).headers == {"accept": "d"}


def test_another_origin_gets_no_secret_in_a_body() -> None:
    asked = Sending("POST", "u", "u", {}, b"secret", private_body=True)
    with pytest.raises(Unanswered, match="secret in the body"):
        policy.redirected(asked, 307, "v", False)
    assert policy.redirected(asked, 303, "v", False).body is None
    assert policy.redirected(asked, 307, "v", True).body == b"secret"


HALF_OPEN = Circuit(opened_at=0.0)


@pytest.mark.parametrize(
    ("circuit", "now", "open_to_one"),
    [
        (CLOSED, 0, True),
        (Circuit(failures=4), 0, True),
        (Circuit(opened_at=0.0), 59.9, False),
        (Circuit(opened_at=0.0), 60, True),
        (Circuit(opened_at=0.0, probing=True), 60, False),
        (Circuit(opened_at=0.0, successes=2), 60, True),
    ],
)
def test_a_circuit_lets_through(circuit: Circuit, now: float, open_to_one: bool) -> None:
    assert circuit.lets_through(now) is open_to_one


@pytest.mark.parametrize(
    ("circuit", "probe", "success", "then"),
    [
        (CLOSED, False, True, CLOSED),
        (CLOSED, False, False, Circuit(failures=1)),
        (Circuit(failures=3), False, False, Circuit(failures=4)),
        (Circuit(failures=4), False, True, CLOSED),
        (Circuit(failures=4), False, None, Circuit(failures=4)),
        (Circuit(failures=4), False, False, Circuit(opened_at=99.0)),
        (entered(HALF_OPEN), True, True, Circuit(opened_at=0.0, successes=1)),
        (Circuit(opened_at=0.0, successes=2, probing=True), True, True, CLOSED),
        (Circuit(opened_at=0.0, successes=2, probing=True), True, False, Circuit(opened_at=99.0)),
        (Circuit(opened_at=0.0, successes=2, probing=True), True, None, Circuit(opened_at=0.0, successes=2)),
        # sent before it opened
        (HALF_OPEN, False, True, HALF_OPEN),
        (HALF_OPEN, False, False, HALF_OPEN),
    ],
)
def test_a_circuit_learns(circuit: Circuit, probe: bool, success: bool | None, then: Circuit) -> None:
    assert left(circuit, probe, success, 99.0) == then


def test_a_burst_goes_at_once_and_the_rest_at_the_rate() -> None:
    free_at, waits = 0.0, []
    for _ in range(5):
        wait, free_at = next_turn(free_at, 100.0, (2, 3))
        waits.append(wait)
    assert waits == [0, 0, 0, 0.5, 1.0]
    wait, _ = next_turn(free_at, 200.0, (2, 3))
    assert wait == 0
