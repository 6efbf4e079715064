"""One simulated cluster of whole nodes, and everything that happens to it.

First faults (safety), then calm, in which every group has to find a leader, writes have to go through, and all
replicas have to become equal (liveness). Then all nodes stop in good order, and nothing may be left of them.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from contextvars import copy_context
from functools import partial
from random import Random
from typing import Any, Final

from raftdoc.database.requests import Request
from raftdoc.errors import DiskFailed, NodeRemoved, RaftdocError
from raftdoc.ids import GroupId, NodeId
from raftdoc.limits import NS_PER_MS, NS_PER_S
from raftdoc.raft.invariants import InvariantBroken, require
from raftdoc.simulation.history import Recorder
from raftdoc.simulation.nodes.acknowledged import Acknowledged
from raftdoc.simulation.nodes.clients import COLLECTION, COUNTER, DATABASE, INDEX, Client, compare_index
from raftdoc.simulation.nodes.clock import MachineClock
from raftdoc.simulation.nodes.disk import Disk
from raftdoc.simulation.nodes.event_loop import OWNER, VirtualLoop
from raftdoc.simulation.nodes.gateway import Ask, Gateway, Lost, Refused
from raftdoc.simulation.nodes.members import Members
from raftdoc.simulation.nodes.nemesis import Nemesis
from raftdoc.simulation.nodes.network import Network
from raftdoc.simulation.nodes.plan import MS, Plan, draw
from raftdoc.simulation.nodes.process import REPLICAS, Machine, Process, first_error
from raftdoc.simulation.nodes.watch import Watch

POLL_NS: Final = 20 * MS
FOUNDED_WITHIN_NS: Final = 20_000 * MS
LEADER_WITHIN_TIMEOUTS: Final = 10
"""I16: once the faults stop, every group has a leader within so many election timeouts."""
SETTLED_WITHIN_NS: Final = 120_000 * MS
"""A move of replicas that was given up is tried again after 30 s, a stream of a snapshot is silent for as long."""
REQUEST_MS: Final = 5_000
BURIED_WITHIN_S: Final = 20.0
CRASH_WITHIN_NS: Final = {"write": 1, "flush": 80 * MS, "install": 5 * MS}
Trace = tuple[int, str, str, str, str]
"""(time, kind, from, to, what)."""


class World:
    """Everything random comes from `seed`; nothing here looks at a clock, or iterates over a set."""

    def __init__(self, seed: int, *, suppressed: frozenset[int] = frozenset(), plan: Plan | None = None) -> None:
        random = Random(seed)
        self.plan = plan = plan or draw(random)
        self.loop = VirtualLoop(Random(random.getrandbits(62)), is_shuffling=plan.is_shuffling)
        self.counts: Counter[str] = Counter()
        self.trace: list[Trace] | None = None
        self.is_calm = False
        self.recorder = Recorder()
        self.acknowledged = Acknowledged()
        self.watch = Watch(self)
        self.decided = self.watch.decided
        self.machines: dict[NodeId, Machine] = {}
        self.processes: dict[NodeId, Process] = {}
        self.network = Network(self.loop, plan, Random(random.getrandbits(62)), self.refuses)
        self.gateway = Gateway(self.loop, self.network, self.processes, Random(random.getrandbits(62)))
        self.nemesis = Nemesis(self, seed, suppressed)
        self.violation = ""
        self._random = Random(random.getrandbits(62))
        self._machine_count = 0
        self._context = copy_context()
        """The world's own: what runs in it is no process'."""
        self._is_over = False
        """From now on no node is started."""
        self._lives: list[Process] = []
        """All there ever were."""
        self._stopping: set[NodeId] = set()
        for _ in range(plan.node_count):
            machine = self.add_machine()
            self.machines[machine.id] = machine
        self._founders = tuple(self.machines)
        self.members = Members(self, Random(random.getrandbits(62)), plan.node_count)
        self.clients = [Client(self, number, Random(random.getrandbits(62))) for number in range(plan.client_count)]
        self._tasks: list[asyncio.Task[None]] = []

    # Running ----------------------------------------------------------------------------------------

    def run(self) -> None:
        """Run to the end.

        Raises:
            InvariantBroken: and whatever else the code under test raises.
        """
        try:
            self.loop.run_until_complete(self._run())
        finally:
            self._bury()

    async def _run(self) -> None:
        await self._found()
        for client in self.clients:
            self.spawn(client.run())
        self.loop.after_ns(self.plan.fault_interval_ns, self.nemesis.decide)
        await self._pass(self.plan.duration_ns)
        self._heal()
        await self._recover()
        await self._read_all()
        await self._stop_all()

    async def _found(self) -> None:
        """Start the cluster and make what clients use."""
        self.network.is_calm = True
        for machine in self.machines.values():
            self.start(machine)
        await self._until("the cluster is not ready", self._is_ready, FOUNDED_WITHIN_NS)
        await self._insist(lambda p: p.database.create_database(_request(p), DATABASE, {}))
        body = b'{"_id":"%s","v":0}' % COUNTER.encode()
        await self._insist(
            lambda p: p.database.put_document(
                _request(p), DATABASE, COLLECTION, COUNTER, body, if_match=None, if_none_match=False
            )
        )
        if self.plan.has_index:
            index: dict[str, object] = {"name": INDEX, "fields": {"v": 1}}
            await self._insist(lambda p: p.database.create_index(_request(p), DATABASE, COLLECTION, index))
            await self._until("the index is not built", self._is_index_ready, FOUNDED_WITHIN_NS)
        self.network.is_calm = False

    def _heal(self) -> None:
        """End all faults."""
        self.is_calm = self.network.is_calm = True
        self.gateway.loses_answers = False
        self.network.mend()
        for machine in self.machines.values():
            machine.disk.heal()
            machine.clock.set_wall(0)
            process = self.processes.get(machine.id)
            if process is not None and process.is_paused:
                self._resume(process)
            if process is not None and machine.disk.is_failing:
                self.crash(process, 0, is_noticed=True)
            self._restart(machine.id)

    async def _recover(self) -> None:
        """I16: every group has a leader soon, and a write goes through; then all are equal and nothing is pending."""
        within_ns = LEADER_WITHIN_TIMEOUTS * self.plan.election_timeout_ms * MS
        await self._until("I16: no leader after the faults stopped", self._have_leaders, within_ns)
        goal = self.watch.applied_count + 1
        await self._until(
            "I16: nothing is written after the faults stopped",
            lambda: self.watch.applied_count >= goal,
            within_ns + REQUEST_MS * MS,
        )
        for client in self.clients:
            client.is_stopped = True
        await self._until("I16: clients are not answered", self._are_tasks_done, SETTLED_WITHIN_NS)
        await self._until("I16: not the same everywhere", self.watch.is_settled, SETTLED_WITHIN_NS)

    async def _read_all(self) -> None:
        """Let clients see every key as it is in the end, from every node; and compare index and documents."""
        stop_ns = self.loop.now_ns + SETTLED_WITHIN_NS
        for key in [COUNTER, *(f"k{number}" for number in range(self.plan.key_count))]:
            while not await self.clients[0].read(key, "linearizable"):
                self._check()
                require(self.loop.now_ns < stop_ns, "I16: reads are not answered", *self.watch.states())
        if self.plan.has_index:
            for process in list(self.processes.values()):
                if process.directory.replica(DATABASE) is not None:
                    await self.gateway.call(process.id, lambda p: compare_index(p, _request(p), 0))
        await self._until("I16: not the same everywhere", self.watch.is_settled, SETTLED_WITHIN_NS)

    async def _stop_all(self) -> None:
        """Stop every node in good order: nothing may be left of them, and none is started again."""
        self._is_over = True
        for process in list(self.processes.values()):
            self.stop(process, None)
        await self._until("I16: nodes do not stop", lambda: not self._stopping, SETTLED_WITHIN_NS)
        left = [
            task
            for task, owner in self.loop.unfinished()
            if task is not asyncio.current_task() and not (owner is not None and owner.is_crashed)
        ]
        require(not left, "a task is left behind", *left)

    def _bury(self) -> None:
        """Bring what the dead have left to its end, so that nobody complains of it."""
        loop, self._is_over = self.loop, True
        for process in self._lives:
            process.lay_down()
            loop.resume(process)
        left = [task for task, _ in loop.unfinished()]
        for task in left:
            task.cancel()
        loop.bury()
        if left:
            loop.run_until_complete(asyncio.wait(left, timeout=BURIED_WITHIN_S))
        loop.close()

    # What is looked at from time to time ------------------------------------------------------------

    async def _pass(self, duration_ns: int) -> None:
        stop_ns = self.loop.now_ns + duration_ns
        while self.loop.now_ns < stop_ns:
            self._check()
            await asyncio.sleep(POLL_NS / NS_PER_S)

    async def _until(self, what: str, is_done: Callable[[], bool], within_ns: int) -> None:
        stop_ns = self.loop.now_ns + within_ns
        self._check()
        while not is_done():
            require(self.loop.now_ns < stop_ns, what, *self.watch.states())
            await asyncio.sleep(POLL_NS / NS_PER_S)
            self._check()

    def _check(self) -> None:
        if self.violation:
            raise InvariantBroken(self.violation)
        if self.loop.errors:
            raise InvariantBroken(self.loop.errors[0])
        for task in self._tasks:
            if task.done() and not task.cancelled() and (error := task.exception()) is not None:
                raise error

    async def _insist(self, ask: Ask) -> Any:
        """Ask the first node until it does it; while the world is calm."""
        while True:
            try:
                return await self.gateway.call(next(iter(self.machines)), ask)
            except (RaftdocError, Refused, Lost):
                self._check()
                await asyncio.sleep(0.1)

    def _is_ready(self) -> bool:
        return all(process.is_serving and not process.database.readiness() for process in self.processes.values())

    def _is_index_ready(self) -> bool:
        return self.watch.index_states() == ["ready"] * min(len(self.machines), REPLICAS)

    def _have_leaders(self) -> bool:
        return all(
            any(one.node.replicas[group].is_leader for one in self.processes.values() if group in one.node.replicas)
            for group in self.watch.groups()
        )

    def _are_tasks_done(self) -> bool:
        return all(task.done() for task in self._tasks) and not self.members.is_joining

    # Processes --------------------------------------------------------------------------------------

    def add_machine(self) -> Machine:
        self._machine_count += 1
        random, number, plan = self._random, self._machine_count, self.plan
        rate = 1 + random.choice((0.0, 0.5, 1.0)) * plan.clock_rate_error
        offset_ns = random.randrange(1, 10_000) * MS
        clock = MachineClock(self.loop, offset_ns=offset_ns, rate=rate, read_ns=plan.clock_read_ns)
        disk = Disk(self.loop, plan, Random(random.getrandbits(62)))
        return Machine(number, NodeId(f"n{number}"), disk, clock, Random(random.getrandbits(62)))

    def admit(self, machine: Machine) -> None:
        self.machines[machine.id] = machine
        self.start(machine)

    def start(self, machine: Machine) -> None:
        """Begin a life of a node."""
        founders = self._founders if machine.id in self._founders else ()
        addresses = {id: f"{id}:1" for id in self.machines}
        context = copy_context()
        process = Process(self, machine, context, founders=founders, addresses=addresses)
        context.run(OWNER.set, process)
        self.note("start", machine.id, "", "")
        self.processes[machine.id] = process
        self._lives.append(process)
        context.run(process.build)
        process.main = self.loop.create_task(process.start(), context=context)
        process.main.add_done_callback(partial(self._ended, process))

    def crash(self, process: Process, down_ns: int, *, is_noticed: bool) -> None:
        """End a process without a word, and start it again after a while. `is_noticed`: its connections break."""
        self.count("crashes")
        self.note("crash", process.id, "", "")
        self._end(process)
        process.machine.disk.crash()
        if is_noticed:
            self.network.hub.leave(process.id)
            self.gateway.hang_up(process)
        self.loop.after_ns(down_ns, self._restart, process.id)

    def stop(self, process: Process, down_ns: int | None) -> None:
        """End a process in good order, and start it again after a while, if at all."""
        self.note("stop", process.id, "", "")
        del self.processes[process.id]
        self._stopping.add(process.id)
        stopping = self.loop.create_task(process.stop(), context=process.context.copy())
        stopping.add_done_callback(partial(self._stopped, process, down_ns))

    def pause(self, process: Process, duration_ns: int) -> None:
        process.is_paused = True
        self.loop.after_ns(duration_ns, self._resume, process)

    def transfer(self, process: Process, group: GroupId, target: NodeId | None) -> None:
        self.spawn(self._transfer(process.id, group, target))

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something of the world beside everything else."""
        self._tasks.append(self.loop.create_task(work))

    def _resume(self, process: Process) -> None:
        if process.is_paused:
            process.is_paused = False
            self.loop.resume(process)

    async def _transfer(self, node: NodeId, group: GroupId, target: NodeId | None) -> None:
        try:
            async with asyncio.timeout(REQUEST_MS * NS_PER_MS / NS_PER_S):
                await self.gateway.call(node, lambda process: process.database.transfer_leader(group, target))
        except (RaftdocError, Refused, Lost, TimeoutError):
            return
        self.count("transfers")

    def _restart(self, node: NodeId) -> None:
        machine = self.machines[node]
        if self._is_over:
            return
        if node not in self.processes and node not in self._stopping and not machine.is_removed:
            self.start(machine)

    def _end(self, process: Process) -> None:
        process.is_dead = process.is_crashed = True
        self._stopping.discard(process.id)
        if self.processes.get(process.id) is process:
            del self.processes[process.id]

    def _ended(self, process: Process, main: asyncio.Task[None]) -> None:
        """The process itself came to its end, unless it was told to."""
        if process.is_dead or main.cancelled() or (error := main.exception()) is None:
            return
        error = first_error(error)
        if isinstance(error, NodeRemoved):
            self.count("removed")
            process.machine.is_removed = True
            self._end(process)
            self.network.hub.leave(process.id)
            self.gateway.hang_up(process)
        else:
            self.broken(f"a task of {process.id} failed: {error!r}")

    def _stopped(self, process: Process, down_ns: int | None, stopping: asyncio.Task[None]) -> None:
        process.is_dead = True
        self._stopping.discard(process.id)
        self.gateway.hang_up(process)
        self.network.hub.leave(process.id)
        error = stopping.exception()
        if error is not None and not process.machine.disk.is_failing:
            self.broken(f"{process.id} could not stop: {error!r}")
        if error is None:
            process.machine.disk.files.settle()
        process.machine.disk.crash()
        if down_ns is not None:
            self.count("restarts")
            self.loop.after_ns(down_ns, self._restart, process.id)

    # What processes tell ----------------------------------------------------------------------------

    def refuses(self, receiver: NodeId, sender: NodeId) -> bool:
        process = self.processes.get(receiver)
        return process is not None and process.refuses(sender)

    def turned(self, process: Process) -> None:
        self.watch.turned(process)

    def applied(self, process: Process, *applied: Any) -> None:
        self.watch.applied(process, *applied)

    def reached(self, process: Process, point: str) -> None:
        """A process has come to a point after which its machine may be about to lose power."""
        disk = process.machine.disk
        if point in disk.crashes_on:
            disk.crashes_on.discard(point)
            delay_ns = self._random.randrange(CRASH_WITHIN_NS[point])
            self.loop.after_ns(delay_ns, self._crash_late, process, context=self._context)

    def _crash_late(self, process: Process) -> None:
        if not process.is_dead and not self.is_calm:
            self.crash(process, 50 * MS, is_noticed=True)

    def failed(self, process: Process, error: BaseException) -> None:
        """End a process that says that it cannot go on; only a disk that fails is a reason."""
        if process.is_dead:
            return
        if isinstance(error, DiskFailed) and process.machine.disk.is_failing:
            self.count("disk_failures")
            self.crash(process, 100 * MS, is_noticed=True)
        else:
            self.broken(f"{process.id} cannot go on: {type(error).__name__}: {error}")

    # What those who live here ask -------------------------------------------------------------------

    def addresses(self) -> list[NodeId]:
        return [machine.id for machine in self.machines.values() if not machine.is_removed]

    def broken(self, what: str) -> None:
        self.violation = self.violation or what

    def count(self, name: str) -> None:
        self.counts[name] += 1

    def note(self, kind: str, sender: str, peer: str, text: str) -> None:
        """Remember something for the drawing, if one is wanted."""
        if self.trace is not None:
            self.trace.append((self.loop.now_ns, kind, sender, peer, text))


def _request(process: Process) -> Request:
    return Request(process.machine.clock.peek_ns() + REQUEST_MS * NS_PER_MS)
