"""`load_program`: a text, a hash, a config or a deployment becomes the compiled program, or says why not."""

from __future__ import annotations

import hashlib
import uuid

import pytest
from temporalio.testing import ActivityEnvironment

from codeai.activities.canonical import canonical
from codeai.activities.compilers import Compilers, compiled
from codeai.activities.programs import Programs
from codeai.persistence.blobs import Blobs
from codeai.persistence.configs import Configs, NewConfig
from codeai.persistence.deployments import Deployments, NewDeployment
from codeai.persistence.engine import Database
from codeai.workflows.contracts.executions import FailurePolicy
from codeai.workflows.contracts.records import LoadInput, LoadResult
from codeai.workflows.contracts.shell import WorkspaceSeed

SEED = WorkspaceSeed(files={"a.txt": "text"})


@pytest.fixture
def programs(database: Database, compilers: Compilers) -> Programs:
    return Programs(database, compilers)


async def load(programs: Programs, **given: object) -> LoadResult:
    return await ActivityEnvironment().run(programs.load_program, LoadInput.model_validate(given))


async def config(database: Database, *contents: str, name: str = "release") -> str:
    """A config with a version for each content."""
    id = str(uuid.uuid4())
    async with database.transaction() as rows:
        await Configs(rows).create(id, NewConfig(name, contents[0], workspace=canonical(SEED)))
        for content in contents[1:]:
            await Configs(rows).update(id, NewConfig(name, content))
    return id


async def deployment(database: Database, config_id: str | None, **more: object) -> str:
    id = str(uuid.uuid4())
    async with database.transaction() as rows:
        await Deployments(rows).create(id, NewDeployment("shop", config_id, **more))
    return id


async def test_a_text_is_kept_by_its_hash_and_found_by_it_again(
    programs: Programs, database: Database
) -> None:
    text = "return 'ü'".replace("'", '"')
    loaded = await load(programs, program=text)
    assert loaded == LoadResult(program_hash=hashlib.sha256(text.encode()).hexdigest(), code=compiled(text))
    assert await load(programs, program=text) == loaded
    assert await load(programs, program_hash=loaded.program_hash) == loaded
    another_worker = Programs(database, programs.compilers)
    assert await load(another_worker, program_hash=loaded.program_hash) == loaded
    async with database.session() as rows:
        assert await Blobs(rows).get(loaded.program_hash) == text


@pytest.mark.parametrize(("version", "runs"), [(None, "return 2"), (1, "return 1"), (2, "return 2")])
async def test_a_config_is_found_by_name_and_id_at_the_wanted_version(
    programs: Programs, database: Database, version: int | None, runs: str
) -> None:
    id = await config(database, "return 1", "return 2")
    for wanted in ("release", id):
        loaded = await load(programs, config=wanted, version=version)
        assert (loaded.config_id, loaded.version, loaded.code) == (id, version or 2, compiled(runs))
        assert loaded.workspace == (SEED if loaded.version == 1 else None)


async def test_a_deployment_brings_inputs_policy_and_its_configs_version(
    programs: Programs, database: Database
) -> None:
    config_id = await config(database, "return 1", "return 2")
    inputs = '{"rate":2.0,"z":[1],"a":null}'
    id = await deployment(database, config_id, version=1, inputs=inputs, failure_policy="fail")
    for wanted in ("shop", id):
        loaded = await load(programs, deployment=wanted)
        assert (loaded.deployment_id, loaded.config_id, loaded.version) == (id, config_id, 1)
        assert canonical(loaded.inputs) == inputs
        assert loaded.failure_policy is FailurePolicy.FAIL
        assert loaded.code == compiled("return 1")
    assert (await load(programs, deployment=id, version=2)).code == compiled("return 2")


@pytest.mark.parametrize(
    ("given", "kind", "message"),
    [
        ({}, "invalid_input", "one of deployment, config and program must say what to run"),
        ({"config": "none"}, "not_found", "there is no config 'none'"),
        ({"config": "release", "version": 7}, "not_found", "there is no config 'release' version 7"),
        ({"deployment": "none"}, "not_found", "there is no deployment 'none'"),
        ({"deployment": "shop"}, "no_config", "deployment 'shop' has no config yet"),
        ({"program_hash": "0" * 64}, "not_found", "the program's text is gone from the database"),
        (
            {"program": "return nobody"},
            "invalid_input",
            'the program has 1 error; line 1: unknown name "nobody"',
        ),
        (
            {"config": "release"},
            "invalid_input",
            'the program has 1 error; line 1: unknown name "draft"',
        ),
    ],
)
async def test_what_cannot_be_run_says_why(
    programs: Programs, database: Database, given: dict[str, object], kind: str, message: str
) -> None:
    await config(database, "return draft")
    await deployment(database, None)
    loaded = await load(programs, **given)
    assert loaded.error is not None
    assert (loaded.error.kind, loaded.error.message, loaded.code) == (kind, message, "")
    assert await load(programs, **given) == loaded
