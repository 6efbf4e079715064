"""Small networks of nodes over each Transport, with one face, and endpoints that remember what came."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterable
from random import Random
from typing import Any, Protocol

from raftdoc.ids import BootId, ClusterId, GroupId, NodeId, StoreId
from raftdoc.telemetry.metrics import Registry
from raftdoc.transport.handshake import Local
from raftdoc.transport.memory import MemoryHub, MemoryTransport
from raftdoc.transport.metrics import TransportMetrics
from raftdoc.transport.settings import TcpSettings
from raftdoc.transport.tcp import TcpTransport
from raftdoc.transport.transport import Admit, Lane, Transport
from raftdoc.wire.codec import Item
from raftdoc.wire.messages import Ping

N1, N2, N3 = NodeId("n1"), NodeId("n2"), NodeId("n3")
SECRET = b"the secret of all tests"
DEADLINE_S = 20


async def until(condition: Callable[[], object]) -> None:
    """Wait until the condition holds, or fail after DEADLINE_S."""
    async with asyncio.timeout(DEADLINE_S):
        while not condition():  # noqa: ASYNC110  # Nobody sets an event for what a test looks at.
            await asyncio.sleep(0.001)


def ping(number: int) -> Item:
    return GroupId(0), Ping(number, 0, ())


def big(number: int, group_count: int) -> list[Item]:
    """Return the items of a frame of about 10 kB per thousand groups."""
    return [(GroupId(0), Ping(number, 0, tuple((GroupId(1 << 31), 1 << 40) for _ in range(group_count))))]  # type: ignore[misc]


class Endpoint:
    """One life of one node: its transport, what came, and who was reported."""

    def __init__(self, node: NodeId, transport: Transport) -> None:
        self.node = node
        self.transport = transport
        self.frames: list[tuple[NodeId, list[Item]]] = []
        self.reports: list[NodeId] = []
        transport.set_receiver(lambda peer, items: self.frames.append((peer, items)), self.reports.append)

    def send(self, peer: NodeId, number: int, lane: Lane = Lane.HEARTBEAT) -> None:
        self.transport.send(peer, lane, [ping(number)])

    def numbers(self, peer: NodeId) -> list[int]:
        """Return the numbers of the pings that came from peer."""
        return [message.sent_ns for sender, items in self.frames for _, message in items if sender == peer]

    def is_connected(self, *peers: NodeId) -> bool:
        return all(self.transport.connected(peer) for peer in peers)


class World(Protocol):
    """Nodes that all know each other, in this process."""

    async def start(self, node: NodeId, boot: int = 1) -> Endpoint:
        """Start a life of the node. It dials all nodes that were ever started, and they dial it."""

    async def stop(self, node: NodeId) -> None: ...

    def cut_one_way(self, sender: NodeId, receiver: NodeId) -> None: ...

    def heal_one_way(self, sender: NodeId, receiver: NodeId) -> None: ...

    async def close(self) -> None: ...


class MemoryWorld:
    def __init__(self) -> None:
        self.hub = MemoryHub(asyncio.get_running_loop().call_soon)
        self._transports: dict[NodeId, MemoryTransport] = {}

    async def start(self, node: NodeId, boot: int = 1) -> Endpoint:
        transport = self.hub.transport(node, BootId(boot))
        endpoint = Endpoint(node, transport)
        self._transports[node] = transport
        for known in self._transports.values():
            known.set_peers(dict.fromkeys(self._transports, "127.0.0.1:1"))
        await transport.start()
        return endpoint

    async def stop(self, node: NodeId) -> None:
        await self._transports[node].close()

    def cut_one_way(self, sender: NodeId, receiver: NodeId) -> None:
        self.hub.cut_one_way(sender, receiver)

    def heal_one_way(self, sender: NodeId, receiver: NodeId) -> None:
        self.hub.heal_one_way(sender, receiver)

    async def close(self) -> None:
        for transport in self._transports.values():
            await transport.close()


class TcpWorld:
    """Each node has its own port on loopback. A direction is cut by having it dial a port where nobody listens."""

    def __init__(self, settings: TcpSettings | None = None) -> None:
        self.registries: dict[NodeId, Registry] = {}
        self._settings = settings
        self._nobody = socket.socket()
        self._nobody.bind(("127.0.0.1", 0))
        self._dead_address = f"127.0.0.1:{self._nobody.getsockname()[1]}"
        self._transports: dict[NodeId, TcpTransport] = {}
        self._addresses: dict[NodeId, str] = {}
        self._cuts: set[tuple[NodeId, NodeId]] = set()

    async def start(self, node: NodeId, boot: int = 1, **local: Any) -> Endpoint:
        registry = self.registries[node] = Registry()
        transport = tcp_transport(
            node, boot, listen=self._addresses.get(node), registry=registry, settings=self._settings, **local
        )
        endpoint = Endpoint(node, transport)
        await transport.start()
        self._transports[node] = transport
        self._addresses[node] = transport.address
        for known in self._transports:
            self._tell_peers(known)
        return endpoint

    async def stop(self, node: NodeId) -> None:
        await self._transports[node].close()

    def address(self, node: NodeId) -> str:
        return self._addresses[node]

    def value(self, node: NodeId, sample: str) -> float:
        """Return the value of one line of the node's metrics."""
        lines = self.registries[node].exposition().splitlines()
        return float(next(line.rpartition(" ")[2] for line in lines if line.startswith(f"{sample} ")))

    def cut_one_way(self, sender: NodeId, receiver: NodeId) -> None:
        self._cuts.add((sender, receiver))
        self._tell_peers(sender)

    def heal_one_way(self, sender: NodeId, receiver: NodeId) -> None:
        self._cuts.discard((sender, receiver))
        self._tell_peers(sender)

    async def close(self) -> None:
        for transport in self._transports.values():
            await transport.close()
        self._nobody.close()

    def _tell_peers(self, node: NodeId) -> None:
        self._transports[node].set_peers(
            {
                peer: self._dead_address if (node, peer) in self._cuts else address
                for peer, address in self._addresses.items()
            }
        )


def tcp_transport(
    node: NodeId,
    boot: int = 1,
    *,
    listen: str | None = None,
    registry: Registry | None = None,
    settings: TcpSettings | None = None,
    cluster: str = "c1",
    store: str | None = None,
    secret: bytes = SECRET,
    admit: Admit = lambda _: None,
) -> TcpTransport:
    """Return a transport of a node, not started."""
    return TcpTransport(
        Local(ClusterId(cluster), node, StoreId(store or f"store of {node}"), BootId(boot), secret),
        listen=listen or "127.0.0.1:0",
        admit=admit,
        random=Random(boot),
        metrics=TransportMetrics(registry or Registry()),
        settings=settings,
    )


async def connect(endpoints: Iterable[Endpoint]) -> None:
    """Wait until all of them are connected with all others."""
    nodes = {endpoint.node: endpoint for endpoint in endpoints}
    await until(lambda: all(end.is_connected(*(nodes.keys() - {end.node})) for end in nodes.values()))
