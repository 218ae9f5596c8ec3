"""Configs, deployments, blobs, checkpoints, events, hosts, workspaces and the audit chain."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from codeai.persistence import steps
from codeai.persistence.access import Roles
from codeai.persistence.audit import Audit, NewEntry
from codeai.persistence.blobs import Blobs
from codeai.persistence.checkpoints import Checkpoints
from codeai.persistence.configs import Configs, NewConfig
from codeai.persistence.deployments import STATUS, Deployments, NewDeployment
from codeai.persistence.engine import Address, Database
from codeai.persistence.errors import InUse, NameTaken, NoSuch, VersionDiffers
from codeai.persistence.events import Event, Events
from codeai.persistence.executions import RANK, Executions, NewExecution
from codeai.persistence.hosts import Hosts, Sighting
from codeai.persistence.pages import Page
from codeai.persistence.reads import Reads
from codeai.persistence.steps import NewStep, Steps
from codeai.persistence.workspaces import Workspaces
from tests.audit import first_broken

NOW = datetime(2026, 11, 25, tzinfo=UTC)


def new_id() -> str:
    return str(uuid.uuid4())


async def test_every_save_of_a_config_is_a_version_that_stays(database: Database) -> None:
    id = new_id()
    async with database.transaction() as rows:
        configs = Configs(rows)
        await configs.create(id, NewConfig("release", "return 1", ast='{"v":1}'))
        await configs.create(id, NewConfig("release", "written again"))
        assert await configs.update(id, NewConfig("deploy", "return \0", validation_errors='["no"]')) == 2
    async with database.session() as rows:
        configs = Configs(rows)
        newest = await configs.get("deploy")
        assert newest is not None and newest == await configs.get(id)
        assert (newest.version, newest.content, newest.validation_errors) == (2, "return \0", '["no"]')
        assert newest.content_hash == hashlib.sha256(b"return \0").hexdigest()
        first = await configs.version(id, 1)
        assert first is not None and (first.name, first.content, first.ast) == (
            "release",
            "return 1",
            '{"v":1}',
        )
        assert [config.version for config in (await configs.versions(id, Page())).items] == [2, 1]
        assert [config.id for config in (await configs.page(Page())).items] == [id]
        assert await configs.get("release") is None and await configs.version(id, 3) is None


async def test_a_change_of_something_that_changed_meanwhile_is_refused(database: Database) -> None:
    id = new_id()
    async with database.transaction() as rows:
        await Configs(rows).create(id, NewConfig("one", ""))
        with pytest.raises(VersionDiffers):
            await Configs(rows).update(id, NewConfig("one", ""), if_match=2)
        await Deployments(rows).create(id, NewDeployment("one", id))
        with pytest.raises(VersionDiffers):
            await Deployments(rows).delete(id, if_match=7)
        assert await Deployments(rows).update(id, NewDeployment("one", id), if_match=1) == 2


async def test_names_are_unique_and_references_hold(database: Database) -> None:
    one, two = new_id(), new_id()
    async with database.transaction() as rows:
        await Configs(rows).create(one, NewConfig("one", ""))
        with pytest.raises(NameTaken):
            await Configs(rows).create(two, NewConfig("one", ""))
        with pytest.raises(NoSuch):
            await Deployments(rows).create(two, NewDeployment("two", config_id=two))
        await Deployments(rows).create(two, NewDeployment("two", config_id=one))
        with pytest.raises(InUse):
            await Configs(rows).delete(one)
        assert await Deployments(rows).delete(two) and not await Deployments(rows).delete(two)
        assert await Configs(rows).delete(one) and await Configs(rows).get(one) is None


async def test_a_deployment_has_the_status_of_its_newest_execution(database: Database) -> None:
    id = new_id()
    async with database.transaction() as rows:
        await Deployments(rows).create(id, NewDeployment("site"))
        seen = []
        for hours, status in enumerate(["", "complete", "failed", "cancelled", "parked"]):
            if status:
                run, at = new_id(), NOW + timedelta(hours=hours)
                await Executions(rows).open(
                    NewExecution(run, f"execution/{run}", at, deployment_id=id, status=status)
                )
            found = await Deployments(rows).get("site")
            assert found is not None
            seen.append(found.status)
        assert seen == ["pending", "complete", "failed", "stopped", "parked"]
    assert STATUS.keys() == {None, *RANK}


async def test_an_id_is_looked_for_before_a_name(database: Database) -> None:
    one, two = new_id(), new_id()
    async with database.transaction() as rows:
        await Deployments(rows).create(one, NewDeployment(two))
        await Deployments(rows).create(two, NewDeployment("other"))
        found = await Deployments(rows).get(two)
        assert found is not None and found.id == two


async def test_a_blob_is_known_by_its_hash(database: Database) -> None:
    async with database.transaction() as rows:
        hash = await Blobs(rows).put("Grüße \0")
        assert hash == await Blobs(rows).put("Grüße \0") == hashlib.sha256("Grüße \0".encode()).hexdigest()
        assert await Blobs(rows).get(hash) == "Grüße \0"
        assert await Blobs(rows).get("0" * 64) is None


async def test_the_newest_checkpoint_is_that_of_the_last_run(database: Database) -> None:
    id = new_id()
    async with database.transaction() as rows:
        for run, state in ((1, "a"), (10, "b"), (2, "c"), (10, "d")):
            await Checkpoints(rows).save(id, run, state)
        found = await Checkpoints(rows).newest(id)
        assert found is not None and (found.run, found.text) == (10, "d")
        assert await Checkpoints(rows).newest(new_id()) is None


async def test_the_journals_of_a_run_are_found_in_their_order(database: Database) -> None:
    id = new_id()
    async with database.transaction() as rows:
        kept = Checkpoints(rows)
        for run, state, journal in ((10, "d", "third"), (1, "a", "first"), (2, "c", "second"), (11, "e", "")):
            await kept.save(id, run, state, journal)
        assert list((await kept.journals(id)).items()) == [(1, "first"), (2, "second"), (10, "third")]
        assert [await kept.before(id, run) for run in (1, 2, 10)] == [None, "a", "c"]


async def test_results_of_steps_are_read_until_they_are_too_much(database: Database) -> None:
    id = new_id()
    async with database.transaction() as rows:
        await Executions(rows).open(NewExecution(id, f"execution/{id}", NOW))
        for seq, result in ((1, '"one"'), (2, None), (3, '"three"')):
            step = new_id()
            await Steps(rows).started(NewStep(step, id, seq, "exec", 10 + seq, 1, f"run {seq}", NOW))
            if result is not None:
                await Steps(rows).ended(step, 1, "succeeded", completed_at=NOW, result=result)
        found = await Steps(rows).results(id, [1, 2, 3, 4], 1000)
        assert found == ({1: ("exec", 11, '"one"'), 3: ("exec", 13, '"three"')}, False)
        assert (await Steps(rows).results(id, [1, 2, 3], 10))[1]
        assert await Steps(rows).named(id, [2, 3, 4]) == {2: (12, "run 2"), 3: (13, "run 3")}


async def test_undo_blocks_are_read_until_they_are_too_much(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "RESULTS_AT_ONCE", 2)
    id = new_id()
    async with database.transaction() as rows:
        await Executions(rows).open(NewExecution(id, f"execution/{id}", NOW))
        for seq in (5, 3, 2, 4, 6):
            step = NewStep(new_id(), id, seq, "undo" if seq > 2 else "exec", 10 + seq, 1, f"run {seq}", NOW)
            await Steps(rows).started(step)
        found, more = await Steps(rows).undo_blocks(id, 1000)
        assert [(one.seq, one.line, one.command) for one in found] == [
            (seq, 10 + seq, f"run {seq}") for seq in (3, 4, 5, 6)
        ]
        assert not more and (await Steps(rows).undo_blocks(id, 10))[1]
        assert await Steps(rows).undo_blocks(new_id(), 10) == ([], False)


async def test_an_event_is_stored_once(database: Database) -> None:
    event = Event(new_id(), "change.config", "codeai", NOW, '{"a":1}', '{"depth":0}')
    async with database.transaction() as rows:
        await Events(rows).store(event)
        await Events(rows).store(dataclasses.replace(event, data="{}"))
        assert await Events(rows).get(event.id) == event
        assert (await Events(rows).page(Page(), "change.config")).items == (event,)


async def test_a_host_whose_clock_was_set_back_is_seen_again(database: Database) -> None:
    host, now = new_id(), datetime.now(UTC)
    async with database.transaction() as rows:
        for spool, at in (("before", now + timedelta(hours=1)), ("after", now)):
            await Hosts(rows).seen(Sighting(host, "box", spool, (), 4, 1), at)
        [found] = await Hosts(rows).seen_since(now - timedelta(minutes=1), 10)
    assert (found.spool_id, found.last_seen) == ("after", now)


async def test_hosts_and_workspaces_are_remembered(database: Database) -> None:
    host, run = new_id(), new_id()
    async with database.transaction() as rows:
        for spool, at in (("b", NOW + timedelta(hours=1)), ("a", NOW)):
            await Hosts(rows).seen(Sighting(host, "box", spool, ("", spool), 4, 1), at)
        [found] = await Hosts(rows).seen_since(NOW, 10)
        assert (found.id, found.spool_id, found.labels, found.slots_taken) == (host, "b", ["", "b"], 1)
        assert await Hosts(rows).seen_since(NOW + timedelta(hours=1), 10) == []
        assert await Hosts(rows).ids() == [host]
        await Workspaces(rows).made(run, host)
        await Workspaces(rows).made(run, host)
        await Workspaces(rows).removed(run, host, NOW)
        assert [found.removed_at for found in await Workspaces(rows).of(run)] == [NOW]


async def test_roles_begin_as_viewer_editor_and_admin(reading: Reads) -> None:
    roles = {role.name: role for role in await Roles(reading).all()}
    assert roles["admin"].permissions == ("*:*",)
    assert roles["editor"].inherits == ("viewer",) and "secrets:use" not in roles["editor"].permissions
    assert "health:read" in roles["viewer"].permissions


def an_entry(**different: object) -> NewEntry:
    entry = NewEntry(new_id(), NOW, "me", "api", "config.create", "config/1", None, '{"b":"\\u0000"}')
    return dataclasses.replace(entry, **different)  # type: ignore[arg-type]


async def test_the_audit_chain_holds_and_shows_what_was_changed(database: Database, address: Address) -> None:
    async def write(entry: NewEntry) -> None:
        async with database.transaction() as rows:
            await Audit(rows).append(entry)

    first = an_entry(actor="nul \0")
    await asyncio.gather(write(first), *(write(an_entry()) for _ in range(5)))
    await write(first)
    async with database.session() as rows:
        assert [entry.seq for entry in (await Audit(rows).page(Page())).items] == [6, 5, 4, 3, 2, 1]
        assert await first_broken(rows) is None
    owner = Database.connect(address)
    async with owner.transaction() as rows:
        await rows.execute(text("UPDATE audit_log SET actor = 'somebody else' WHERE seq = 3"))
    async with owner.session() as rows:
        assert await first_broken(rows) == 3
    async with owner.transaction() as rows:
        await rows.execute(text("DELETE FROM audit_log WHERE seq = 2"))
    async with owner.session() as rows:
        assert await first_broken(rows) == 2
    await owner.close()
