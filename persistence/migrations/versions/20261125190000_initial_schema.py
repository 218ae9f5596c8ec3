"""The first tables: configs, deployments, executions with their steps and logs, events, audit, roles."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "20261125190000"
down_revision = None
branch_labels = None
depends_on = None

TABLES = {
    "blobs": """
        hash text CONSTRAINT pk_blobs PRIMARY KEY,
        content bytea NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now()
    """,
    "configs": """
        id uuid CONSTRAINT pk_configs PRIMARY KEY,
        name text NOT NULL CONSTRAINT uq_configs_name UNIQUE,
        version integer NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now()
    """,
    "config_versions": """
        config_id uuid CONSTRAINT fk_config_versions_config_id REFERENCES configs (id) ON DELETE CASCADE,
        number integer,
        name text NOT NULL,
        content_hash text NOT NULL CONSTRAINT fk_config_versions_content_hash REFERENCES blobs (hash),
        ast text,
        validation_errors text NOT NULL,
        workspace text,
        created_by text,
        created_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT pk_config_versions PRIMARY KEY (config_id, number)
    """,
    "deployments": """
        id uuid CONSTRAINT pk_deployments PRIMARY KEY,
        name text NOT NULL CONSTRAINT uq_deployments_name UNIQUE,
        config_id uuid CONSTRAINT fk_deployments_config_id REFERENCES configs (id),
        version integer,
        inputs text NOT NULL,
        failure_policy text NOT NULL,
        park_timeout double precision,
        concurrency text NOT NULL,
        concurrency_key text,
        created_by text,
        revision integer NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now()
    """,
    "executions": """
        id uuid CONSTRAINT pk_executions PRIMARY KEY,
        workflow_id text NOT NULL,
        deployment_id uuid,
        config_id uuid,
        version integer,
        content_hash text,
        status text NOT NULL,
        status_text text,
        inputs text NOT NULL,
        result text,
        error text,
        undo_failed text,
        failure_policy text NOT NULL,
        triggered_by text,
        host text,
        started_at timestamptz NOT NULL,
        completed_at timestamptz,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now(),
        log_offset bigint NOT NULL DEFAULT 0,
        log_bytes bigint NOT NULL DEFAULT 0
    """,
    "execution_steps": """
        id uuid CONSTRAINT pk_execution_steps PRIMARY KEY,
        execution_id uuid NOT NULL,
        seq integer NOT NULL,
        kind text NOT NULL,
        line integer NOT NULL,
        attempt integer NOT NULL,
        status text NOT NULL,
        command text NOT NULL,
        exit_code integer,
        stdout text,
        stderr text,
        host text,
        result text,
        undo text,
        started_at timestamptz NOT NULL,
        completed_at timestamptz
    """,
    "execution_logs": """
        execution_id uuid,
        "offset" bigint,
        step_id uuid,
        attempt integer NOT NULL,
        position bigint NOT NULL,
        stream text NOT NULL,
        "time" timestamptz NOT NULL,
        text text NOT NULL,
        CONSTRAINT pk_execution_logs PRIMARY KEY (execution_id, "offset"),
        CONSTRAINT uq_execution_logs_step_id_attempt_position UNIQUE (step_id, attempt, position)
    """,
    "execution_checkpoints": """
        execution_id uuid,
        run integer,
        text text NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT pk_execution_checkpoints PRIMARY KEY (execution_id, run)
    """,
    "hosts": """
        id uuid CONSTRAINT pk_hosts PRIMARY KEY,
        name text NOT NULL,
        spool_id text NOT NULL,
        first_seen timestamptz NOT NULL DEFAULT now(),
        last_seen timestamptz NOT NULL
    """,
    "workspaces": """
        execution_id uuid,
        host text,
        created_at timestamptz NOT NULL DEFAULT now(),
        removed_at timestamptz,
        CONSTRAINT pk_workspaces PRIMARY KEY (execution_id, host)
    """,
    "events": """
        id uuid CONSTRAINT pk_events PRIMARY KEY,
        type text NOT NULL,
        source text NOT NULL,
        "timestamp" timestamptz NOT NULL,
        data text NOT NULL,
        metadata text NOT NULL
    """,
    "audit_log": """
        seq bigint CONSTRAINT pk_audit_log PRIMARY KEY,
        id uuid NOT NULL CONSTRAINT uq_audit_log_id UNIQUE,
        at timestamptz NOT NULL,
        actor text,
        via text NOT NULL,
        action text NOT NULL,
        entity text NOT NULL,
        request_id text,
        details text NOT NULL,
        previous text NOT NULL,
        hash text NOT NULL
    """,
    "roles": """
        name text CONSTRAINT pk_roles PRIMARY KEY,
        permissions text[] NOT NULL,
        inherits text[] NOT NULL,
        version integer NOT NULL DEFAULT 1,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now()
    """,
}

INDEXES = {
    "configs": ("created_at, id",),
    "deployments": ("created_at, id", "config_id"),
    "executions": (
        "started_at, id",
        "deployment_id, started_at, id",
        "config_id, started_at, id",
        "status, started_at, id",
        "workflow_id",
    ),
    "execution_steps": ("execution_id, seq, id",),
    "events": ('"timestamp", id', 'type, "timestamp", id'),
}

RESOURCES = ("configs", "executions", "deployments", "jobs", "schedules", "workflows", "events")
ROLES: tuple[tuple[str, list[str], list[str]], ...] = (
    ("viewer", [*(f"{resource}:read" for resource in RESOURCES), "health:read"], []),
    ("editor", [f"{resource}:*" for resource in RESOURCES], ["viewer"]),
    ("admin", ["*:*"], []),
)


def upgrade() -> None:
    for table, columns in TABLES.items():
        op.execute(f"CREATE TABLE {table} ({columns})")
    for table, orders in INDEXES.items():
        for order in orders:
            name = "_".join(["ix", table, *order.replace('"', "").split(", ")])
            op.execute(f"CREATE INDEX {name} ON {table} ({order})")
    names = ARRAY(sa.Text)
    roles = sa.table(
        "roles", sa.column("name"), sa.column("permissions", names), sa.column("inherits", names)
    )
    rows = [{"name": name, "permissions": own, "inherits": inherited} for name, own, inherited in ROLES]
    op.bulk_insert(roles, rows)


def downgrade() -> None:
    for table in reversed(TABLES):
        op.execute(f"DROP TABLE {table}")
