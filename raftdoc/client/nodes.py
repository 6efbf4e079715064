"""What the client knows of each node, and which one it asks next. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final
from urllib.parse import urlsplit

from raftdoc.client.errors import InvalidUse
from raftdoc.client.options import Balance

BREAK_AFTER: Final = 2
"""Failures in a row that open the breaker: the node is asked last until it has rested."""
REST_S_MIN: Final = 0.5
REST_S_MAX: Final = 10.0
LATENCY_WEIGHT: Final = 0.2
"""Of the newest latency in the running mean."""


@dataclass(slots=True, eq=False)
class NodeState:
    """One address. Changed by the answers that come from it, or do not."""

    host: str
    port: int
    is_tls: bool
    id: str | None = None
    """As the cluster names it; None until it has been learned."""
    cluster_id: str | None = None
    """As it has said last."""
    is_checked: bool = False
    """Whether it has said so since it was last out of reach."""
    in_flight: int = 0
    latency_s: float = 0.0
    """Running mean; 0 before the first answer, so that it is tried."""
    failures: int = field(default=0)
    """In a row."""
    resting_until_s: float = 0.0

    @property
    def address(self) -> tuple[str, int]:
        return self.host, self.port

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def url(self) -> str:
        return f"{'https' if self.is_tls else 'http'}://{self.authority}"

    def succeeded(self, latency_s: float) -> None:
        self.failures = 0
        self.resting_until_s = 0.0
        weight = LATENCY_WEIGHT if self.latency_s else 1.0
        self.latency_s += weight * (latency_s - self.latency_s)

    def failed(self, now_s: float) -> None:
        """Note that it did not answer; from the second time on it rests, longer each time."""
        self.failures += 1
        self.is_checked = False
        if self.failures >= BREAK_AFTER:
            rest_s = min(REST_S_MAX, REST_S_MIN * 2 ** (self.failures - BREAK_AFTER))
            self.resting_until_s = now_s + rest_s


def parse_node(url: str) -> NodeState:
    """Return the node at `http://host:port` or `https://host:port`.

    Raises:
        InvalidUse: it is no such address.
    """
    if not isinstance(url, str):
        raise InvalidUse(f"an address is http://host:port, not {url!r:.60}")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise InvalidUse(f"an address is http://host:port, not {url!r:.60}") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port is None or parts.path.strip("/"):
        raise InvalidUse(f"an address is http://host:port, not {url!r}")
    return NodeState(parts.hostname, port, parts.scheme == "https")


def parse_nodes(urls: Sequence[str]) -> list[NodeState]:
    """Return the nodes at these addresses, each once.

    Raises:
        InvalidUse: no address, or one that is none.
    """
    addresses = [] if isinstance(urls, str) or not isinstance(urls, Iterable) else list(urls)
    if not addresses:
        raise InvalidUse("give the addresses of the nodes as a list: ['http://127.0.0.1:8101', ...]")
    return list({node.address: node for node in map(parse_node, addresses)}.values())


class Balancer:
    """Chooses a node. While others are left, none that this call has tried, and none that failed lately."""

    def __init__(self, balance: Balance, random: Random) -> None:
        self._balance = balance
        self._random = random
        self._turn = 0

    def choose(
        self, nodes: Sequence[NodeState], *, leader: str | None, tried: Collection[NodeState], now_s: float
    ) -> NodeState:
        """Return the node to ask. There is at least one."""
        fresh = [node for node in nodes if node not in tried] or list(nodes)
        awake = [node for node in fresh if node.resting_until_s <= now_s]
        if not awake:
            return min(fresh, key=lambda node: node.resting_until_s)
        if len(awake) == 1:
            return awake[0]
        return self._pick(awake, leader)

    def _pick(self, nodes: Sequence[NodeState], leader: str | None) -> NodeState:
        match self._balance:
            case "leader":
                known = next((node for node in nodes if node.id is not None and node.id == leader), None)
                return known or self._next(nodes)
            case "round_robin":
                return self._next(nodes)
            case "random":
                return nodes[int(self._random.random() * len(nodes))]
            case "least_connections":
                return min(nodes, key=lambda node: node.in_flight)
            case "nearest":
                return min(nodes, key=lambda node: node.latency_s)

    def _next(self, nodes: Sequence[NodeState]) -> NodeState:
        self._turn += 1
        return nodes[self._turn % len(nodes)]
