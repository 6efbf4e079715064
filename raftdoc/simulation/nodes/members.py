"""Nodes that join and leave while everything else goes on. An id is never used again."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from random import Random
from typing import Any, Final, Protocol

from raftdoc.database.requests import JoiningNode, Request
from raftdoc.errors import LimitReached, MembershipRefused, RaftdocError
from raftdoc.ids import NodeId
from raftdoc.limits import NS_PER_MS, NS_PER_S
from raftdoc.simulation.nodes.gateway import Ask, Gateway, Lost, Refused
from raftdoc.simulation.nodes.process import Machine, Process

JOINS_MAX: Final = 2
TIMEOUT_MS: Final = 3000
PAUSE_S: Final = 0.3


class Service(Protocol):
    """What this needs of the world."""

    gateway: Gateway
    machines: dict[NodeId, Machine]

    def add_machine(self) -> Machine:
        """Return a new machine, on which nothing runs yet."""

    def admit(self, machine: Machine) -> None:
        """Start a machine that the cluster knows of."""

    def spawn(self, work: Coroutine[Any, Any, None]) -> None: ...

    def count(self, name: str) -> None: ...


class Members:
    def __init__(self, world: Service, random: Random, founder_count: int) -> None:
        self._world = world
        self._random = random
        self._founder_count = founder_count
        self._joins_left = JOINS_MAX
        self.is_joining = False

    def join(self) -> None:
        """Have a new machine ask to be let in, until it is answered, and start it when it is let in."""
        if self._joins_left and not self.is_joining:
            self._joins_left -= 1
            self.is_joining = True
            self._world.spawn(self._join(self._world.add_machine()))

    def leave(self, random: Random) -> None:
        """Have a node asked to remove another, or itself, where more are left than there were at first."""
        machines = [machine for machine in self._world.machines.values() if not machine.is_removed]
        if len(machines) > self._founder_count:
            self._world.spawn(self._remove(random.choice(machines).id))

    async def _join(self, machine: Machine) -> None:
        joining = machine.joining()
        try:
            while True:
                if await self._is_admitted(joining):
                    break
                await asyncio.sleep(PAUSE_S)
        except (MembershipRefused, LimitReached):
            self._world.count("joins_refused")
        else:
            self._world.count("joins")
            self._world.admit(machine)
        finally:
            self.is_joining = False

    async def _is_admitted(self, joining: JoiningNode) -> bool:
        """Ask once; False: nobody answered."""
        try:
            await self._ask(lambda process: process.database.add_member(_request(process), joining))
        except (MembershipRefused, LimitReached):
            raise
        except (RaftdocError, Refused, Lost, TimeoutError):
            return False
        return True

    async def _remove(self, node: NodeId) -> None:
        try:
            await self._ask(lambda process: process.database.remove_member(_request(process), node))
        except (RaftdocError, Refused, Lost, TimeoutError):
            self._world.count("removes_failed")
        else:
            self._world.count("removes")

    async def _ask(self, ask: Ask) -> Any:
        via = self._random.choice([machine.id for machine in self._world.machines.values() if not machine.is_removed])
        async with asyncio.timeout(TIMEOUT_MS * NS_PER_MS / NS_PER_S):
            return await self._world.gateway.call(via, ask)


def _request(process: Process) -> Request:
    return Request(process.machine.clock.peek_ns() + TIMEOUT_MS * NS_PER_MS)
