"""What breaks: one decision after the other, each drawn from its own number, so that one can be left out and the
others stay what they are. That is what shrinking rests on.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING, Final

from raftdoc.ids import NodeId
from raftdoc.simulation.nodes.plan import MS
from raftdoc.simulation.nodes.process import Process

if TYPE_CHECKING:
    from raftdoc.simulation.nodes.world import World

DECISION_FACTOR: Final = 1_000_003
LEADER_SHARE: Final = 0.6
MEND_SHARE: Final = 0.4


class Nemesis:
    """Of one world. `suppressed` are the numbers of decisions that do nothing."""

    def __init__(self, world: World, seed: int, suppressed: frozenset[int]) -> None:
        self._world = world
        self._seed = seed
        self._suppressed = suppressed
        self.decision_count = 0

    def decide(self) -> None:
        """Do the next thing, and come back for another."""
        world = self._world
        if world.is_calm:
            return
        number = self.decision_count
        self.decision_count += 1
        # Each decision has a chance of its own: what is left out changes no other.
        random = Random(self._seed * DECISION_FACTOR + number)
        world.loop.after_ns(int(world.plan.fault_interval_ns * (0.5 + random.random())), self.decide)
        mends = random.random() < MEND_SHARE
        if number in self._suppressed:
            return
        if mends:
            world.network.mend()
            world.gateway.loses_answers = False
        if world.plan.faults:
            self._break(random.choice(world.plan.faults), random)

    def _break(self, name: str, random: Random) -> None:
        target = self._target(random)
        if target is None or (target.is_paused and not name.startswith("crash")):
            return
        act: Callable[[Process, Random], None] = getattr(self, f"_{name}")
        self._world.note("fault", "nemesis", target.id, name)
        self._world.count(f"fault_{name}")
        act(target, random)

    def _target(self, random: Random) -> Process | None:
        processes = list(self._world.processes.values())
        leaders = [process for process in processes if process.leads()]
        if leaders and random.random() < LEADER_SHARE:
            return random.choice(leaders)
        return random.choice(processes) if processes else None

    # Network ----------------------------------------------------------------------------------------

    def _isolate_leader(self, process: Process, random: Random) -> None:
        """Cut a node off from its peers, who notice; its clients still reach it."""
        self._world.network.isolate(process.id, self._world.machines)

    def _partition(self, process: Process, random: Random) -> None:
        side = {node for node in self._world.machines if random.random() < 0.5}
        links = [(one, other) for one in self._world.machines for other in self._world.machines if one != other]
        self._world.network.silence(link for link in links if (link[0] in side) != (link[1] in side))

    def _one_way(self, process: Process, random: Random) -> None:
        peer = random.choice(list(self._world.machines))
        if peer != process.id:
            link = random.choice(((process.id, peer), (peer, process.id)))
            if random.random() < 0.5:
                self._world.network.hub.cut_one_way(*link)
            else:
                self._world.network.silence([link])

    def _silence(self, process: Process, random: Random) -> None:
        """Cut a node off, and nobody notices until it times out."""
        for peer in self._world.machines:
            self._world.network.silence([(process.id, peer), (peer, process.id)])

    def _break_link(self, process: Process, random: Random) -> None:
        """Break the connections of a node for a moment: what is under way is lost, and both ends are told."""
        self._world.network.isolate(process.id, self._world.machines)
        self._world.loop.after_ns(random.randrange(1, 50) * MS, self._world.network.mend)

    def _lose_answers(self, process: Process, random: Random) -> None:
        self._world.gateway.loses_answers = True

    # Processes --------------------------------------------------------------------------------------

    def _crash(self, process: Process, random: Random) -> None:
        self._world.crash(process, random.randrange(20, 1500) * MS, is_noticed=random.random() < 0.5)

    def _crash_on_write(self, process: Process, random: Random) -> None:
        """Crash right after the next bytes were handed to the disk."""
        process.machine.disk.crashes_on.add("write")

    def _crash_on_flush(self, process: Process, random: Random) -> None:
        """Crash while what a flush allows is done: the log is let go of."""
        process.machine.disk.crashes_on.add("flush")

    def _crash_on_install(self, process: Process, random: Random) -> None:
        """Crash right after a snapshot came in force, on whichever node is next."""
        for machine in self._world.machines.values():
            machine.disk.crashes_on.add("install")

    def _crash_twice(self, process: Process, random: Random) -> None:
        """Crash, and once more while the node is still finding its feet."""
        self._world.crash(process, random.randrange(5, 60) * MS, is_noticed=True)
        self._world.loop.after_ns(random.randrange(60, 300) * MS, self._crash_again, process.id)

    def _crash_again(self, node: NodeId) -> None:
        process = self._world.processes.get(node)
        if process is not None and not self._world.is_calm:
            self._world.crash(process, 50 * MS, is_noticed=False)

    def _crash_all(self, process: Process, random: Random) -> None:
        for one in list(self._world.processes.values()):
            self._world.crash(one, random.randrange(20, 600) * MS, is_noticed=random.random() < 0.5)

    def _restart(self, process: Process, random: Random) -> None:
        """Stop a process in good order, and start it again."""
        self._world.stop(process, random.randrange(5, 500) * MS)

    def _pause(self, process: Process, random: Random) -> None:
        self._world.pause(process, random.randrange(20, 2500) * MS)

    def _suspend(self, process: Process, random: Random) -> None:
        """Send the whole machine to sleep."""
        asleep_ns = random.randrange(20, 2500) * MS
        process.machine.clock.sleep(asleep_ns)
        self._world.pause(process, asleep_ns)

    def _set_wall(self, process: Process, random: Random) -> None:
        """Set the wall clock: a little, or by more than a leader's may be wrong."""
        process.machine.clock.set_wall(random.choice((1, -1)) * random.choice((10, 500, 30_000)) * MS)

    def _transfer(self, process: Process, random: Random) -> None:
        target = random.choice([None, *self._world.machines])
        groups = [replica.group for replica in process.leads()]
        if groups:
            self._world.transfer(process, random.choice(groups), target)

    def _transfer_and_cut(self, process: Process, random: Random) -> None:
        """Cut the leader off just after the order has left."""
        self._transfer(process, random)
        cut = random.choice((self._isolate_leader, self._silence))
        self._world.loop.after_ns(random.randrange(4 * self._world.plan.delay_ns), self._cut_late, cut, process, random)

    def _cut_late(self, cut: Callable[[Process, Random], None], process: Process, random: Random) -> None:
        if not self._world.is_calm:
            cut(process, random)

    # Disks ------------------------------------------------------------------------------------------

    def _stall_disk(self, process: Process, random: Random) -> None:
        process.machine.disk.slow_until_ns = self._world.loop.now_ns + random.randrange(50, 2000) * MS

    def _fill_disk(self, process: Process, random: Random) -> None:
        disk = process.machine.disk
        disk.fill(not disk.is_filled)

    def _fail_disk(self, process: Process, random: Random) -> None:
        """P9: the next write fails; what it wrote may be there or not, and the node stops."""
        process.machine.disk.fail()

    def _busy_engine(self, process: Process, random: Random) -> None:
        process.machine.disk.engine.busy_writes = random.randrange(1, 6)

    # Membership -------------------------------------------------------------------------------------

    def _join(self, process: Process, random: Random) -> None:
        self._world.members.join()

    def _leave(self, process: Process, random: Random) -> None:
        self._world.members.leave(random)
