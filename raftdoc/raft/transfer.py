"""Handing leadership to another node.

L1: from the moment a transfer begins, this term's lease is gone for good, because the target's voters do not wait
for it. If the transfer fails, the way back to a lease is a new term.

Source: dissertation 3.10.
"""

from __future__ import annotations

from collections.abc import Mapping

from raftdoc.ids import NodeId
from raftdoc.raft.lease import Lease
from raftdoc.raft.messages import TimeoutNow
from raftdoc.raft.progress import Progress
from raftdoc.raft.ready import Rejection, RejectReason
from raftdoc.raft.state import State


class Transfer:
    __slots__ = ("_deadline_ns", "_is_ordered", "_lease", "_progress", "_state", "target")

    def __init__(self, state: State, progress: Mapping[NodeId, Progress], lease: Lease) -> None:
        self._state = state
        self._progress = progress
        self._lease = lease
        self._deadline_ns = 0
        self._is_ordered = False
        self.target: NodeId | None = None
        """Who is to lead; None: no transfer is under way."""

    def begin(self, target: NodeId | None, now_ns: int) -> Rejection | None:
        """Take no more proposals, let the target catch up, then order it to campaign. None: whoever is best."""
        if self.target is not None:
            return Rejection(RejectReason.TRANSFERRING, self.target)
        target = self._choose(target, now_ns)
        if target is None:
            return Rejection(RejectReason.NO_TARGET, self._state.settings.node)
        # Safety: the lease ends before the order can leave (L1).
        self._lease.is_off = True
        self.target = target
        self._deadline_ns = now_ns + self._state.settings.election_timeout_ns
        self.on_matched(target)
        return None

    def on_matched(self, peer: NodeId) -> None:
        """Order the target to campaign once it has all of the log durably."""
        if peer != self.target or self._is_ordered:
            return
        if self._progress[peer].match_index == self._state.log.last_index:
            self._is_ordered = True
            self._state.send(peer, TimeoutNow(self._state.term, self._state.settings.boot_id))

    def has_expired(self, now_ns: int) -> bool:
        """Return whether the transfer has failed: the node has to campaign again for a term of its own."""
        return self.target is not None and now_ns >= self._deadline_ns

    def _choose(self, target: NodeId | None, now_ns: int) -> NodeId | None:
        """Return a voter: the one asked for, or the one heard of late that has most of the log."""
        state = self._state
        voters = [peer for peer in self._progress if state.configuration.is_voter(peer)]
        if target is not None or not voters:
            return target if target in voters else None
        recent_ns = now_ns - state.settings.election_timeout_ns
        rank = {peer: (self._progress[peer].heard_ns > recent_ns, self._progress[peer].match_index) for peer in voters}
        return max(voters, key=lambda peer: (rank[peer], peer))
