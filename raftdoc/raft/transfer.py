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
    __slots__ = ("_is_ordered", "_lease", "_leaves", "_progress", "_state", "deadline_ns", "target")

    def __init__(self, state: State, progress: Mapping[NodeId, Progress], lease: Lease) -> None:
        self._state = state
        self._progress = progress
        self._lease = lease
        self.deadline_ns = 0
        """When the transfer that is under way has failed."""
        self._is_ordered = False
        self._leaves = False
        """This node has no vote any more: it follows as soon as the order is given."""
        self.target: NodeId | None = None
        """Who is to lead; None: no transfer is under way."""

    def begin(self, target: NodeId | None, now_ns: int) -> Rejection | None:
        """Take no more proposals, let the target catch up, then order it to campaign. None: whoever is best."""
        if self.target is not None:
            return Rejection(RejectReason.TRANSFERRING, self._state.settings.node)
        target = self._choose(target, now_ns)
        if target is None:
            return Rejection(RejectReason.NO_TARGET, self._state.settings.node)
        # Safety: the lease ends before the order can leave (L1).
        self._lease.is_off = True
        self.target = target
        self.deadline_ns = now_ns + self._state.settings.election_timeout_ns
        self.on_matched(target)
        return None

    def leave(self, now_ns: int) -> None:
        """Hand over to whoever is best, and lead no more: the group goes on without this node (dissertation 4.2.2)."""
        self._leaves = True
        if self._is_ordered or (self.target is None and self.begin(None, now_ns) is not None):
            self._state.become_follower(self._state.term, None)

    def on_matched(self, peer: NodeId) -> None:
        """Order the target to campaign once it has all of the log durably."""
        if peer != self.target or self._is_ordered:
            return
        if self._progress[peer].match_index == self._state.log.last_index:
            self._is_ordered = True
            self._state.send(peer, TimeoutNow(self._state.term, self._state.settings.boot_id))
            if self._leaves:
                self._state.become_follower(self._state.term, None)

    def on_clock_suspect(self, now_ns: int) -> None:
        """L4: what is under way has its time from now on; by the new clock it is not known how much was left."""
        self.deadline_ns = now_ns + self._state.settings.election_timeout_ns

    def has_expired(self, now_ns: int) -> bool:
        """Return whether the transfer has failed: the node has to campaign again for a term of its own."""
        return self.target is not None and now_ns >= self.deadline_ns

    def _choose(self, target: NodeId | None, now_ns: int) -> NodeId | None:
        """Return a voter: the one asked for, or the one heard of late that has most of the log."""
        state = self._state
        if target is not None:
            return target if target in self._progress and state.configuration.is_voter(target) else None
        voters = [peer for peer in self._progress if peer in state.configuration.voters]
        if not voters:
            return None
        recent_ns = now_ns - state.settings.election_timeout_ns
        rank = {peer: (self._progress[peer].heard_ns > recent_ns, self._progress[peer].match_index) for peer in voters}
        return max(voters, key=lambda peer: (rank[peer], peer))
