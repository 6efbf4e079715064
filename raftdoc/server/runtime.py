"""Every part of a real node, put together.

    data directory -> engine, log -> transport, node -> replicas -> router, database -> HTTP

What the log knows is hosted at once. A directory whose log knows nothing belongs to a new node, which first has
to be let in by every initial member (`cluster/admission`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from random import Random, SystemRandom

from raftdoc.api.server import HttpServer
from raftdoc.api.settings import HttpSettings
from raftdoc.cluster.admission import Admission
from raftdoc.cluster.directory import Directory
from raftdoc.cluster.factory import RaftTuning, ReplicaFactory
from raftdoc.cluster.leaders import Leaders
from raftdoc.cluster.reach import reaches
from raftdoc.cluster.reconcile import Reconciler
from raftdoc.database.database import assemble
from raftdoc.database.status import Status
from raftdoc.database.surroundings import Surroundings
from raftdoc.errors import WrongStore
from raftdoc.ids import CATALOG_GROUP, BootId, NodeId
from raftdoc.limits import NS_PER_MS
from raftdoc.node.clock import Clock, FileClock, SystemClock
from raftdoc.node.log_writer import LogWriter
from raftdoc.node.maintenance import Maintenance
from raftdoc.node.metrics import NodeMetrics
from raftdoc.node.node import Node
from raftdoc.node.replica import Replica
from raftdoc.node.snapshot_metrics import SnapshotMetrics
from raftdoc.node.snapshots import Snapshots
from raftdoc.node.ticker import Ticker
from raftdoc.raft import Configuration
from raftdoc.server.joining import ask_to_join
from raftdoc.server.settings import Settings
from raftdoc.statemachine.catalog_machine import NodeRecord
from raftdoc.storage.data_directory import DataDirectory, filesystem_of
from raftdoc.storage.log.log import SharedLog
from raftdoc.storage.rocksdb import RocksEngine
from raftdoc.telemetry.metrics import Registry
from raftdoc.transport.handshake import NOT_ADMITTED, REMOVED, Local, removal_of
from raftdoc.transport.metrics import TransportMetrics
from raftdoc.transport.tcp import TcpTransport
from raftdoc.transport.transport import Peer, Refusal

log = logging.getLogger("raftdoc.server")

POLL_INTERVAL_S = 0.02


class Runtime:
    """`open`, then `start`, then `drain` and `close`. `close` alone is enough after a failure."""

    def __init__(self, settings: Settings, data: DataDirectory, on_fatal: Callable[[BaseException], None]) -> None:
        self._settings = settings
        self._data = data
        random = SystemRandom()
        self._boot_id = BootId(random.getrandbits(63))
        self._clock = _clock(settings)
        self._registry = Registry()
        metrics = NodeMetrics(self._registry)
        self._log = _open_log(settings, data)
        self._engine = RocksEngine(data.state_path, block_cache_bytes=settings.block_cache_bytes)
        self._admission = Admission(data.known_stores(), data.save_known_stores)
        self._transport = TcpTransport(
            _local(settings, data, self._boot_id),
            listen=str(settings.peer),
            admit=self._admit,
            random=random,
            metrics=TransportMetrics(self._registry),
        )
        self.node = Node(
            node=settings.node,
            clock=self._clock,
            log=self._log,
            transport=self._transport,
            metrics=metrics,
            random=random,
            election_timeout_ms=settings.election_timeout_ms,
            on_fatal=on_fatal,
            on_applied=self._applied,
        )
        self._factory = self._make_factory(random)
        loop = asyncio.get_running_loop()
        self._writer = LogWriter(self._log, loop, on_done=self.node.persisted, on_failed=self.node.persist_failed)
        self.node.start(self._writer)
        self._directory = Directory(self.node, settings.peers, settings.dial)
        cache_bytes, phase = settings.log_cache_bytes, random.random()
        self._maintenance = Maintenance(
            self.node, self._log, self._engine, on_fatal, cache_bytes_max=cache_bytes, phase=phase
        )
        self._reconciler = Reconciler(self.node, self._directory, self._factory, self._transport.set_peers)
        self._host_snapshots(random)
        metrics.watch_disk(self._log, self._engine, filesystem_of(data.path))
        metrics.watch_groups(self.node.replicas, self.node.staleness)
        self._ticker = Ticker(self.node, self._maintenance, self._directory.addresses)
        leaders = Leaders(self.node)
        status = Status(
            self.node, self._directory, leaders, settings.cluster_id, self._transport.connected, _limits(settings)
        )
        surroundings = Surroundings(
            is_connected=self._transport.connected,
            refusal=self._transport.refusal,
            reconcile=self._reconciler.run,
            reaches=reaches,
            replica_count=settings.replicas,
        )
        me = _me(settings, data)
        database, self.steward, self.conductor, self.index_driver = assemble(
            self.node, self._directory, leaders, status, me, random, surroundings
        )
        self._http = HttpServer(database, _http_settings(settings), self._registry, on_fatal)
        self._host_groups()

    @classmethod
    def open(cls, settings: Settings, *, on_fatal: Callable[[BaseException], None]) -> Runtime:
        """Open the data directory and build every part. On the loop; nothing is served yet.

        Raises:
            Fatal: the directory is locked, damaged, too new, or of another cluster or node.
        """
        now_ms = SystemClock().wall_ms()
        data = DataDirectory.open(settings.data, cluster=settings.cluster_id, node=settings.node, now_ms=now_ms)
        return cls(settings, data, on_fatal)

    async def start(self) -> None:
        """Join the other nodes and serve.

        Raises:
            WrongStore: a peer knows this node's id with another data directory.
            OSError: an address cannot be listened on.
        """
        settings = self._settings
        self._reconciler.dial()
        await self._transport.start()
        self._ticker.start()
        if CATALOG_GROUP not in self.node.replicas:
            if settings.join:
                self._directory.meet(await ask_to_join(settings, self._data.identity.store))
                self._reconciler.dial()
                self._create_catalog(())
            else:
                await self._admitted()
                self._create_catalog(tuple(sorted(settings.peers)))
        self._reconciler.run()
        await self._http.start(settings.http.host, settings.http.port)

    async def drain(self, timeout_ms: int) -> None:
        """Take no more proposals, hand every group over, let requests under way end."""
        self.node.is_draining = True
        deadline_ns = self._clock.now_ns() + timeout_ms * NS_PER_MS
        now_ns = self._clock.now_ns()
        for replica in self._led():
            replica.core.transfer(None, now_ns)
            self.node.touch(replica)
        while self._clock.now_ns() < deadline_ns:
            if not self._led() or not any(map(self._transport.connected, self._directory.addresses())):
                break
            await asyncio.sleep(POLL_INTERVAL_S)
        await self._http.close()

    async def close(self) -> None:
        """Close everything from the top down; what is applied is flushed, the log gets its closing frame."""
        await self._http.close()
        self._ticker.close()
        self.node.close()
        await self._transport.close()
        self._writer.close()
        await self._maintenance.close()
        self._log.close()
        self._engine.close()
        self._data.close()

    def _make_factory(self, random: Random) -> ReplicaFactory:
        return ReplicaFactory(
            node=self._settings.node,
            boot_id=self._boot_id,
            log=self._log,
            engine=self._engine,
            clock=self._clock,
            random=random,
            tuning=_tuning(self._settings),
        )

    def _host_snapshots(self, random: Random) -> None:
        Snapshots(
            self.node,
            self._engine,
            self._factory.incarnations,
            SnapshotMetrics(self._registry),
            boot_id=self._boot_id,
            random=random,
            make_machine=self._factory.machine,
            flush=self._maintenance.flush,
            bytes_per_s=self._settings.snapshot_bytes_per_s,
        )

    def _host_groups(self) -> None:
        """Host what the log knows; what the engine holds beside that is nobody's."""
        groups = self._log.groups
        self._factory.drop_leftovers(groups)
        for group, recovered in groups.items():
            self.node.add_replica(self._factory.recovered(group, recovered), None)

    def _led(self) -> list[Replica]:
        """Return the groups that this node leads and that somebody else could lead."""
        return [r for r in self.node.replicas.values() if r.is_leader and len(r.core.configuration.voters) > 1]

    def _admit(self, peer: Peer) -> Refusal | None:
        if self._directory.is_removed(peer.node):
            return Refusal(REMOVED, removal_of(peer.node))
        detail = self._admission.admit(peer.node, peer.store_id)
        if detail is not None:
            return Refusal(NOT_ADMITTED, detail)
        if self._directory.hear(peer.node, peer.address):
            log.info("peer moved node=%s address=%s", peer.node, peer.address)
            # Not now: the transport is in the middle of this peer's handshake.
            asyncio.get_running_loop().call_soon(self._reconciler.dial)
        return None

    def _applied(self, replica: Replica) -> None:
        if replica.group == CATALOG_GROUP:
            self._reconciler.run()

    async def _admitted(self) -> None:
        """Wait until every initial member has let this new data directory in."""
        others = [peer for peer in self._settings.peers if peer != self.node.node]
        while waiting := [peer for peer in others if not self._transport.connected(peer)]:
            for peer in waiting:
                refusal = self._transport.refusal(peer)
                if refusal is not None and refusal.code == NOT_ADMITTED:
                    raise WrongStore(refusal.detail)
            await asyncio.sleep(POLL_INTERVAL_S)

    def _create_catalog(self, voters: tuple[NodeId, ...]) -> None:
        """Create the catalog's replica: a founder's, or that of a node which learns from the log who belongs to it."""
        replica, record = self._factory.new(CATALOG_GROUP, Configuration(voters))
        self.node.add_replica(replica, record)
        if voters[:1] == (self.node.node,):
            replica.core.campaign(self._clock.now_ns())


