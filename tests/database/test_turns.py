"""What one turn of a node does for whom, when its time is short."""

from __future__ import annotations

import asyncio

from world import World

from raftdoc.ids import NodeId
from raftdoc.limits import NS_PER_MS
from raftdoc.node.clock import SystemClock
from raftdoc.node.proposals import Proposal
from raftdoc.node.replica import Replica
from raftdoc.statemachine import commands
from raftdoc.statemachine.outcome import Outcome

STEP_NS = 3 * NS_PER_MS
NEVER_NS = 1 << 62


class HurriedClock(SystemClock):
    """Every look at it costs more than a slice of apply may take."""

    def __init__(self) -> None:
        super().__init__()
        self._true_ns, self._ahead_ns = self.now_ns, 0
        self.now_ns = self._hurry

    def _hurry(self) -> int:
        self._ahead_ns += STEP_NS
        return self._true_ns() + self._ahead_ns


def propose(world: World, replica: Replica, id: str, byte_count: int) -> asyncio.Future[Outcome]:
    waiter: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
    document = b'{"_id":"%b","pad":"%b"}' % (id.encode(), b"x" * byte_count)
    command = commands.put("orders", id, document)
    world.node("n1").propose(replica, Proposal(command, waiter, NEVER_NS))
    return waiter


async def test_every_group_with_entries_to_apply_has_its_turn_however_late_it_is() -> None:
    async with World(count=1, clock=HurriedClock()) as world:
        replicas = []
        for name in ("a", "b", "c"):
            await world.database("n1").create_database(world.request(timeout_ms=NEVER_NS // NS_PER_MS), name, {})
            replica = world.processes[NodeId("n1")].directory.replica(name)
            assert replica is not None
            replicas.append(replica)
        long = [propose(world, replica, f"d{number}", 100_000) for replica in replicas[:2] for number in range(60)]
        await propose(world, replicas[2], "d", 10)
        assert not all(waiter.done() for waiter in long)
        await asyncio.gather(*long)
