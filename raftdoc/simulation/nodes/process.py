"""One life of one node: every part that the server puts together, less HTTP, TCP, RocksDB and threads."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextvars import Context
from random import Random
from typing import Any, Final, Protocol

from raftdoc.cluster.directory import Directory
from raftdoc.cluster.factory import RaftTuning
from raftdoc.cluster.leaders import Leaders
from raftdoc.cluster.reconcile import Reconciler
from raftdoc.database.database import assemble
from raftdoc.database.requests import JoiningNode
from raftdoc.database.status import Status
from raftdoc.database.surroundings import Surroundings
from raftdoc.ids import CATALOG_GROUP, BootId, ClusterId, GroupId, NodeId, StoreId
from raftdoc.node.maintenance import Maintenance
from raftdoc.node.metrics import NodeMetrics
from raftdoc.node.node import Node
from raftdoc.node.replica import Replica, StateMachine
from raftdoc.node.snapshot_metrics import SnapshotMetrics
from raftdoc.node.snapshot_receiver import Stage
from raftdoc.node.snapshots import Snapshots
from raftdoc.node.ticker import Ticker
from raftdoc.raft import Configuration
from raftdoc.raft.messages import Entry
from raftdoc.simulation.nodes.clock import MachineClock
from raftdoc.simulation.nodes.disk import Disk, SimulatedWriter
from raftdoc.simulation.nodes.event_loop import VirtualLoop
from raftdoc.simulation.nodes.machines import WatchedFactory
from raftdoc.simulation.nodes.network import Network
from raftdoc.simulation.nodes.plan import Plan
from raftdoc.statemachine.catalog_machine import NodeRecord
from raftdoc.statemachine.outcome import Outcome
from raftdoc.telemetry.metrics import Registry
from raftdoc.transport.handshake import REMOVED, removal_of
from raftdoc.transport.transport import Refusal

CLUSTER: Final = ClusterId("simulated")
REPLICAS: Final = 3
ENDING_S: Final = 0.1


class Machine:
    """What of one node outlives its processes."""

    def __init__(self, number: int, id: NodeId, disk: Disk, clock: MachineClock, random: Random) -> None:
        self.number = number
        self.id = id
        self.disk = disk
        self.clock = clock
        self.random = random
        self.is_removed = False
        """The cluster has let it go: its process ends, and is not started again."""

    def joining(self) -> JoiningNode:
        """Return how it asks to join."""
        return JoiningNode(self.id, StoreId(f"store-{self.id}"), CLUSTER, f"http://{self.id}", f"{self.id}:1", self.id)


class Watcher(Protocol):
    """What a process tells its world."""

    plan: Plan
    loop: VirtualLoop
    network: Network

    def refuses(self, receiver: NodeId, sender: NodeId) -> bool:
        """Return whether a node does not let another in."""

    def turned(self, process: Process) -> None:
        """A turn of the node is over."""

    def applied(
        self,
        process: Process,
        group: GroupId,
        machine: StateMachine,
        entries: Sequence[Entry],
        outcomes: list[list[Outcome]],
    ) -> None: ...

    def reached(self, process: Process, point: str) -> None:
        """It wrote, flushed or installed something."""

    def failed(self, process: Process, error: BaseException) -> None:
        """The process cannot go on."""


class WatchedNode(Node):
    """The product's, whose turns are looked at."""

    def watch(self, watcher: Watcher, process: Process) -> None:
        self._watcher = watcher
        self._process = process

    def _turn(self) -> None:
        super()._turn()
        self._watcher.turned(self._process)