def _clock(settings: Settings) -> Clock:
    if settings.clock_file is None:
        return SystemClock()
    log.warning("clocks are bent by a file, for tests only file=%s", settings.clock_file)
    return FileClock(settings.clock_file)


def _open_log(settings: Settings, data: DataDirectory) -> SharedLog:
    return SharedLog.open(
        data.log_path,
        segment_bytes=settings.log_segment_bytes,
        reserve_bytes=settings.disk_reserve_bytes,
        log_bytes_max=settings.log_bytes_max,
    )


def _local(settings: Settings, data: DataDirectory, boot_id: BootId) -> Local:
    """Return how this node shows itself to peers."""
    return Local(
        settings.cluster_id,
        settings.node,
        data.identity.store,
        boot_id,
        settings.secret,
        settings.peer_advertise,
    )


def _tuning(settings: Settings) -> RaftTuning:
    return RaftTuning(
        heartbeat_interval_ms=settings.heartbeat_interval_ms,
        election_timeout_ms=settings.election_timeout_ms,
        leases_enabled=settings.reads == "lease",
        cache_bytes_max=settings.log_cache_bytes,
    )


def _me(settings: Settings, data: DataDirectory) -> NodeRecord:
    """Return how this node is to be registered."""
    return NodeRecord(
        settings.node, data.identity.store, settings.http_advertise, settings.peer_advertise, settings.host
    )


def _limits(settings: Settings) -> dict[str, int]:
    """Return the limits that this node's settings have changed, for /v1/cluster."""
    return {
        "document_bytes_max": settings.document_bytes_max,
        "idempotency_retention_ms": settings.idempotency_retention_ms,
        "request_timeout_ms": settings.request_timeout_ms,
    }


def _http_settings(settings: Settings) -> HttpSettings:
    return HttpSettings(
        document_bytes_max=settings.document_bytes_max,
        request_timeout_ms=settings.request_timeout_ms,
        connections_max=settings.http_connections_max,
        idempotency_retention_ms=settings.idempotency_retention_ms,
    )
