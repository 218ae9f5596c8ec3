"""Hosts say which labels their workers serve, and how many slots they have and use; they are found by when they were
seen."""

from __future__ import annotations

from alembic import op

revision = "20261129021500"
down_revision = "20261128164500"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE hosts ADD COLUMN labels text[] NOT NULL DEFAULT '{}'")
    op.execute("ALTER TABLE hosts ADD COLUMN slots integer NOT NULL DEFAULT 0")
    op.execute("ALTER TABLE hosts ADD COLUMN slots_taken integer NOT NULL DEFAULT 0")
    op.execute("CREATE INDEX ix_hosts_last_seen_id ON hosts (last_seen, id)")


def downgrade() -> None:
    op.execute("DROP INDEX ix_hosts_last_seen_id")
    for column in ("slots_taken", "slots", "labels"):
        op.execute(f"ALTER TABLE hosts DROP COLUMN {column}")
