"""The sandbox of steps: bubblewrap, with a system that is read-only, and of the platform nothing but the step's own."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

SYSTEM = tuple(
    Path(path)
    for path in ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc", "/opt", "/nix/store")
)
"""What every step sees, read-only, as far as it is there."""
_RESOLVER = Path("/etc/resolv.conf")
_PATIENCE = 10.0  # how long the trial may take, seconds


class NoSandbox(Exception):
    """Steps cannot be run in the sandbox that is asked for: why, and what to do."""


@dataclass(frozen=True, slots=True)
class Sandbox:
    """What a step sees. `private` is hidden wherever it lies; `paths` are shown besides the system."""

    network: bool = True
    paths: tuple[Path, ...] = ()
    private: tuple[Path, ...] = ()

    def argv(
        self, command: Sequence[str], cwd: str, own: Path, work: Path, shown: Iterable[Path]
    ) -> list[str]:
        """The command as bubblewrap is asked for it. `own` is the run's folder, with its home and what it puts in
        /tmp beside the workspace; `shown` is what is its step's only. NoSandbox where there is no bubblewrap."""
        words = [_bwrap(), "--unshare-pid", "--unshare-ipc", "--cap-drop", "ALL"]
        words += [] if self.network else ["--unshare-net"]
        for path in SYSTEM:
            if path.is_symlink():
                words += ["--symlink", str(path.readlink()), str(path)]
            elif path.is_dir():
                words += ["--ro-bind", str(path), str(path)]
        words += ["--dev", "/dev", "--proc", "/proc"]
        resolver = _RESOLVER.resolve()
        if resolver != _RESOLVER and resolver.exists():
            words += ["--ro-bind", str(resolver), str(resolver)]
        for name, place in (("tmp", Path("/tmp")), ("home", Path.home())):  # noqa: S108 - the sandbox's own
            if place != Path("/"):
                (own / name).mkdir(mode=0o700, exist_ok=True)
                words += ["--bind", str(own / name), str(place)]
        for path in self.paths:
            words += ["--ro-bind-try", str(path), str(path)]
        for path in self.private:
            if any(path.is_relative_to(visible) for visible in (*SYSTEM, *self.paths)):
                words += (
                    ["--tmpfs", str(path)] if path.is_dir() else ["--ro-bind-try", "/dev/null", str(path)]
                )
        for path in (work, *shown):
            words += ["--bind", str(path), str(path)]
        return [*words, "--chdir", cwd, "--", *command]


def try_it(sandbox: Sandbox, folder: Path) -> None:
    """Runs nothing in the sandbox, to see that it works here. NoSandbox where it does not."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    own = Path(tempfile.mkdtemp(prefix=".sandbox.", dir=folder))  # another worker may be trying it, too
    (own / "work").mkdir()
    try:
        words = sandbox.argv(["/bin/sh", "-c", ":"], str(own / "work"), own, own / "work", ())
        tried = subprocess.run(
            words, stdin=subprocess.DEVNULL, capture_output=True, timeout=_PATIENCE, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as problem:
        raise NoSandbox(f"worker.sandbox is bwrap, which cannot be run here: {problem}") from problem
    finally:
        shutil.rmtree(own, ignore_errors=True)
    if tried.returncode:
        said = (tried.stderr.decode("utf-8", "replace").strip().splitlines() or ["it said nothing"])[-1]
        raise NoSandbox(
            f"worker.sandbox is bwrap, which does not work here: {said}; allow user namespaces (sysctl "
            "kernel.unprivileged_userns_clone=1, kernel.apparmor_restrict_unprivileged_userns=0), or set "
            "CODEAI_WORKER_SANDBOX=off"
        )


def _bwrap() -> str:
    found = shutil.which("bwrap")
    if found is None:
        raise NoSandbox(
            "worker.sandbox is bwrap, and there is no bubblewrap on this host: install it (the package is called "
            "bubblewrap), or set CODEAI_WORKER_SANDBOX=off"
        )
    return found
