"""Where settings are read from: a file, the environment, and files that the environment names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from codeai.settings_rows import Row

NOT_SETTINGS = re.compile(
    r"CODEAI_(ENV|URL|TOKEN|DATA_DIR"  # for the command line
    r"|EXECUTION_ID|ATTEMPT|WORKSPACE|FILES|STEP_[A-Z_]+)"  # of a step that calls us
)
"""Names with our prefix that mean something else (★)."""


def _found_file(environment: Mapping[str, str]) -> Path:
    return Path("config") / f"{environment.get('CODEAI_ENV') or 'development'}.yaml"


def files_of(environment: Mapping[str, str], file: Path | None, rows: Sequence[Row]) -> tuple[Path, ...]:
    """Every file that is read for settings."""
    named = (
        environment.get(f"{name}_FILE")
        for row in rows
        if row.from_file or row.private_file
        for name in row.names
    )
    return (file or _found_file(environment), *(Path(one) for one in named if one))


def from_file(
    environment: Mapping[str, str],
    file: Path | None,
    rows: Sequence[Row],
    problems: list[str],
    notes: list[str],
) -> dict[str, tuple[object, str]]:
    """The values in `file` (else `config/<CODEAI_ENV>.yaml`, if it is there) with where each stands, by path."""
    import yaml

    sections = list(dict.fromkeys(row.section for row in rows))
    named = file is not None
    file = file or _found_file(environment)
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    except FileNotFoundError:
        if named or environment.get("CODEAI_ENV"):
            problems.append(f"{file}: there is no such file")
        return {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as problem:
        reason = getattr(problem, "strerror", None) or str(problem).replace("\n", " ")
        problems.append(f"{file}: cannot be read: {reason}")
        return {}
    if not isinstance(content, dict):
        problems.append(f"{file}: must hold sections: {', '.join(sections)}")
        return {}
    given: dict[str, tuple[object, str]] = {}
    known = {row.path for row in rows}
    for section, keys in content.items():
        if section not in sections:
            # A file that we found by ourselves may belong to another program, too.
            (problems if named else notes).append(f"{file}: {section} is no section ({', '.join(sections)})")
        elif not isinstance(keys, dict):
            problems.append(f"{file}: {section} must hold settings")
        else:
            unknown = [key for key in keys if f"{section}.{key}" not in known]
            problems += [f"{file}: there is no setting {section}.{key}" for key in unknown]
            given |= {
                f"{section}.{key}": (value, str(file))
                for key, value in keys.items()
                if key not in unknown and value is not None
            }
    return given


def from_environment(
    environment: Mapping[str, str], rows: Sequence[Row], problems: list[str]
) -> dict[str, tuple[object, str]]:
    """The values in the environment, and in files that it names, with where each stands, by path."""
    given: dict[str, tuple[object, str]] = {}
    known: set[str] = set()
    for row in rows:
        known.update(row.names, (f"{name}_FILE" for name in row.names if row.from_file))
        for name in row.names:
            if row.from_file and environment.get(f"{name}_FILE"):
                source = Path(environment[f"{name}_FILE"])
                if name in environment:
                    problems.append(f"{name}_FILE: {name} is set as well; set one of the two")
                try:
                    if row.private_file and (mode := source.stat().st_mode & 0o777) & 0o077:
                        problems.append(f"{name}_FILE: {source} has mode {mode:04o}; do: chmod 600 {source}")
                    given.setdefault(row.path, (source.read_text(encoding="utf-8").strip(), f"{name}_FILE"))
                except (OSError, UnicodeDecodeError) as problem:
                    problems.append(
                        f"{name}_FILE: cannot read {source}: {getattr(problem, 'strerror', problem)}"
                    )
            elif environment.get(name):
                given.setdefault(row.path, (environment[name], name))
    for name in sorted(environment):
        if name.startswith("CODEAI_") and name not in known and not NOT_SETTINGS.fullmatch(name):
            problems.append(f"{name}: there is no such setting; `codeai config show` lists them")
    return given
