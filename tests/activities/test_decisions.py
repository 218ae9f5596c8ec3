"""What shows that a decision came by the API: a signature over all that it is."""

from __future__ import annotations

import time
from typing import Any

import pytest

from codeai import sealing, signing
from codeai.activities.decisions import AHEAD, LASTS, Decisions
from codeai.workflows.contracts.commands import CheckInput, DecideInput

PRIVATE, OTHER = sealing.new_private(), sealing.new_private()
RUN, ANOTHER = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
WORKERS = Decisions((signing.public_of(PRIVATE),), require_api=True)
LENIENT = Decisions((signing.public_of(PRIVATE),), require_api=False)


def decision(**given: Any) -> DecideInput:
    return DecideInput(**{"step": 3, "by": "ann", "comment": "grüß Gott", "via": "api", **given})


def asked(given: DecideInput, run: str = RUN, *, approved: bool = True) -> CheckInput:
    return CheckInput(execution_id=run, approved=approved, decision=given)


def signed(key: str = PRIVATE) -> DecideInput:
    return signing.signed(key, RUN, decision(), approved=True)


@pytest.mark.parametrize("workers", [WORKERS, LENIENT])
def test_what_the_api_signed_came_by_it(workers: Decisions) -> None:
    travelled = CheckInput.model_validate_json(asked(signed()).model_dump_json())
    assert workers.checked(travelled, time.time()).model_dump() == {"via": "api", "refusal": None}


@pytest.mark.parametrize(
    "changed",
    [
        {"step": 4},
        {"by": "bob"},
        {"by": None},
        {"comment": None},
        {"signed_at": 1},
        {"signature": "AAAA"},
        {"signature": "no base64"},
        {"signature": ""},
    ],
)
def test_a_signature_is_for_nothing_else(changed: dict[str, Any]) -> None:
    for workers in (WORKERS, LENIENT):
        answer = workers.checked(asked(signed().model_copy(update=changed)), time.time())
        assert "signature is not the API's" in str(answer.refusal)


def test_it_counts_for_no_other_run_no_other_word_and_by_no_other_key() -> None:
    now = time.time()
    assert WORKERS.checked(asked(signed(), ANOTHER), now).refusal
    assert WORKERS.checked(asked(signed(), approved=False), now).refusal
    assert WORKERS.checked(asked(signed(OTHER)), now).refusal


def test_it_counts_for_a_day() -> None:
    given = asked(signed())
    at = float(given.decision.signed_at or 0)
    assert WORKERS.checked(given, at + LASTS).refusal is None
    assert "decide again" in str(WORKERS.checked(given, at + LASTS + 1).refusal)
    assert WORKERS.checked(given, at - AHEAD - 1).refusal


def test_while_keys_change_either_counts() -> None:
    both = Decisions((signing.public_of(OTHER), signing.public_of(PRIVATE)), require_api=True)
    for key in (PRIVATE, OTHER):
        assert both.checked(asked(signed(key)), time.time()).refusal is None


def test_what_is_not_signed_is_refused_or_known_not_to_be_the_apis() -> None:
    unsigned, now = asked(decision()), time.time()
    assert "approvals.require_api" in str(WORKERS.checked(unsigned, now).refusal)
    assert LENIENT.checked(unsigned, now).via == "temporal"
    without_keys = Decisions((), require_api=False)
    assert without_keys.checked(unsigned, now).via == "api"
    assert without_keys.checked(asked(signed()), now).refusal is None
