"""The host: what shares one workspace root, and this worker's part in it."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from temporalio import activity
from temporalio.client import AsyncActivityCancelledError, Client
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from codeai.activities.secrets import Secrets
from codeai.activities.shell import formats
from codeai.activities.shell.attendant import ANSWER, renew_lease
from codeai.activities.shell.attendants import Attendants
from codeai.activities.shell.control import HostControl
from codeai.activities.shell.desk import Desk
from codeai.activities.shell.labels import Labels
from codeai.activities.shell.record import StepRecord
from codeai.activities.shell.settings import ShellSettings
from codeai.activities.shell.slots import Slots
from codeai.activities.shell.spawner import Spawner
from codeai.activities.shell.spool import Spool
from codeai.activities.shell.workspaces import Workspaces
from codeai.workflows.contracts.shell import CommandInput, CommandResult


class ShellHost:
    """The runner in one worker. `root` is the host's folder: `host` (its id), `labels/`,
    `spool/`, `runs/<execution>/work`."""

    def __init__(
        self,
        root: Path,
        client: Client,
        record: StepRecord,
        settings: ShellSettings | None = None,
        secrets: Secrets | None = None,
    ) -> None:
        """`secrets`: what opens those that steps ask for. OSError where the root cannot be made or read."""
        settings = settings or ShellSettings()
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        root = root.resolve()  # $CODEAI_WORKSPACE is what a command's `pwd` says
        self.id = host_id(root)
        self._spool = Spool.open(root / "spool")
        self._spawner = Spawner(self._spool.path)
        self._client = client
        private = (root, *settings.private)
        self._workspaces = Workspaces(root / "runs", settings.workspace_roots, private, settings.outbound)
        self.slots = Slots(self._spool.path / "slots", settings.commands_at_once)
        self.labels = Labels(root / "labels")
        desk = Desk(
            host=self.id,
            spool=self._spool,
            spawner=self._spawner,
            slots=self.slots,
            workspaces=self._workspaces,
            client=client,
            record=record,
            settings=settings,
            secrets=secrets,
        )
        self._attendants = Attendants(desk)
        self.control = HostControl(desk)
        self._loops: list[asyncio.Task[None]] = []

    @property
    def spool_id(self) -> str:
        return self._spool.id

    def activities(self) -> Sequence[Callable[..., Any]]:
        """For the queue `codeai-exec@<id>`."""
        return [self.run_command]

    async def start(self) -> None:
        """Has the fork server ready, and adopts what is there. TimeoutError where the fork server does not
        start."""
        await self._spawner.open()
        self._loops = [
            asyncio.create_task(self._attendants.watch()),
            asyncio.create_task(self._attendants.sweep()),
        ]

    async def serve(self) -> None:
        """Until it cannot go on: raises SpoolGone."""
        await self._loops[0]

    async def detach(self) -> None:
        """Lets go of everything at once and kills nothing: commands go on, the next worker adopts them."""
        loops, self._loops = self._loops, []
        for loop in loops:
            loop.cancel()
        await asyncio.gather(*loops, return_exceptions=True)
        await self._attendants.detach()
        self._workspaces.close()
        self.labels.close()
        self._spawner.close()

    @activity.defn
    async def run_command(self, step: CommandInput) -> CommandResult:
        """One attempt of a step. Starts nothing itself: it leaves the attempt to an attendant, which
        answers."""
        info = activity.info()
        try:
            attempt = self._spool.attempt(step)
        except ValueError as error:
            raise ApplicationError(str(error), type="invalid_input", non_retryable=True) from error
        attempt.write_input(step)
        handle = self._client.get_async_activity_handle(task_token=info.task_token)
        wanted = True
        sent = formats.clock()
        try:
            await handle.heartbeat(rpc_timeout=ANSWER)
            renew_lease(attempt, step, sent)
        except AsyncActivityCancelledError:
            wanted = False  # the attendant asks again, before it starts anything
        except RPCError as error:
            if error.status != RPCStatusCode.NOT_FOUND:
                raise
            activity.raise_complete_async()  # somebody else has the activity now, or nobody wants it
        token = self._spool.put_token(
            attempt, info.task_token, info.workflow_id or "", info.workflow_run_id or ""
        )
        await self._attendants.take(token, step, wanted)
        activity.raise_complete_async()


def host_id(root: Path) -> str:
    """The host's UUID, made with the root."""
    file = root / "host"
    new = root / f".host.{uuid.uuid4()}"
    new.write_text(str(uuid.uuid4()))
    try:
        file.hardlink_to(new)
    except FileExistsError:
        pass
    finally:
        new.unlink()
    return file.read_text()
