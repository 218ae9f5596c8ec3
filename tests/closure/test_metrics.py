"""The table of metrics is the guide's list, and what is written about metrics names only those that there are."""

from __future__ import annotations

import json
import re

import pytest
import yaml

from codeai.metrics import CONSTANT, METRICS, Metrics
from tests.tree import ROOT

GUIDE = {
    "codeai_http_requests_total": ("counter", "method, path, status_code"),
    "codeai_http_request_duration_seconds": ("histogram", "method, path"),
    "codeai_http_request_size_bytes": ("histogram", "method, path"),
    "codeai_http_response_size_bytes": ("histogram", "method, path"),
    "codeai_http_active_requests": ("gauge", "method, path"),
    "codeai_db_queries_total": ("counter", "operation, table, status"),
    "codeai_db_query_duration_seconds": ("histogram", "operation, table"),
    "codeai_db_query_errors_total": ("counter", "operation, table, error_type"),
    "codeai_db_connections_active": ("gauge", ""),
    "codeai_workflow_executions_total": ("counter", "workflow_name, status"),
    "codeai_workflow_execution_duration_seconds": ("histogram", "workflow_name"),
    "codeai_workflow_active_count": ("gauge", "workflow_name"),
    "codeai_workflow_step_duration_seconds": ("histogram", "workflow_name, step_name"),
}
"""As the architecture guide has them: names, types and labels are what dashboards of others rely on."""


def test_the_table_is_the_guide_s_list() -> None:
    assert {name: (row.kind, ", ".join(row.labels)) for name, row in METRICS.items()} == GUIDE


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_is_told_under_its_name_and_type(name: str) -> None:
    text = Metrics({"version": "1", "environment": "test", "instance": "here"}).text().decode()
    assert f"# TYPE {name} {METRICS[name].kind}\n" in text
    assert f"# HELP {name} {METRICS[name].help}\n" in text


WATCHED = ("docker/alerts.yaml", "docker/grafana/codeai.json", "docs/watching.md")


@pytest.mark.parametrize("name", WATCHED)
def test_what_watches_names_only_metrics_and_labels_that_there_are(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    used = {re.sub(r"_(bucket|sum|count)$", "", one) for one in re.findall(r"\bcodeai_[a-z_]+(?<!_)", text)}
    counts = {one for one in METRICS if one.endswith("_count")}
    known = {re.sub(r"_(bucket|sum|count)$", "", one) for one in METRICS}
    assert used and used <= known | counts, name
    labels = {label for row in METRICS.values() for label in row.labels} | set(CONSTANT) | {"le"}
    grouped = {label.strip() for group in re.findall(r"\bby \(([^)]*)\)", text) for label in group.split(",")}
    assert grouped <= labels, name


def test_the_dashboard_shows_every_metric() -> None:
    board = json.loads((ROOT / "docker/grafana/codeai.json").read_text(encoding="utf-8"))
    shown = " ".join(target["expr"] for panel in board["panels"] for target in panel["targets"])
    assert [name for name in METRICS if name not in shown] == []


def test_every_alert_says_what_is_wrong() -> None:
    rules = yaml.safe_load((ROOT / "docker/alerts.yaml").read_text(encoding="utf-8"))["groups"][0]["rules"]
    assert rules and all(
        rule["expr"] and rule["annotations"]["summary"] and rule["labels"]["severity"] for rule in rules
    )
