"""The audit chain of a database, for tests."""

from __future__ import annotations

from dataclasses import asdict

from sqlalchemy.ext.asyncio import AsyncSession

from codeai.persistence.audit import Audit
from codeai.persistence.chain import Chain


async def first_broken(rows: AsyncSession) -> int | None:
    """The number of the first entry that was changed or is gone; None: the chain holds."""
    chain = Chain()
    for entry in await Audit(rows).behind(0, 10_000):
        if not chain.takes(asdict(entry)):
            return chain.entries + 1
    return None
