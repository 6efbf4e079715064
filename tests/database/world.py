"""Several whole nodes in one process, over the memory engine, log files in memory and a network that can be cut.

Everything above the seams is the real code: node, cluster, database. Time is the real clock with short timeouts.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from raftdoc.cluster.directory import Directory
from raftdoc.cluster.factory import RaftTuning, ReplicaFactory
from raftdoc.cluster.leaders import Leaders
from raftdoc.cluster.reconcile import Reconciler
from raftdoc.database.database import Database, assemble
from raftdoc.database.requests import JoiningNode, Request
from raftdoc.database.router import Router
from raftdoc.database.status import Status
from raftdoc.database.surroundings import Surroundings
from raftdoc.errors import NodeRemoved
from raftdoc.ids import CATALOG_GROUP, BootId, ClusterId, NodeId, StoreId
from raftdoc.limits import LOG_BYTES_MAX, MIB, NS_PER_MS
from raftdoc.node.clock import Clock, SystemClock
from raftdoc.node.log_writer import Ticket
from raftdoc.node.maintenance import Maintenance
from raftdoc.node.metrics import NodeMetrics
from raftdoc.node.node import Node
from raftdoc.node.replica import Replica
from raftdoc.node.snapshot_metrics import SnapshotMetrics
from raftdoc.node.snapshots import Snapshots
from raftdoc.node.ticker import Ticker
from raftdoc.raft import Configuration
from raftdoc.statemachine.catalog_machine import NodeRecord
from raftdoc.statemachine.outcome import Idempotency
from raftdoc.storage.log.log import SharedLog
from raftdoc.storage.log.memory_files import MemoryFiles
from raftdoc.storage.memory import MemoryEngine
from raftdoc.telemetry.metrics import Registry
from raftdoc.transport.memory import MemoryHub

CLUSTER = ClusterId("test")
DEADLINE_S = 10.0
ELECTION_TIMEOUT_MS = 150
CACHE_BYTES_MAX = MIB


class NextTurnPersister:
    """Writes at once and tells the node in a later turn of the loop, as the writer's thread does."""

    def __init__(self, log: SharedLog, on_done: Callable[[list[Ticket]], None]) -> None:
        self._log = log
        self._on_done = on_done
        self._loop = asyncio.get_running_loop()
        self.is_stuck = False
        self._stuck: list[Ticket] = []

    def submit(self, ticket: Ticket) -> None:
        self._stuck.append(ticket)
        if not self.is_stuck:
            self.flow()

    def flow(self) -> None:
        """Write everything that waits."""
        self.is_stuck = False
        tickets, self._stuck = self._stuck, []
        if tickets:
            self._log.write([ticket.pending for ticket in tickets])
            self._loop.call_soon(self._on_done, tickets)

    def oldest_submitted_ns(self) -> int | None:
        return self._stuck[0].submitted_ns if self._stuck else None

    def close(self) -> None:
        self.flow()


@dataclass
class Member:
    """What of one node outlives its processes, and the present process."""

    id: NodeId
    random: Random
    files: MemoryFiles = field(default_factory=MemoryFiles)
    engine: MemoryEngine = field(default_factory=MemoryEngine)
    fatal: list[BaseException] = field(default_factory=list)


