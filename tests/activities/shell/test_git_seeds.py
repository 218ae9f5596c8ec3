"""A workspace from git: by the real git from a real server, and which names are never given to it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest
from pydantic import ValidationError

from codeai.activities.shell import workspaces
from codeai.activities.shell.errors import SeedError
from codeai.activities.shell.git_seeds import Way, environment, options, way_to
from codeai.activities.shell.workspaces import Workspaces
from codeai.settings import OutboundSettings
from codeai.targets import Target
from codeai.workflows.contracts.git_seeds import GitSeed, Place, place_of
from codeai.workflows.contracts.shell import WorkspaceSeed
from tests.activities.shell.git_server import GitServer, available, git


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("https://git.example.com/a/b.git", Place("https", "git.example.com", 443)),
        ("https://git.example.com:8443/a", Place("https", "git.example.com", 8443)),
        ("ssh://git@git.example.com/a/b.git", Place("ssh", "git.example.com", 22)),
        ("ssh://git@[2001:db8::1]:2222/a", Place("ssh", "2001:db8::1", 2222)),
    ],
)
def test_where_a_repository_may_be(url: str, place: Place) -> None:
    assert place_of(url) == place


@pytest.mark.parametrize(
    "url",
    [
        "http://host/a",
        "git://host/a",
        "file:///etc",
        "/etc",
        "../a",
        "git@host:a/b.git",
        "ext::sh -c id",
        "https::http://host/a",
        "--upload-pack=id",
        "ssh://-oProxyCommand=id/a",
        "ssh://-l@host/a",
        "ssh://git@-x/a",
        "https://user:password@host/a",
        "https://host/a b",
        "https://host/a\n",
        "https://host:0/a",
        "https://host:99999/a",
        "https://ho$st/a",
        "https:///a",
        "HTTPS://host",
    ],
)
def test_no_other_url_comes_to_git(url: str) -> None:
    with pytest.raises(ValidationError):
        GitSeed(url=url)


@pytest.mark.parametrize(
    "revision", ["", "-x", "--orphan", "a..b", "a b", "HEAD@{1}", "a:b", "^a", "a\n", "a~1"]
)
def test_no_other_revision_comes_to_git(revision: str) -> None:
    with pytest.raises(ValidationError):
        GitSeed(url="https://host/a", revision=revision)


def test_git_goes_to_the_address_that_was_judged() -> None:
    addresses = (ip_address("93.184.215.14"), ip_address("2606::1"))
    https = Way(Place("https", "host", 443), addresses)
    assert "http.curloptResolve=host:443:93.184.215.14,[2606::1]" in options(https)
    assert "protocol.https.allow=always" in options(https) and "protocol.ssh.allow=always" not in options(
        https
    )
    ssh = environment(Way(Place("ssh", "host", 2222), addresses), {"GIT_DIR": "/x", "HOME": "/h"})
    command = "ssh -o BatchMode=yes -o HostName=93.184.215.14 -o 'HostKeyAlias=[host]:2222'"
    assert (ssh["GIT_SSH_COMMAND"], ssh["HOME"], "GIT_DIR" in ssh) == (command, "/h", False)
    proxied = options(Way(Place("https", "host", 443), addresses, "http://proxy:3128"))
    assert "http.proxy=http://proxy:3128" in proxied and not any("Resolve" in word for word in proxied)


@pytest.mark.parametrize("url", ["https://127.0.0.1/a", "https://localhost/a", "ssh://git@169.254.169.254/a"])
async def test_what_is_not_on_the_public_internet_has_to_be_allowed(url: str) -> None:
    with pytest.raises(SeedError, match="CODEAI_OUTBOUND_ALLOW"):
        await way_to(GitSeed(url=url), OutboundSettings())


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitServer]:
    if not available():
        pytest.skip("git or openssl is not here")
    root = tmp_path_factory.mktemp("git")
    source = root / "source"
    source.mkdir()
    git(source, "init", "-q", "-b", "main")
    (source / "file").write_text("one\n")
    (source / "hooks").mkdir()
    (source / "hooks" / "post-checkout").write_text("#!/bin/sh\ntouch /tmp/codeai-hook-ran\n")
    (source / "hooks" / "post-checkout").chmod(0o755)
    (source / ".gitattributes").write_text("file filter=evil\n")
    (source / ".gitmodules").write_text('[submodule "s"]\n\tpath = s\n\turl = https://127.0.0.1:9/s\n')
    git(source, "add", ".")
    git(source, "commit", "-qm", "one")
    git(source, "tag", "v1")
    (source / "file").write_text("two\n")
    git(source, "commit", "-qam", "two")
    git(source, "switch", "-qc", "feature/x")
    (source / "file").write_text("of the branch\n")
    git(source, "commit", "-qam", "branch")
    git(source, "switch", "-q", "main")
    git(root, "clone", "-q", "--bare", "source", "repo.git")
    git(root, "init", "-q", "--bare", "empty.git")
    serving = GitServer(root)
    yield serving
    serving.shutdown()


@pytest.fixture
def made(server: GitServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspaces:
    monkeypatch.setenv("GIT_SSL_CAINFO", str(server.certificate))
    return Workspaces(tmp_path / "runs", [], [], OutboundSettings(allow=(Target.read("localhost"),)))


async def seeded(made: Workspaces, url: str, revision: str = "HEAD") -> Path:
    return await made.of(f"run-{os.urandom(4).hex()}", WorkspaceSeed(git=GitSeed(url=url, revision=revision)))


@pytest.mark.parametrize(
    ("revision", "content"),
    [("HEAD", "two\n"), ("main", "two\n"), ("v1", "one\n"), ("feature/x", "of the branch\n")],
)
async def test_a_repository_at_a_branch_or_a_tag(
    made: Workspaces, server: GitServer, revision: str, content: str
) -> None:
    work = await seeded(made, server.url("repo.git"), revision)
    assert (work / "file").read_text() == content
    assert git(work, "describe", "--tags", "--always").startswith("v1")
    assert not list((work / ".git" / "hooks").glob("*")) and not (work / "s").exists()


async def test_a_repository_at_a_commit_whole_or_short(made: Workspaces, server: GitServer) -> None:
    commit = git(server.root / "source", "rev-parse", "v1")
    for name in (commit, commit[:8]):
        assert (await seeded(made, server.url("repo.git"), name) / "file").read_text() == "one\n"


async def test_files_are_written_over_what_the_repository_has(made: Workspaces, server: GitServer) -> None:
    seed = WorkspaceSeed(git=GitSeed(url=server.url("repo.git")), files={"file": "mine"})
    assert (await made.of("run", seed) / "file").read_text() == "mine"


@pytest.mark.parametrize(
    ("name", "revision", "message"),
    [
        ("repo.git", "nowhere", "no branch, tag or commit 'nowhere'"),
        ("repo.git", "0" * 40, "no branch, tag or commit '0000"),
        ("empty.git", "HEAD", "no branch, tag or commit 'HEAD'"),
        ("none.git", "HEAD", "not found"),
    ],
)
async def test_what_is_not_there_is_said_and_leaves_nothing(
    made: Workspaces, server: GitServer, tmp_path: Path, name: str, revision: str, message: str
) -> None:
    with pytest.raises(SeedError, match=message):
        await seeded(made, server.url(name), revision)
    assert list((tmp_path / "runs").iterdir()) == []


async def test_a_full_disk_is_not_the_repositorys_fault(
    made: Workspaces, server: GitServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git = tmp_path / "full" / "git"
    git.parent.mkdir()
    git.write_text("#!/bin/sh\necho 'fatal: write error: No space left on device' >&2\nexit 128\n")
    git.chmod(0o755)
    with monkeypatch.context() as patch:
        patch.setenv("PATH", f"{git.parent}:{os.environ['PATH']}")
        with pytest.raises(OSError, match="No space left"):
            await seeded(made, server.url("repo.git"))
    assert (await seeded(made, server.url("repo.git"))).is_dir()


async def test_a_redirect_is_not_followed(made: Workspaces, server: GitServer) -> None:
    server.moved["moved.git"] = server.url("repo.git") + "?"
    with pytest.raises(SeedError, match=r"redirect|302"):
        await seeded(made, server.url("moved.git"))


async def test_a_certificate_that_nobody_vouches_for_is_refused(
    made: Workspaces, server: GitServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GIT_SSL_CAINFO")
    with pytest.raises(SeedError, match="certificate"):
        await seeded(made, server.url("repo.git"))


async def test_a_repository_over_the_limit_is_refused(
    made: Workspaces, server: GitServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workspaces, "LIMIT", 100)
    with pytest.raises(SeedError, match="more than 1 GiB"):
        await seeded(made, server.url("repo.git"))


async def test_a_worker_that_stops_lets_go_of_it(made: Workspaces, server: GitServer, tmp_path: Path) -> None:
    made.close()
    with pytest.raises(InterruptedError):
        await seeded(made, server.url("repo.git"))
    assert list((tmp_path / "runs").iterdir()) == []
