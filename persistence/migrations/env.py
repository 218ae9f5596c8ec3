"""Runs migrations on the connection that `codeai.persistence.migrate` hands over."""

from __future__ import annotations

from alembic import context

from codeai.persistence.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    transaction_per_migration=True,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