class World:
    def __init__(
        self,
        count: int = 3,
        *,
        leases: bool = True,
        flush_bytes: int = 32 * MIB,
        log_bytes_max: int = LOG_BYTES_MAX,
        clock: Clock | None = None,
    ) -> None:
        self.hub = MemoryHub(asyncio.get_running_loop().call_soon)
        self.ids = [NodeId(f"n{number}") for number in range(1, count + 1)]
        self.members = {id: Member(id, Random(id)) for id in self.ids}
        self.founders = list(self.ids)
        self.processes: dict[NodeId, Process] = {}
        self._leases = leases
        self._flush_bytes = flush_bytes
        self._log_bytes_max = log_bytes_max
        self._clock = clock or SystemClock()

    async def __aenter__(self) -> World:
        for id in self.ids:
            await self.start(id)
        await self.until("all are ready", lambda: all(not p.database.readiness() for p in self.processes.values()))
        return self

    async def __aexit__(self, *_: object) -> None:
        for id in list(self.processes):
            await self.stop(id)
        fatal = [error for member in self.members.values() for error in member.fatal]
        assert not fatal, fatal

    async def start(self, id: NodeId) -> Process:
        """Start a node; one that never ran before is a founder, or begins without a configuration if it is none."""
        process = Process(
            self.members[id],
            self.hub,
            self.ids,
            founders=self.founders,
            leases=self._leases,
            flush_bytes=self._flush_bytes,
            log_bytes_max=self._log_bytes_max,
            clock=self._clock,
        )
        self.processes[id] = process
        await process.start()
        return process

    async def join(self, name: str, *, via: str = "n1") -> None:
        """Have a new node join, and wait until it is a member."""
        id = NodeId(name)
        self.ids.append(id)
        self.members[id] = Member(id, Random(name))
        asking = JoiningNode(id, StoreId(f"store-{id}"), CLUSTER, f"http://{id}", f"{id}:1", id)
        await self.database(via).add_member(self.request(), asking)
        await self.start(id)
        await self.until(f"{id} is a member", lambda: self.state_of(name) == "member")

    async def remove(self, name: str, *, via: str) -> None:
        """Have a node removed, and wait until it is."""
        await self.database(via).remove_member(self.request(), NodeId(name))
        await self.until(f"{name} is removed", lambda: self.state_of(name, on=via) == "removed", timeout_s=20)

    def state_of(self, name: str, *, on: str = "") -> str | None:
        """Return the state of a node as another one knows it."""
        other = NodeId(on) if on else next(id for id in self.processes if id != name)
        record = self.processes[other].directory.catalog.nodes.get(NodeId(name))
        return None if record is None else record.state

    async def stop(self, id: NodeId) -> None:
        await self.processes.pop(id).stop()

    async def kill(self, id: NodeId) -> None:
        """End a process as a power cut does: what was not made durable may be gone."""
        await self.processes.pop(id).kill()
        member = self.members[id]
        member.engine.crash(member.random)
        member.files.crash(member.random)

    def database(self, id: str) -> Database:
        return self.processes[NodeId(id)].database

    def router(self, id: str) -> Router:
        process = self.processes[NodeId(id)]
        return Router(process.node, Random(1), process.directory, process.leaders)

    def node(self, id: str) -> Node:
        return self.processes[NodeId(id)].node

    def leader_of(self, database: str) -> NodeId | None:
        """Return the live node that leads a database's group and that all live nodes agree on."""
        leaders = set()
        for process in self.processes.values():
            replica = process.directory.replica(database)
            leaders.add(replica.core.leader if replica else None)
        leader = leaders.pop() if len(leaders) == 1 else None
        return leader if leader in self.processes else None

    async def create(self, database: str = "shop", on: str = "n1") -> None:
        await self.database(on).create_database(self.request(), database, {})
        await self.until("the leader is known", lambda: self.leader_of(database) is not None)

    def request(self, *, timeout_ms: int = 5000, key: str | None = None, print_of: bytes = b"") -> Request:
        idempotency = None if key is None else Idempotency(key, print_of.ljust(16, b"\0"))
        return Request(SystemClock().now_ns() + timeout_ms * NS_PER_MS, idempotency=idempotency)

    async def until(self, what: str, condition: Callable[[], object], timeout_s: float = DEADLINE_S) -> None:
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < deadline, f"not within {timeout_s} s: {what}"
            await asyncio.sleep(0)


async def _reachable() -> bool:
    return True


def make_factory(member: Member, log: SharedLog, boot_id: BootId, *, leases: bool) -> ReplicaFactory:
    return ReplicaFactory(
        node=member.id,
        boot_id=boot_id,
        log=log,
        engine=member.engine,
        clock=SystemClock(),
        random=member.random,
        tuning=RaftTuning(
            heartbeat_interval_ms=20,
            election_timeout_ms=ELECTION_TIMEOUT_MS,
            leases_enabled=leases,
            cache_bytes_max=CACHE_BYTES_MAX,
        ),
    )


