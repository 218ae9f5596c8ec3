"""What the whole language needs: arguments of effects, journals, waits for events, secrets."""

from __future__ import annotations

from alembic import op

revision = "20261125223000"
down_revision = "20261125190000"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE execution_steps ADD COLUMN arguments text")
    op.execute("ALTER TABLE execution_checkpoints ADD COLUMN journal text NOT NULL DEFAULT ''")
    op.execute(
        "CREATE INDEX ix_execution_steps_open_approvals ON execution_steps (started_at, id)"
        " WHERE kind = 'approve' AND status = 'running'"
    )
    op.execute("ALTER TABLE events ADD COLUMN stored_at timestamptz NOT NULL DEFAULT clock_timestamp()")
    op.execute("CREATE INDEX ix_events_stored_at_id ON events (stored_at, id)")
    op.execute("CREATE INDEX ix_events_type_stored_at_id ON events (type, stored_at, id)")
    op.execute("""
        CREATE TABLE event_waits (
            execution_id uuid,
            step integer,
            workflow_id text NOT NULL,
            type text NOT NULL,
            "where" text NOT NULL,
            since timestamptz NOT NULL,
            created_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT pk_event_waits PRIMARY KEY (execution_id, step)
        )
    """)
    op.execute("CREATE INDEX ix_event_waits_type ON event_waits (type)")
    op.execute("""
        CREATE TABLE secrets (
            name text CONSTRAINT pk_secrets PRIMARY KEY,
            sealed text NOT NULL,
            key_id text NOT NULL,
            mask boolean NOT NULL DEFAULT true,
            version integer NOT NULL,
            created_by text,
            created_at timestamptz NOT NULL DEFAULT now(),
            updated_at timestamptz NOT NULL DEFAULT now()
        )
    """)
    op.execute("CREATE INDEX ix_secrets_created_at_name ON secrets (created_at, name)")


def downgrade() -> None:
    for table in ("secrets", "event_waits"):
        op.execute(f"DROP TABLE {table}")
    op.execute("ALTER TABLE events DROP COLUMN stored_at")
    op.execute("DROP INDEX ix_execution_steps_open_approvals")
    op.execute("ALTER TABLE execution_checkpoints DROP COLUMN journal")
    op.execute("ALTER TABLE execution_steps DROP COLUMN arguments")
