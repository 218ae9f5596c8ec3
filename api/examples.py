"""The examples of the OpenAPI (★): one for each body that the API takes or gives, as a platform answered it."""

from __future__ import annotations

from typing import Any

_CONFIG = "01a223ad-7d75-7e6f-9d39-297e4e5d88a7"
_DEPLOYMENT = "01a223ad-7dd1-73e3-82d9-2541407da89c"
_RUN = "45905d6e-d2d9-4849-b6f5-5e126eda10e8"
_OPERATION = "2f6c1d3e-8f0b-5a76-9d39-0a9a8a3f5f11"
_STEP = "01e024b5-0a4b-5777-a005-0a4ebe19ddf8"
_HASH = "8f9072d9dc041b89cbd43355cf68954b2cb18838f23f02b95bb0c0c85df6434b"
_CHAIN = "a7d425184177a38f2d0526211c313b1a96ec9a9b22aa1dfce9411833e0abdb03"
_PROGRAM = 'param name = "world"\n\nvar said = exec { echo "hello $name" }\nlog(said.stdout)\n'
_BEGAN, _ENDED = "2026-11-28T19:41:42.281964Z", "2026-11-28T19:41:42.459529Z"
_SAVED = {"created_at": "2026-11-28T19:41:42.145024Z", "updated_at": "2026-11-28T19:41:42.145024Z"}

_CONFIG_VIEW: dict[str, Any] = {
    "id": _CONFIG,
    "name": "greet",
    "version": 1,
    "content": _PROGRAM,
    "content_hash": _HASH,
    "validation_errors": [],
    "workspace": None,
    **_SAVED,
}
_STEP_EVENT: dict[str, Any] = {
    "id": _STEP,
    "seq": 1,
    "kind": "exec",
    "line": 3,
    "attempt": 1,
    "status": "succeeded",
    "command": 'echo "hello $name"',
    "exit_code": 0,
    "host": "51234f19-1d6c-42c3-ac41-b31fad6350e1",
    "started_at": "2026-11-28T19:41:42.380574Z",
    "completed_at": "2026-11-28T19:41:42.406935Z",
}
_STATE: dict[str, Any] = {
    "status": "waiting",
    "program": _HASH,
    "parked_until": None,
    "approvals": [],
    "fibres": [
        {
            "line": 3,
            "source": 'var said = exec { echo "hello $name" }',
            "fibre": 1,
            "function": None,
            "variables": {"name": "billing"},
            "calls": [],
            "waits": "exec",
        }
    ],
    "pending": [1],
    "undo": [],
    "instructions": 2,
}

BODIES: dict[str, Any] = {
    "ConfigBody": {"name": "greet", "content": _PROGRAM},
    "ProgramBody": {"content": _PROGRAM},
    "DeploymentBody": {"name": "greet-billing", "inputs": {"name": "billing"}, "concurrency": "queue"},
    "ExecuteBody": {"inputs": {"name": "billing"}, "wait": True},
    "PlanBody": {"inputs": {"name": "billing"}},
    "RunBody": {"program": 'param name = "world"\n\nlog("hello ${name}")\n', "inputs": {"name": "billing"}},
    "DecideBody": {"step": 2, "comment": "looks good"},
    "HoldBody": {"comment": "the registry is away"},
    "RetryBody": {"comment": "the disk is empty again"},
    "PatchBody": {"program": _PROGRAM, "comment": "a typo"},
    "SkipBody": {"value": "v1.4.2", "comment": "tagged by hand"},
    "SetBody": {"name": "replicas", "value": 3},
    "ParkedBody": {"comment": "wrong cluster"},
    "CompensateBody": {"wait": True},
    "EventBody": {"type": "order.paid", "data": {"order": 7}},
    "SecretValue": {"value": "a-token-of-the-registry"},
    "RoleBody": {"permissions": ["deployments:execute", "secrets:use"], "inherits": ["viewer"]},
    "QueryBody": {
        "query": "SELECT name, version FROM configs WHERE name = @name",
        "params": {"name": "greet"},
    },
}
"""What is sent, by the name of its schema."""

