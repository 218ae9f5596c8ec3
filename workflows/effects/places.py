"""The hosts of a run: one for the steps without a label, and one for each label that steps ask for."""

from __future__ import annotations

import asyncio

from temporalio import workflow

from codeai.workflows import calls
from codeai.workflows.contracts.executions import Carried, ExecutionRecord
from codeai.workflows.contracts.hosts import Place
from codeai.workflows.contracts.records import ClaimInput, ClaimResult
from codeai.workflows.hosts import answer_of


class Places:
    """`known` are the hosts by label, "" for none; `lost` those that the run has found lost, which never take it
    again."""

    def __init__(self, record: ExecutionRecord, carried: Carried | None) -> None:
        self.known: dict[str, Place] = dict(carried.places) if carried else {}
        self.lost: list[str] = list(carried.lost) if carried else []
        self._record = record
        self._claims: dict[str, asyncio.Task[Place]] = {}

    async def of(self, label: str) -> Place:
        """Where commands of that label go: claimed at the first of them, kept for the others."""
        place = self.known.get(label)
        if place is not None and not place.is_left:
            return place
        claim = self._claims.get(label)
        if claim is None:
            claim = self._claims[label] = asyncio.ensure_future(self._claim(label))
        return await asyncio.shield(claim)  # others may wait for the same one

    def take(self, label: str, claimed: ClaimResult) -> Place:
        """A host has taken the run."""
        before = self.known.get(label)
        place = Place(
            host=claimed.host,
            spool=claimed.spool,
            lost_after=claimed.lost_after,
            seeding=before.seeding if before else 0,
        )
        self.known[label] = place
        return place

    def lose(self, host: str) -> None:
        """The host is lost: nothing of the run goes there again."""
        if host not in self.lost:
            self.lost.append(host)
        for label, place in self.known.items():
            if place.host == host:
                self.known[label] = place.model_copy(update={"is_left": True})

    def leave(self, label: str, place: Place) -> None:
        """The next command of that label claims anew, and has a fresh workspace. Does nothing where a sibling has left
        that place already."""
        known = self.known[label]
        if (known.host, known.seeding) == (place.host, place.seeding):
            self.known[label] = known.model_copy(update={"is_left": True, "seeding": known.seeding + 1})

    def heard_of(self, host: str, spool: str) -> None:
        """What a host that is there says of its spool."""
        for label, place in self.known.items():
            if place.host == host and place.spool != spool:
                self.known[label] = place.model_copy(update={"spool": spool})

    async def reach(self) -> None:
        """Takes the hosts up again for a run that had ended: one that was started anew has another spool."""
        for place in list(self.known.values()):
            answer = await answer_of(place.host, place.lost_after, workflow.time())
            if answer is None:
                self.lose(place.host)
            else:
                self.heard_of(place.host, answer.spool)

    async def _claim(self, label: str) -> Place:
        try:
            given = ClaimInput(execution=self._record, is_first=False, lost=tuple(self.lost))
            return self.take(label, await calls.claim_host(given, label or None))
        finally:
            del self._claims[label]
