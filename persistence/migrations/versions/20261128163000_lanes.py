"""Lanes: which one a run waits in, or has; and the steps of runs that may have ended without them."""

from __future__ import annotations

from alembic import op

revision = "20261128163000"
down_revision = "20261125223000"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE executions ADD COLUMN lane text")
    op.execute(
        "CREATE INDEX ix_executions_queued ON executions (lane, started_at, id)"
        " WHERE status = 'queued' AND lane IS NOT NULL"
    )
    op.execute(
        "CREATE INDEX ix_execution_steps_running ON execution_steps (execution_id)"
        " WHERE status = 'running' AND host IS NOT NULL"
    )


def downgrade() -> None:
    op.execute("DROP INDEX ix_execution_steps_running")
    op.execute("DROP INDEX ix_executions_queued")
    op.execute("ALTER TABLE executions DROP COLUMN lane")
