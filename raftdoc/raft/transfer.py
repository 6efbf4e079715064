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

    def begin(self, target: NodeId | None, now_ns: int) -> None:
        """Take no more proposals, let the target catch up, then order it to campaign. None: the best match."""
        voters = [peer for peer in self._progress if self._state.configuration.is_voter(peer)]
        if target is None and voters:
            target = max(voters, key=lambda peer: (self._progress[peer].match_index, peer))
        if target is None or target not in voters or self.target is not None:
            return
        self._lease.is_off = True
        self.target = target
        self._deadline_ns = now_ns + self._state.settings.election_timeout_ns
        self.on_matched(target, now_ns)

    def on_matched(self, peer: NodeId, now_ns: int) -> None:
        """Order the target to campaign once it has all of the log."""
        if peer != self.target or self._is_ordered:
            return
        if self._progress[peer].match_index == self._state.log.last_index:
            self._is_ordered = True
            self._state.send(peer, TimeoutNow(self._state.term, self._state.settings.boot_id))

    def has_expired(self, now_ns: int) -> bool:
        """Return whether the transfer has failed: the node has to campaign again for a term of its own."""
        return self.target is not None and now_ns >= self._deadline_ns
