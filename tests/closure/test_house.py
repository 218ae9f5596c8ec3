"""The house: every module says its one job, and none has grown a second one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tree import ROOT, job, modules

GENERATED = {"dsl/grammar_table.py", "dsl/query/grammar_table.py"}
LONGEST = 450
EMPTY_NAMES = {
    "utils",
    "util",
    "helpers",
    "helper",
    "common",
    "misc",
    "manager",
    "service",
    "services",
    "handler",
}


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_has_one_job_and_says_it(path: Path) -> None:
    if str(path.relative_to(ROOT)) in GENERATED:
        return
    assert job(path), "the first docstring line is the module's one job"
    assert path.read_text(encoding="utf-8").count("\n") <= LONGEST
    assert path.stem not in EMPTY_NAMES


def test_the_lock_names_no_index() -> None:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert "://" not in lock and "--index" not in lock
    assert lock.count("--hash=sha256:") > 100


@pytest.mark.parametrize(
    "name",
    [
        "docker/compose.yaml",
        "config/development.yaml",
        "temporal-config/dynamicconfig.yaml",
        "docker/alerts.yaml",
        "docker/prometheus.yaml",
    ],
)
def test_configuration_files_are_readable(name: str) -> None:
    import yaml

    assert yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


def test_compose_names_only_files_that_are_there() -> None:
    import re

    text = (ROOT / "docker/compose.yaml").read_text(encoding="utf-8")
    for name in re.findall(r"/(?:opt|etc)/codeai/([\w.-]+)", text):
        assert (ROOT / "temporal-config" / name).exists(), name


def test_compose_sets_only_settings_that_there_are() -> None:
    import yaml

    from codeai.settings import ROWS

    services = yaml.safe_load((ROOT / "docker/compose.yaml").read_text(encoding="utf-8"))["services"]
    ours = [one["environment"] for one in services.values() if "dockerfile" in str(one.get("build"))]
    assert len(ours) >= 4
    assert {name for each in ours for name in each} <= {name for row in ROWS for name in row.names}
