"""What one turn of a node does for whom, when its time is short."""

from __future__ import annotations

import asyncio

import pytest
from world import World

from raftdoc.errors import NotLeader
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


def propose(
    world: World, replica: Replica, id: str, byte_count: int, *, is_patient: bool = False
) -> asyncio.Future[Outcome]:
    waiter: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
    document = b'{"_id":"%b","pad":"%b"}' % (id.encode(), b"x" * byte_count)
    command = commands.put("orders", id, document)
    world.node("n1").propose(replica, Proposal(command, waiter, NEVER_NS), is_patient=is_patient)
    return waiter


async def database(world: World, name: str) -> Replica:
    """Return the replica of a new database."""
    await world.database("n1").create_database(world.request(timeout_ms=NEVER_NS // NS_PER_MS), name, {})
    replica = world.processes[NodeId("n1")].directory.replica(name)
    assert replica is not None
    return replica


async def test_every_group_with_entries_to_apply_has_its_turn_however_late_it_is() -> None:
    async with World(count=1, clock=HurriedClock()) as world:
        replicas = [await database(world, name) for name in ("a", "b", "c")]
        long = [propose(world, replica, f"d{number}", 100_000) for replica in replicas[:2] for number in range(60)]
        await propose(world, replicas[2], "d", 10)
        assert not all(waiter.done() for waiter in long)
        await asyncio.gather(*long)


async def test_a_patient_command_begins_no_turn_and_goes_with_the_next_one_that_proposes() -> None:
    async with World(count=1) as world:
        replica = await database(world, "a")
        turn_count = world.node("n1").metrics.turns.value
        patient = propose(world, replica, "p", 10, is_patient=True)
        assert world.node("n1").metrics.turns.value == turn_count
        other = propose(world, replica, "o", 10)
        assert (await patient).revision >> 20 == (await other).revision >> 20


async def test_a_patient_command_goes_with_a_turn_that_proposes_for_another_group() -> None:
    async with World(count=1) as world:
        replica, elsewhere = await database(world, "a"), await database(world, "b")
        last_index = replica.core.log.last_index
        patient = propose(world, replica, "p", 10, is_patient=True)
        other = propose(world, elsewhere, "o", 10)
        await asyncio.sleep(0)
        assert (replica.core.log.last_index, replica.proposals.queued) == (last_index + 1, [])
        await asyncio.gather(patient, other)


async def test_a_patient_command_alone_goes_with_a_tick() -> None:
    async with World(count=1) as world:
        replica = await database(world, "a")
        assert (await propose(world, replica, "p", 10, is_patient=True)).is_ok


async def test_a_patient_command_of_a_group_that_leaves_is_refused() -> None:
    async with World(count=1) as world:
        replica = await database(world, "a")
        patient = propose(world, replica, "p", 10, is_patient=True)
        world.node("n1").remove_replica(replica.group, NotLeader(replica.group, None), is_gone=True)
        with pytest.raises(NotLeader):
            await patient


@pytest.mark.parametrize("is_patient", [False, True])
async def test_nothing_is_proposed_to_a_replica_that_has_left(*, is_patient: bool) -> None:
    async with World(count=1) as world:
        replica = await database(world, "a")
        world.node("n1").remove_replica(replica.group, NotLeader(replica.group, None), is_gone=True)
        with pytest.raises(NotLeader):
            propose(world, replica, "p", 10, is_patient=is_patient)
