"""The audit log knows the workflow behind an entry, and is found by who and what; roles have an order."""

from __future__ import annotations

from alembic import op

revision = "20261128164500"
down_revision = "20261128163000"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE audit_log ADD COLUMN workflow_id text")
    op.execute("CREATE INDEX ix_audit_log_entity_seq ON audit_log (entity, seq)")
    op.execute("CREATE INDEX ix_audit_log_actor_seq ON audit_log (actor, seq)")
    op.execute("CREATE INDEX ix_roles_created_at_name ON roles (created_at, name)")


def downgrade() -> None:
    op.execute("DROP INDEX ix_roles_created_at_name")
    op.execute("DROP INDEX ix_audit_log_actor_seq")
    op.execute("DROP INDEX ix_audit_log_entity_seq")
    op.execute("ALTER TABLE audit_log DROP COLUMN workflow_id")
