"""Opens secrets for one step: nowhere else are they clear, and each opening is an audit line."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from sqlalchemy.ext.asyncio import AsyncSession

from codeai.activities.entries import Origin, opening_entry
from codeai.activities.holding import until_it_holds
from codeai.activities.masking import Masker
from codeai.activities.unsealing import CannotOpen, Keys
from codeai.persistence import secrets
from codeai.persistence.audit import Audit
from codeai.persistence.engine import Database
from codeai.persistence.secrets import SealedSecret
from codeai.workflows.contracts.errors import RunError
from codeai.workflows.contracts.secrets import LEAST
from codeai.workflows.contracts.steps import SecretText


@dataclass(frozen=True, slots=True)
class Purpose:
    """What secrets are opened for: one attempt of a step. `allowed`: who started the run may use secrets."""

    execution_id: str
    step_id: str
    attempt: int
    line: int
    allowed: bool


@dataclass(frozen=True, slots=True)
class Opened:
    """Texts with their secrets in them, and the values that no output may show."""

    texts: Mapping[str, str] = field(repr=False)
    hidden: frozenset[str] = field(repr=False)

    @property
    def masker(self) -> Masker:
        """Takes them out of texts."""
        return Masker(self.hidden)


class NotOpened(Exception):
    """The step cannot have a secret that it asks for: the program's error."""

    def __init__(self, kind: str, message: str, line: int) -> None:
        super().__init__(message)
        self.error = RunError(kind=kind, message=message, line=line)


@dataclass(frozen=True, slots=True)
class Secrets:
    """The stored secrets, with what opens them."""

    database: Database
    keys: Keys

    async def open(
        self, texts: Mapping[str, SecretText], purpose: Purpose, also_hidden: Iterable[str] = ()
    ) -> Opened:
        """The texts put together, each under its key. `also_hidden` names secrets that the step is not given, and
        must not show.

        Raises NotOpened. A database that is away is waited for.
        """

        async def tried() -> Opened | NotOpened:
            try:
                return await self._open(texts, purpose, also_hidden)
            except NotOpened as problem:
                return problem

        opened = await until_it_holds(tried, "secrets opened")
        if isinstance(opened, NotOpened):
            raise opened
        return opened

    async def _open(
        self, texts: Mapping[str, SecretText], purpose: Purpose, also_hidden: Iterable[str]
    ) -> Opened:
        wanted = {name for text in texts.values() for name in text.names}
        others = set(also_hidden) - wanted
        if not wanted and not others:
            return Opened({key: _joined(text, {}) for key, text in texts.items()}, frozenset())
        if wanted and not purpose.allowed:
            raise _denied(purpose)
        async with self.database.transaction() as rows:
            found = await secrets.Secrets(rows).sealed(wanted | others)
            clear = {name: self._value(name, found.get(name), purpose) for name in sorted(wanted)}
            await _tell(rows, clear, purpose)
        hidden = {value for name, value in clear.items() if found[name].mask}
        hidden |= {value for name in others if (value := self._to_hide(found.get(name))) is not None}
        return Opened({key: _joined(text, clear) for key, text in texts.items()}, frozenset(hidden))

    def _value(self, name: str, secret: SealedSecret | None, purpose: Purpose) -> str:
        if secret is None:
            message = f"there is no secret {name!r}; set it with: codeai secrets set {name}"
            raise NotOpened("not_found", message, purpose.line)
        try:
            value = self.keys.open(name, secret.sealed)
        except CannotOpen as problem:
            raise NotOpened("value_error", str(problem), purpose.line) from None
        if secret.mask and len(value.encode()) < LEAST:
            message = f"secret {name!r} has less than {LEAST} bytes: too few to be masked; set it anew with --no-mask"
            raise NotOpened("value_error", message, purpose.line)
        return value

    def _to_hide(self, secret: SealedSecret | None) -> str | None:
        """The value of a secret that an earlier step had; None where it is not there any more, or never hidden."""
        if secret is None or not secret.mask:
            return None
        try:
            return self.keys.open(secret.name, secret.sealed)
        except CannotOpen:
            return None


def _denied(purpose: Purpose) -> NotOpened:
    message = "this run may not use secrets: whoever starts it needs the permission secrets:use"
    return NotOpened("value_error", message, purpose.line)


def _joined(text: SecretText, clear: Mapping[str, str]) -> str:
    return "".join(_PUT[kind](clear[part]) if kind in _PUT else part for kind, part in text.parts)


_PUT: Mapping[str, Callable[[str], str]] = {
    "secret": str,
    "secret_in_json": lambda value: json.dumps(value, ensure_ascii=False)[1:-1],
}


async def _tell(rows: AsyncSession, names: Iterable[str], purpose: Purpose) -> None:
    """One line for each secret that is opened."""
    started = await Origin.of(rows, purpose.execution_id)
    details = {
        "execution": purpose.execution_id,
        "step": purpose.step_id,
        "attempt": purpose.attempt,
        "line": purpose.line,
    }
    for name in names:
        await Audit(rows).append(opening_entry(name, started, purpose.step_id, purpose.attempt, details))
