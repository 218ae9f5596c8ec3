"""The data folder, the credentials and how the command line finds its server."""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey

from codeai.stack.credentials import Credentials
from codeai.stack.errors import NotRunning, StackError
from codeai.stack.folder import DataFolder
from codeai.stack.locate import data_folder, locate
from codeai.stack.processes import Process
from codeai.stack.tokens import sign


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def up_in(folder: DataFolder, url: str) -> None:
    """As if this process were the `codeai up` of the folder."""
    me = Process.of(os.getpid())
    assert me is not None
    folder.make()
    folder.note(
        {
            "pid": me.pid,
            "started": me.started,
            "url": url,
            "temporal_address": "t:1",
            "ui_url": None,
            "ready": True,
            "children": {},
        }
    )


def test_the_folder_is_for_its_user_only(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "a b" / ".codeai")
    folder.path.mkdir(parents=True, mode=0o755)
    folder.make()
    secret = folder.make_jwt_secret()
    assert mode(folder.path) == 0o700 and mode(folder.jwt_secret) == 0o600
    assert folder.make_jwt_secret() == secret and len(secret) >= 32
    public = folder.make_seal_key()
    assert mode(folder.seal_key) == 0o600 and folder.make_seal_key() == public
    assert public not in folder.seal_key.read_text()
    folder.seal_key.write_text("\n")
    with pytest.raises(StackError, match="its first line is no key"):
        folder.make_seal_key()


def test_a_folder_that_cannot_be_made_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StackError, match=r"cannot write to .*: .*; choose another with --data-dir"):
        DataFolder(tmp_path / "file" / ".codeai").make()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_somebody_elses_folder_is_refused(tmp_path: Path) -> None:
    os.chown(tmp_path, 65534, 65534)
    with pytest.raises(StackError, match="belongs to nobody; choose another with --data-dir"):
        DataFolder(tmp_path).make()


def test_one_at_a_time(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / ".codeai")
    folder.make()
    with folder.locked():
        with pytest.raises(StackError, match="is starting in"), folder.locked():
            pass
        up_in(folder, "http://here:1")
        with (
            pytest.raises(StackError, match=r"runs in .* already \(pid .*http://here:1\); stop it"),
            folder.locked(),
        ):
            pass
    with folder.locked():
        pass


def test_the_note_of_a_dead_up_is_not_believed(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    up_in(folder, "http://here:1")
    folder.note(folder.noted() | {"started": "1"})
    assert folder.running() is None
    (tmp_path / "up.json").write_text("[")
    assert folder.running() is None


def test_the_server_is_the_one_asked_for_else_the_one_of_this_folder_else_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = {"XDG_CONFIG_HOME": str(tmp_path / "config")}
    deep, elsewhere = tmp_path / "mine" / "deep", tmp_path / "elsewhere"
    deep.mkdir(parents=True)
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    with pytest.raises(NotRunning, match="nothing is running here; start it with: codeai up"):
        locate(None, environment)
    mine, other = DataFolder(tmp_path / "mine" / ".codeai"), DataFolder(tmp_path / "other")
    up_in(mine, "http://mine:1")
    up_in(other, "http://other:2")
    credentials = Credentials.of(environment)
    credentials.keep("http://mine:1", "token of mine", mine.path)
    credentials.keep("http://other:2", "token of other", other.path)
    assert (locate(None, environment).url, locate(None, environment).token) == (
        "http://other:2",
        "token of other",
    )
    monkeypatch.chdir(deep)
    assert locate(None, environment).token == "token of mine"
    assert locate("http://other:2/", environment).token == "token of other"
    assert locate(None, environment | {"CODEAI_URL": "http://far"}).token is None
    assert locate(None, environment | {"CODEAI_TOKEN": "given"}).token == "given"
    found = data_folder(environment | {"CODEAI_DATA_DIR": str(other.path)})
    assert found == other
    assert mode(credentials.path) == 0o600 and mode(credentials.path.parent) == 0o700


def test_a_stopped_platform_here_is_not_replaced_by_another_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = {"XDG_CONFIG_HOME": str(tmp_path / "config")}
    other = DataFolder(tmp_path / "other")
    up_in(other, "http://other:2")
    Credentials.of(environment).keep("http://other:2", "token", other.path)
    (tmp_path / "here" / ".codeai").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(NotRunning):
        locate(None, environment)


def test_a_token_has_all_that_the_api_asks_for() -> None:
    secret = "s" * 32
    before = time.time()
    token = sign(secret, subject="me", roles=["admin"], lifetime=60)
    decoded = jwt.decode(token, OctKey.import_key(secret), algorithms=["HS256"])
    claims = decoded.claims
    assert {"iss", "aud", "sub", "iat", "exp", "jti", "roles"} == claims.keys()
    assert claims["roles"] == ["admin"] and 59 <= claims["exp"] - before <= 61
