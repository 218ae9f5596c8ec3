"""Blobs: texts by their content hash (programs above all), written once and never changed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from codeai.persistence.base import Base, Rows


class BlobRow(Base):
    __tablename__ = "blobs"

    hash: Mapped[str] = mapped_column(primary_key=True)
    # Bytes, because a draft may hold U+0000, which Postgres refuses in text.
    content: Mapped[bytes]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


def hash_of(text: str) -> str:
    """What a text is kept under: its SHA-256 in hexadecimal."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


@dataclass(frozen=True, slots=True)
class Blobs:
    """Texts by hash."""

    rows: Rows

    async def put(self, text: str) -> str:
        """Keeps `text` and answers its SHA-256 in hexadecimal. Again: changes nothing."""
        hash = hash_of(text)
        row = insert(BlobRow).values(hash=hash, content=text.encode("utf-8"))
        await self.rows.execute(row.on_conflict_do_nothing())
        return hash

    async def get(self, hash: str) -> str | None:
        content = (
            await self.rows.execute(select(BlobRow.content).where(BlobRow.hash == hash))
        ).scalar_one_or_none()
        return None if content is None else content.decode("utf-8")
