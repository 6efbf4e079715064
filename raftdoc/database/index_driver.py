"""Goes on with what the state says is to be done with indexes: builds, and documents whose time is over.

Runs on every node and acts for the groups that this node leads. It keeps nothing: where a build stands and what has
expired is in the state, so after a change of leader the next one's driver goes on from there.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import Final

from raftdoc.database.build_pace import Pace
from raftdoc.errors import NOT_NOW, NotFound
from raftdoc.ids import GroupId
from raftdoc.limits import (
    EXPIRE_DOCUMENTS_MAX,
    INDEX_STEP_BYTES_MAX,
    NS_PER_MS,
)
from raftdoc.node.node import Node
from raftdoc.node.proposals import Proposal
from raftdoc.node.replica import Replica
from raftdoc.statemachine import commands
from raftdoc.statemachine.database_machine import DatabaseMachine
from raftdoc.statemachine.index_reads import Build, IndexRef
from raftdoc.statemachine.outcome import Outcome

log = logging.getLogger("raftdoc.database")

ROUND_INTERVAL_S: Final = 0.2
STEP_TIMEOUT_MS: Final = 5000


class IndexDriver:
    def __init__(self, node: Node) -> None:
        self._node = node
        self._busy: set[GroupId] = set()

    async def run(self) -> None:
        """Look for work in the groups led here every fifth of a second; runs until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                for replica in list(self._node.replicas.values()):
                    machine = replica.machine
                    if isinstance(machine, DatabaseMachine) and self._has_work(replica, machine):
                        self._busy.add(replica.group)
                        tasks.create_task(self._work(replica, machine))
                await asyncio.sleep(ROUND_INTERVAL_S)

    def _has_work(self, replica: Replica, machine: DatabaseMachine) -> bool:
        if not replica.is_leader or replica.group in self._busy:
            return False
        return bool(machine.index_builds() or machine.expired(self._node.clock.wall_ms()))

    async def _work(self, replica: Replica, machine: DatabaseMachine) -> None:
        try:
            done: Build | None = None
            while replica.is_leader and (builds := machine.index_builds()) and builds[0] != done:
                done = builds[0]
                await self._build(replica, machine, done)
            for ref in machine.expired(self._node.clock.wall_ms()):
                await self._expire(replica, ref)
        except (*NOT_NOW, NotFound) as error:
            log.debug("work on indexes stopped for now group=%d reason=%s", replica.group, error)
        finally:
            self._busy.discard(replica.group)

    async def _build(self, replica: Replica, machine: DatabaseMachine, build: Build) -> None:
        """Propose the steps of a build, some at a time, until the index is built or gone or a step was lost."""
        start: bytes | None = build.built_to
        pace = Pace(self._node, replica)
        steps: deque[asyncio.Future[Outcome]] = deque()
        try:
            while steps or start is not None:
                step_count_max, documents_max = pace.look()
                if start is not None and len(steps) < step_count_max:
                    stop = machine.next_stop(
                        Build(build.ref, start), documents_max=documents_max, bytes_max=INDEX_STEP_BYTES_MAX
                    )
                    command = commands.build_index(*build.ref, start, stop)
                    steps.append(self._start(replica, command, is_patient=pace.is_busy))
                    start = stop
                    # An entry is applied in one go. Where nobody else writes, the turn takes each step into its own.
                    await asyncio.sleep(pace.next_step_s())
                    continue
                outcome = await steps.popleft()
                if outcome.data != "building" or not replica.is_leader:
                    return
        finally:
            for step in steps:
                step.cancel()

    async def _expire(self, replica: Replica, ref: IndexRef) -> None:
        command = commands.expire(*ref, EXPIRE_DOCUMENTS_MAX)
        while replica.is_leader and (await self._start(replica, command)).data == EXPIRE_DOCUMENTS_MAX:
            pass

    def _start(self, replica: Replica, command: bytes, *, is_patient: bool = False) -> asyncio.Future[Outcome]:
        # A step that came to nothing is found again in the state: by the next round, on whichever node leads then.
        waiter: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        deadline_ns = self._node.clock.now_ns() + STEP_TIMEOUT_MS * NS_PER_MS
        self._node.propose(replica, Proposal(command, waiter, deadline_ns), is_patient=is_patient)
        return waiter
