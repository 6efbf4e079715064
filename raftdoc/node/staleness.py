"""How old a stale read may be, and how far the nodes' wall clocks are apart.

Every node sends each peer a Ping with its own clock; the peer answers with the commit index of every group it
leads by a valid lease. Once a group here has applied that commit, its data is at least as new as the moment the
Ping was sent, by this node's own clock: no comparison of clocks between machines is needed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from statistics import median

from raftdoc.ids import GroupId, Index, NodeId
from raftdoc.limits import NS_PER_MS
from raftdoc.node.replica import Replica
from raftdoc.wire.messages import Ping, Pong

PENDING_MAX = 64


class Staleness:
    """Per group: the newest moment whose commits are known to be applied here."""

    def __init__(self) -> None:
        self._fresh_ns: dict[GroupId, int] = {}
        self._pending: dict[GroupId, deque[tuple[Index, int]]] = {}
        self._wall_offset_ms: dict[NodeId, int] = {}
        self._applied: dict[NodeId, dict[GroupId, Index]] = {}
        self._leads: dict[NodeId, frozenset[GroupId]] = {}

    def ping(self, replicas: Iterable[Replica], now_ns: int, wall_ms: int) -> Ping:
        """Return the question, which also tells how far this node has applied each group."""
        return Ping(now_ns, wall_ms, tuple((replica.group, replica.machine.applied_index) for replica in replicas))

    def pong(self, peer: NodeId, ping: Ping, replicas: Iterable[Replica], now_ns: int, wall_ms: int) -> Pong:
        """Note a peer's Ping and answer it with the commits of the groups that this node leads by a valid lease."""
        self._applied[peer] = dict(ping.applied)
        commits = tuple(
            (replica.group, replica.core.commit_index) for replica in replicas if replica.core.lease_valid(now_ns)
        )
        return Pong(ping.sent_ns, wall_ms, commits)

    def heard(self, peer: NodeId, pong: Pong, now_ns: int, wall_ms: int) -> None:
        """Note an answer: its commits count as of the time this node sent the question."""
        flight_ms = (now_ns - pong.sent_ns) // NS_PER_MS
        if flight_ms < 0:
            return  # The question was asked by another clock.
        self._wall_offset_ms[peer] = pong.wall_ms + flight_ms // 2 - wall_ms
        self._leads[peer] = frozenset(group for group, _ in pong.commits)
        for group, commit_index in pong.commits:
            pending = self._pending.setdefault(group, deque(maxlen=PENDING_MAX))
            pending.append((commit_index, pong.sent_ns))

    def forget(self, peer: NodeId) -> None:
        self._wall_offset_ms.pop(peer, None)
        self._applied.pop(peer, None)
        self._leads.pop(peer, None)

    def forget_group(self, group: GroupId) -> None:
        """Drop what is known of a group's replica here: it leaves, and another one has none of its state."""
        self._fresh_ns.pop(group, None)
        self._pending.pop(group, None)

    def on_clock_suspect(self) -> None:
        """Forget how old anything is: by a clock that was set back it could be taken for newer than it is."""
        self._fresh_ns.clear()
        self._pending.clear()

    def leader(self, group: GroupId) -> NodeId | None:
        """Return the peer that said last that it leads a group by a valid lease; None where none did."""
        return next((peer for peer, groups in self._leads.items() if group in groups), None)

    def applied_index(self, peer: NodeId, group: GroupId) -> Index | None:
        """Return how far a peer said that it has applied a group; None when it is not known."""
        return self._applied.get(peer, {}).get(group)

    def staleness_ms(self, replica: Replica, now_ns: int) -> int | None:
        """Return how old the group's state here may be at most; None when it is not known."""
        if replica.can_serve_now(now_ns):
            return 0
        self._settle(replica)
        fresh_ns = self._fresh_ns.get(replica.group)
        return None if fresh_ns is None else max(0, now_ns - fresh_ns) // NS_PER_MS + 1

    def wall_skew_ms(self) -> int:
        """Return how far this node's wall clock is ahead of the median of all it knows, its own included.

        With fewer than two others there is no telling whose clock is wrong: 0.
        """
        if len(self._wall_offset_ms) < 2:
            return 0
        return -int(median([0, *self._wall_offset_ms.values()]))

    def _settle(self, replica: Replica) -> None:
        pending = self._pending.get(replica.group)
        applied_index = replica.machine.applied_index
        while pending and pending[0][0] <= applied_index:
            sent_ns = pending.popleft()[1]
            self._fresh_ns[replica.group] = max(sent_ns, self._fresh_ns.get(replica.group, 0))