class Process:
    """One life of one node: built as the server builds it, less HTTP, TCP and threads."""

    def __init__(
        self,
        member: Member,
        hub: MemoryHub,
        ids: list[NodeId],
        *,
        founders: list[NodeId],
        leases: bool,
        flush_bytes: int,
        log_bytes_max: int,
        clock: Clock,
    ) -> None:
        random = member.random
        boot_id = BootId(random.getrandbits(62))
        self.log = SharedLog.open(
            Path("unused"), segment_bytes=MIB, reserve_bytes=1, log_bytes_max=log_bytes_max, files=member.files
        )
        self.transport = hub.transport(member.id, boot_id)
        self.node = Node(
            node=member.id,
            clock=clock,
            log=self.log,
            transport=self.transport,
            metrics=NodeMetrics(Registry()),
            random=random,
            election_timeout_ms=ELECTION_TIMEOUT_MS,
            on_fatal=member.fatal.append,
            on_applied=self._applied,
        )
        self.persister = NextTurnPersister(self.log, self.node.persisted)
        self.node.start(self.persister)
        peers = {id: f"{id}:1" for id in ids}
        self.directory = Directory(self.node, peers, {})
        bounds = {"flush_bytes": flush_bytes, "cache_bytes_max": CACHE_BYTES_MAX}
        self.maintenance = Maintenance(self.node, self.log, member.engine, member.fatal.append, **bounds)
        factory = make_factory(member, self.log, boot_id, leases=leases)
        self.reconciler = Reconciler(self.node, self.directory, factory, self.transport.set_peers)
        self.snapshots = Snapshots(
            self.node,
            member.engine,
            factory.incarnations,
            SnapshotMetrics(Registry()),
            boot_id=boot_id,
            random=random,
            make_machine=factory.machine,
            flush=self.maintenance.flush,
        )
        self._ticker = Ticker(self.node, self.maintenance, self.directory.addresses)
        me = NodeRecord(member.id, StoreId(f"store-{member.id}"), f"http://{member.id}", f"{member.id}:1", member.id)
        self.leaders = leaders = Leaders(self.node)
        status = Status(self.node, self.directory, leaders, CLUSTER, self.transport.connected, {})
        surroundings = Surroundings(
            self.transport.connected, self.transport.refusal, self.reconciler.run, lambda _: _reachable()
        )
        self.database, *self._caretakers = assemble(
            self.node, self.directory, leaders, status, me, random, surroundings
        )
        self._fatal = member.fatal
        self._host_groups(factory, tuple(founders) if member.id in founders else ())
        self.transport.set_peers(peers)

    def _host_groups(self, factory: ReplicaFactory, founding: tuple[NodeId, ...]) -> None:
        """Host what the log knows, and the catalog in any case."""
        factory.drop_leftovers(self.log.groups)
        for group, recovered in self.log.groups.items():
            self.node.add_replica(factory.recovered(group, recovered), None)
        if CATALOG_GROUP not in self.node.replicas:
            replica, record = factory.new(CATALOG_GROUP, Configuration(founding))
            self.node.add_replica(replica, record)

    async def start(self) -> None:
        await self.transport.start()
        self._ticker.start()
        self.reconciler.run()
        self._tasks = [asyncio.ensure_future(caretaker.run()) for caretaker in self._caretakers]

    async def stop(self) -> None:
        """End this life; what is in the engine and in the log's files stays."""
        await self._end_caretakers()
        self._ticker.close()
        self.node.close()
        await self.transport.close()
        self.persister.close()
        await self.maintenance.close()
        self.log.close()

    async def kill(self) -> None:
        """End this life without a word to anybody, and without a flush."""
        await self._end_caretakers()
        self._ticker.close()
        self.node.close()
        await self.transport.close()
        await self.maintenance.close(is_flushing=False)

    async def _end_caretakers(self) -> None:
        """End those who look after things. One that ended by itself would have ended the server."""
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)
        errors = [task.exception() for task in self._tasks if not task.cancelled()]
        self._fatal += [error for error in errors if error is not None and not isinstance(error, NodeRemoved)]

    def _applied(self, replica: Replica) -> None:
        if replica.group == CATALOG_GROUP:
            self.reconciler.run()