class Process:
    """Built in its own context, which every task, timer and callback of it inherits: see event_loop.OWNER."""

    def __init__(
        self,
        watcher: Watcher,
        machine: Machine,
        context: Context,
        *,
        founders: tuple[NodeId, ...],
        addresses: dict[NodeId, str],
    ) -> None:
        self.is_dead = False
        self.is_crashed = False
        """It ended without a word: what it leaves is nobody's fault."""
        self.is_serving = False
        """It hosts the catalog, and listens to clients."""
        self.is_paused = False
        self.held: list[Any] = []
        self.machine = machine
        self.id = machine.id
        self.context = context
        self.calls: dict[asyncio.Future[Any], None] = {}
        """Clients that wait for an answer of this process."""
        self.serving: dict[asyncio.Task[Any], None] = {}
        """What it does for them."""
        self.main: asyncio.Task[None]
        self._watcher = watcher
        self._founders = founders
        self._addresses = addresses

    def build(self) -> None:
        """Put every part together; within the context."""
        plan, machine, watcher = self._watcher.plan, self.machine, self._watcher
        random, disk = Random(machine.random.getrandbits(62)), machine.disk
        boot_id = BootId(random.getrandbits(62))
        self.log = disk.open_log()
        self.transport = watcher.network.transport(self.id, boot_id, self.context)
        self.node = WatchedNode(
            node=self.id,
            clock=machine.clock,
            log=self.log,
            transport=self.transport,
            metrics=NodeMetrics(Registry()),
            random=random,
            election_timeout_ms=plan.election_timeout_ms,
            on_fatal=self._fatal,
            on_applied=self._applied,
        )
        self.node.watch(watcher, self)
        self._writer = SimulatedWriter(
            disk,
            self.log,
            watcher.loop,
            on_done=self.node.persisted,
            on_failed=self.node.persist_failed,
            on_written=lambda: watcher.reached(self, "write"),
        )
        self.node.start(self._writer)
        disk.engine.on_flushed = lambda: watcher.reached(self, "flush")
        self.directory = Directory(self.node, self._addresses, {})
        self._maintenance = Maintenance(self.node, self.log, disk.engine, self._fatal, flush_bytes=plan.flush_bytes)
        self._factory = self._make_factory(boot_id, random)
        self._reconciler = Reconciler(self.node, self.directory, self._factory, self.transport.set_peers)
        self.transport.on_stranger = self._meet
        self._host_snapshots(boot_id, random)
        self._ticker = Ticker(self.node, self._maintenance, self.directory.addresses)
        self._assemble(random)

    async def start(self) -> None:
        """Host what the log knows, join the others, and look after the catalog."""
        self._factory.drop_leftovers(self.log.groups)
        for group, recovered in self.log.groups.items():
            self.node.add_replica(self._factory.recovered(group, recovered), None)
        self._reconciler.dial()
        await self.transport.start()
        self._ticker.start()
        if CATALOG_GROUP not in self.node.replicas:
            replica, record = self._factory.new(CATALOG_GROUP, Configuration(self._founders))
            self.node.add_replica(replica, record)
            if self._founders[:1] == (self.id,):
                replica.core.campaign(self.machine.clock.peek_ns())
        self._reconciler.run()
        self.is_serving = True
        async with asyncio.TaskGroup() as tasks:
            for caretaker in self._caretakers:
                tasks.create_task(caretaker.run())

    async def stop(self) -> None:
        """End this life in good order."""
        self.node.is_draining = True
        ending = [self.main, *self.serving]
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)
        self._ticker.close()
        self.node.close()
        await self.transport.close()
        self._writer.close()
        await self._maintenance.close()
        self.log.close()
        # What was cancelled comes to its end; real processes wait for their thread here.
        await asyncio.sleep(ENDING_S)

    def lay_down(self) -> None:
        """Give up whoever waits; when the world is over."""
        self._ticker.close()
        self.node.close()

    def leads(self) -> list[Replica]:
        return [replica for replica in self.node.replicas.values() if replica.is_leader]

    def pending(self) -> list[str]:
        """Return what waits in this process for something to happen."""
        found = [] if self._writer.is_idle else ["writes of the log"]
        for group, replica in self.node.replicas.items():
            if replica.proposals.waiting_count or replica.proposals.in_flight_bytes:
                found.append(f"proposals of group {group}")
            if replica.reads.waiting_count:
                found.append(f"reads of group {group}")
        snapshots = self.snapshots
        if snapshots.sender.streams or snapshots.receiver.streams:
            found.append("snapshots")
        return found

    def is_installing(self, group: GroupId) -> bool:
        """Return whether a snapshot is about to take the place of the state of a group."""
        stream = self.snapshots.receiver.streams.get(group)
        return stream is not None and stream.stage is Stage.INSTALLING

    def _make_factory(self, boot_id: BootId, random: Random) -> WatchedFactory:
        plan, engine, watcher = self._watcher.plan, self.machine.disk.engine, self._watcher
        factory = WatchedFactory(
            node=self.id,
            boot_id=boot_id,
            log=self.log,
            engine=engine,
            clock=self.machine.clock,
            random=random,
            tuning=RaftTuning(
                heartbeat_interval_ms=plan.heartbeat_interval_ms,
                election_timeout_ms=plan.election_timeout_ms,
                leases_enabled=plan.leases_enabled,
                cache_bytes_max=plan.cache_bytes_max,
            ),
        )
        factory.watch(engine, lambda *applied: watcher.applied(self, *applied))
        return factory

    def _host_snapshots(self, boot_id: BootId, random: Random) -> None:
        self.snapshots = Snapshots(
            self.node,
            self.machine.disk.engine,
            self._factory.incarnations,
            SnapshotMetrics(Registry()),
            boot_id=boot_id,
            random=random,
            make_machine=self._factory.machine,
            flush=self._maintenance.flush,
        )

    def _assemble(self, random: Random) -> None:
        leaders = Leaders(self.node)
        status = Status(self.node, self.directory, leaders, CLUSTER, self.transport.connected, {})
        surroundings = Surroundings(self.transport.connected, self._refusal, self._reconciler.run, _reachable, REPLICAS)
        joining = self.machine.joining()
        me = NodeRecord(self.id, joining.store_id, joining.http, joining.peer, joining.host)
        assembly = assemble(self.node, self.directory, leaders, status, me, random, surroundings)
        self.database = assembly.database
        self._caretakers = (assembly.steward, assembly.conductor, assembly.index_driver)

    def _refusal(self, peer: NodeId) -> Refusal | None:
        """Return what the handshake with a peer would have said."""
        is_refused = self.transport.connected(peer) and self._watcher.refuses(peer, self.id)
        return Refusal(REMOVED, removal_of(self.id)) if is_refused else None

    def refuses(self, peer: NodeId) -> bool:
        """Return whether this node knows that a peer was removed."""
        return self.directory.is_removed(peer)

    def _meet(self, peer: NodeId) -> None:
        """Dial a node that is not known here yet, but knows this one: it was added while this one was away."""
        if self.directory.hear(peer, f"{peer}:1"):
            self._watcher.loop.call_soon(self._reconciler.dial)

    def _applied(self, replica: Replica) -> None:
        if replica.group == CATALOG_GROUP:
            self._reconciler.run()

    def _fatal(self, error: BaseException) -> None:
        self._watcher.failed(self, error)


def first_error(error: BaseException) -> BaseException:
    """Return the first error of a group, in however many groups it came."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


async def _reachable(address: str) -> bool:
    return True
