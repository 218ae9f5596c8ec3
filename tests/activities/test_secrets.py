"""Opening secrets: for whom, with which key, and the line in the audit log that tells of it."""

from __future__ import annotations

import asyncio
import json
import uuid
from datetime import UTC, datetime

import pytest

from codeai import sealing
from codeai.activities.secrets import NotOpened, Opened, Purpose, Secrets
from codeai.activities.unsealing import Keys
from codeai.persistence import secrets
from codeai.persistence.audit import Audit, Entry
from codeai.persistence.engine import Database
from codeai.persistence.executions import Executions, NewExecution
from codeai.persistence.pages import Page
from codeai.workflows.contracts.secrets import key_id_of
from codeai.workflows.contracts.steps import SecretText
from tests.audit import first_broken

PRIVATE = sealing.new_private()
PUBLIC = sealing.public_of(PRIVATE)
VALUE = "S3cr3t-pack-välue"


async def store(
    database: Database,
    name: str,
    value: str = VALUE,
    mask: bool = True,
    key: str = PUBLIC,
    sealed_as: str | None = None,
) -> None:
    sealed = sealing.seal(key, sealed_as or name, value, mask=len(value.encode()) >= 8)
    async with database.transaction() as rows:
        await secrets.Secrets(rows).put(secrets.NewSecret(name, sealed, key_id_of(sealed), mask))


def asked(*parts: tuple[str, str]) -> SecretText:
    return SecretText.model_validate({"parts": parts})


TOKEN = asked(("text", "Bearer "), ("secret", "token"))


def purpose(execution: str | None = None, allowed: bool = True, attempt: int = 1) -> Purpose:
    return Purpose(execution or str(uuid.uuid4()), str(uuid.uuid4()), attempt, 7, allowed)


async def opened(
    database: Database, text: SecretText = TOKEN, *keys: str, allowed: bool = True, hide: tuple[str, ...] = ()
) -> Opened:
    opener = Secrets(database, Keys(keys or (PRIVATE,)))
    return await opener.open({"t": text}, purpose(allowed=allowed), hide)


async def refused(*given: object, **more: object) -> tuple[str, str]:
    with pytest.raises(NotOpened) as problem:
        await opened(*given, **more)  # type: ignore[arg-type]
    error = problem.value.error
    assert error.line == 7
    return error.kind, error.message


async def audit(database: Database) -> list[Entry]:
    async with database.session() as rows:
        assert await first_broken(rows) is None
        return list((await Audit(rows).page(Page())).items)


async def test_a_step_gets_its_texts_and_what_must_not_be_shown(database: Database) -> None:
    await store(database, "token")
    got = await opened(database)
    assert got.texts == {"t": f"Bearer {VALUE}"}
    assert got.masker.mask(f"sent: Bearer {VALUE}") == "sent: Bearer ***"
    assert VALUE not in repr(got)


async def test_each_opening_is_one_audit_line_however_often_the_attempt_asks(database: Database) -> None:
    await store(database, "token")
    run = str(uuid.uuid4())
    async with database.transaction() as rows:
        await Executions(rows).open(
            NewExecution(run, f"execution/{run}", datetime.now(UTC), triggered_by="ada")
        )
    opener, step = Secrets(database, Keys([PRIVATE])), purpose(run)
    await asyncio.gather(*(opener.open({"a": TOKEN, "b": TOKEN}, step) for _ in range(3)))
    (line,) = await audit(database)
    assert (line.actor, line.via, line.action, line.entity) == ("ada", "run", "open", "secret/token")
    assert json.loads(line.details) == {"execution": run, "step": step.step_id, "attempt": 1, "line": 7}
    await opener.open({"a": TOKEN}, Purpose(run, step.step_id, 2, 7, True))
    assert len(await audit(database)) == 2


async def test_who_may_not_use_secrets_gets_none(database: Database) -> None:
    await store(database, "token")
    kind, message = await refused(database, allowed=False)
    assert kind == "value_error" and "secrets:use" in message
    assert await audit(database) == []
    plain = await opened(database, asked(("text", "nothing secret")), allowed=False)
    assert plain.texts == {"t": "nothing secret"}


async def test_a_secret_that_is_not_there(database: Database) -> None:
    assert await refused(database) == (
        "not_found",
        "there is no secret 'token'; set it with: codeai secrets set token",
    )


async def test_a_secret_for_another_key_stays_closed(database: Database) -> None:
    other = sealing.new_private()
    await store(database, "token", key=sealing.public_of(other))
    kind, message = await refused(database)
    assert kind == "value_error" and "is sealed for the key" in message and "codeai secrets set" in message
    assert (await opened(database, TOKEN, PRIVATE, other)).texts == {"t": f"Bearer {VALUE}"}


async def test_a_sealed_secret_opens_under_its_own_name_only(database: Database) -> None:
    await store(database, "token", sealed_as="another")
    kind, message = await refused(database)
    assert kind == "value_error" and VALUE not in message


async def test_a_secret_that_is_not_masked_is_shown(database: Database) -> None:
    await store(database, "token", "short", mask=False)
    got = await opened(database)
    assert (got.texts["t"], got.masker.mask("Bearer short")) == ("Bearer short", "Bearer short")
    await store(database, "token", "short", mask=True)
    kind, message = await refused(database)
    assert kind == "value_error" and "--no-mask" in message


async def test_what_an_earlier_step_was_given_is_hidden_and_not_told_again(database: Database) -> None:
    await store(database, "earlier", "an earlier one")
    got = await opened(
        database, asked(("text", "x")), allowed=False, hide=("earlier", "gone in the meantime")
    )
    assert got.masker.mask("cat: an earlier one") == "cat: ***"
    assert await audit(database) == []


@pytest.mark.parametrize(
    ("value", "mask", "why"), [("7 bytes", True, "at least 8"), ("x" * 65_537, False, "at most 65,536")]
)
def test_what_cannot_be_a_secret_is_not_sealed(value: str, mask: bool, why: str) -> None:
    with pytest.raises(sealing.Unfit, match=why) as problem:
        sealing.seal(PUBLIC, "a", value, mask=mask)
    assert value not in str(problem.value)
    assert sealing.seal(PUBLIC, "a", "7 bytes", mask=False).startswith("sealed:v1:")
    longest = sealing.seal(PUBLIC, "n" * 128, "é" * 32_768)
    assert Keys([PRIVATE]).open("n" * 128, longest) == "é" * 32_768 and longest != sealing.seal(
        PUBLIC, "n" * 128, "é" * 32_768
    )


@pytest.mark.parametrize("text", ["", "nonsense", "AAAA", "é" * 44])
def test_what_is_no_key_is_not_repeated(text: str) -> None:
    with pytest.raises(ValueError, match="is no key"):
        sealing.read_key(text)