VIEWS: dict[str, Any] = {
    "ConfigView": _CONFIG_VIEW,
    "VersionView": {
        **_CONFIG_VIEW,
        "content": "log(1)\n",
        "ast": {
            "version": 1,
            "nodes": [
                {"node_type": "Program", "start": 0, "end": 7, "params": [], "body": [1]},
                {"node_type": "Call", "start": 0, "end": 6, "name": 2, "arguments": [3]},
                {"node_type": "Identifier", "start": 0, "end": 3, "name": "log"},
                {"node_type": "Argument", "start": 4, "end": 5, "name": None, "value": 4},
                {"node_type": "NumberLiteral", "start": 4, "end": 5, "value": 1},
            ],
        },
    },
    "Examination": {
        "valid": True,
        "diagnostics": [],
        "params": [{"name": "name", "required": False, "line": 1, "column": 7}],
    },
    "Layout": {"content": _PROGRAM},
    "DeploymentView": {
        "id": _DEPLOYMENT,
        "name": "greet-billing",
        "config_id": _CONFIG,
        "version": None,
        "inputs": {"name": "billing"},
        "failure_policy": "undo",
        "park_timeout": None,
        "concurrency": "queue",
        "concurrency_key": None,
        "status": "complete",
        "revision": 1,
        **_SAVED,
    },
    "PlanView": {
        "missing_inputs": [],
        "entries": [
            {
                "kind": "exec",
                "line": 3,
                "calls": [],
                "text": 'echo "hello $name"',
                "variables": {"name": {"value": "billing", "known": True}},
                "options": {},
                "undo": None,
            },
            {
                "kind": "effect",
                "line": 4,
                "calls": [],
                "effect": "log",
                "arguments": {"text": {"value": "<stdout of line 3>", "known": False}},
            },
        ],
        "fails": False,
        "undo": [],
        "needs": {
            "permissions": ["deployments:execute"],
            "secrets": [],
            "queues": [],
            "configs": [],
            "approvals": [],
        },
        "cut": None,
    },
    "StoppedView": {"id": _DEPLOYMENT, "cancelled": [_RUN]},
    "StartedView": {"id": _RUN, "status": "queued"},
    "ResultView": {
        "execution_id": _RUN,
        "status": "complete",
        "result": None,
        "error": None,
        "undo_failed": [],
        "completed_at": _ENDED,
    },
    "ExecutionView": {
        "id": _RUN,
        "workflow_id": f"execution/{_RUN}",
        "deployment_id": _DEPLOYMENT,
        "config_id": _CONFIG,
        "version": 1,
        "content_hash": _HASH,
        "status": "complete",
        "status_text": None,
        "inputs": {"name": "billing"},
        "result": None,
        "error": None,
        "undo_failed": [],
        "failure_policy": "undo",
        "triggered_by": "ann",
        "command": 'echo "hello $name"',
        "output": "hello billing",
        "exit_code": 0,
        "started_at": _BEGAN,
        "completed_at": _ENDED,
        "created_at": "2026-11-28T19:41:42.339993Z",
        "updated_at": "2026-11-28T19:41:42.468400Z",
    },
    "StepView": {**_STEP_EVENT, "stdout": "hello billing", "stderr": ""},
    "StepEvent": _STEP_EVENT,
    "StatusEvent": {"status": "waiting", "status_text": "approval at line 4"},
    "EndEvent": {"status": "complete"},
    "LogView": {
        "offset": 1,
        "step_id": _STEP,
        "attempt": 1,
        "stream": "stdout",
        "time": "2026-11-28T19:41:42.403000Z",
        "text": "hello billing\n",
    },
    "TraceView": {
        "execution_id": _RUN,
        "status": "complete",
        "complete": True,
        "total": 6,
        "items": [
            {
                "index": 3,
                "kind": "answer",
                "fibre": 1,
                "line": 3,
                "source": 'var said = exec { echo "hello $name" }',
                "step": 1,
                "name": "exec",
                "exit_code": 0,
                "value": "hello billing",
                "changed": [{"name": "said", "after": "hello billing"}],
            }
        ],
        "cut": None,
        "runs": [1],
        "view": None,
    },
    "CommandView": {"id": _RUN, "status": "accepted", "step": 2, "fibre": None},
    "ApprovalView": {
        "execution_id": _RUN,
        "deployment_id": _DEPLOYMENT,
        "step": 2,
        "line": 4,
        "text": "Ship billing?",
        "role": "editor",
        "deadline": "2026-11-29T19:41:42.459529Z",
        "asked_at": _ENDED,
        "allow_self": True,
    },
    "EventView": {
        "id": "cbc1662d-b113-57fe-8b82-8ec0ab4e0079",
        "type": "workflow.completed",
        "source": "ExecuteDeployment",
        "timestamp": _ENDED,
        "data": {
            "execution_id": _RUN,
            "deployment_id": _DEPLOYMENT,
            "config_id": _CONFIG,
            "version": 1,
            "triggered_by": "ann",
            "status": "complete",
            "error": None,
        },
        "metadata": {"correlation_id": _RUN, "causation_id": None, "depth": 0},
    },
    "SecretView": {
        "name": "registry",
        "mask": True,
        "version": 1,
        "key_id": "851c92fa604baa0d",
        "created_by": "ann",
        **_SAVED,
    },
    "RoleView": {
        "name": "releaser",
        "permissions": ["deployments:execute", "secrets:use"],
        "inherits": ["viewer"],
        "version": 1,
        **_SAVED,
    },
    "AuditView": {
        "seq": 85,
        "id": "a3e342d9-2541-407d-a89c-e764bf2fb499",
        "at": "2026-11-28T19:41:42.238187Z",
        "actor": "ann",
        "via": "api",
        "action": "delete",
        "entity": f"deployment/{_DEPLOYMENT}",
        "request_id": "1ee95d5c-d2cf-4a84-87c7-0d3bbd1cd33a",
        "workflow_id": "change/a3e342d9-2541-407d-a89c-e764bf2fb499",
        "details": {"before": {"name": "greet-billing", "revision": 1}, "after": None},
        "previous": _CHAIN,
        "hash": "19d0ca50e32f13a594208ed0ccac2b063d4783f3a2e560282c214e5f72cf98ec",
    },
    "RowsView": {
        "columns": [{"name": "name", "type": "text"}, {"name": "version", "type": "integer"}],
        "rows": [["greet", 1]],
        "next_cursor": None,
    },
    "OperationView": {
        "id": _OPERATION,
        "status": "completed",
        "resource": f"/configs/{_CONFIG}",
        "problem": None,
    },
    "MeView": {
        "subject": "ann",
        "roles": ["admin"],
        "permissions": ["*:*"],
        "expires_at": "2026-11-29T07:41:41Z",
    },
    "HealthView": {
        "status": "ok",
        "parts": {
            "database": "ok",
            "temporal": "ok",
            "queue codeai-workflows (workflows)": "ok",
            "queue codeai-workflows (activities)": "ok",
            "queue codeai-exec (activities)": "ok",
            "host build-7 (01920c5e-4f1a-7b33-9d0e-2f1f3f9a6c11)": "ok",
        },
        "hosts": [
            {
                "id": "01920c5e-4f1a-7b33-9d0e-2f1f3f9a6c11",
                "name": "build-7",
                "labels": ["", "gpu"],
                "slots": 4,
                "slots_taken": 1,
                "last_seen": "2026-11-28T19:41:41Z",
                "state": "ok",
            }
        ],
    },
}
"""What is answered, by the name of its schema; a list has one of its items."""
VIEWS["SecretListing"] = {
    "items": [VIEWS["SecretView"]],
    "total": 1,
    "next_cursor": None,
    "seal_key": "rt+vvh8JBbmilCEI+f5BCOwNDUQiIL/8hvz/jw7D2EA=",
}

OF_OPERATIONS: dict[str, Any] = {"show_state": _STATE}
"""What is answered by operations whose answer has no schema of its own."""


def example_of(schema: str) -> Any:
    """The example of a named schema, or None where it has none."""
    listed = schema.removeprefix("Listing_").removesuffix("_")
    if listed != schema:
        return {"items": [VIEWS[listed]], "total": 1, "next_cursor": None}
    return BODIES.get(schema, VIEWS.get(schema))
