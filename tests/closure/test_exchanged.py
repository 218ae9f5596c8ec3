"""What goes to a host and comes from it is read by workers of an earlier version, too: hosts have no builds, and a run
may be pinned to an old one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from codeai.workflows import calls
from codeai.workflows.contracts.hosts import KillResult
from codeai.workflows.contracts.queues import CONTROL, EXEC
from codeai.workflows.contracts.shell import CommandInput, CommandResult, WorkspaceSeed

GIVEN_BY_PEOPLE = (WorkspaceSeed,)
"""A slip in it must not pass for nothing."""
TO_HOSTS = [one for one in calls.CALLS if one.queue == EXEC or one.queue.startswith(CONTROL)]


def models_in(given: Any) -> Iterator[type[BaseModel]]:
    """The models that a type is made of."""
    if isinstance(given, type) and issubclass(given, BaseModel) and given not in GIVEN_BY_PEOPLE:
        yield given
        for field in given.model_fields.values():
            yield from models_in(field.annotation)
    for part in get_args(given):
        yield from models_in(part)


SENT = {model for call in TO_HOSTS for end in (call.given, call.answer) for model in models_in(end)}
SENT |= {*models_in(CommandInput), *models_in(CommandResult)}


@pytest.mark.parametrize("model", sorted(SENT, key=lambda one: one.__name__), ids=lambda one: one.__name__)
def test_what_a_newer_version_has_added_is_passed_over(model: type[BaseModel]) -> None:
    assert model.model_config.get("extra") == "ignore"


def test_an_answer_of_a_newer_host_is_read() -> None:
    told = {"commands": [], "of_a_newer_version": 1}
    assert KillResult.model_validate(told) == KillResult(commands=())
    assert len(TO_HOSTS) > 5
