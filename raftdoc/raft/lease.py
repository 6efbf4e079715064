"""The leader's lease: until when no other node can have been elected, by this node's own clock.

    lease_until = t_q + (W - q) / (1 + rho)

t_q is the latest send time, by the leader's clock, that a quorum has acknowledged: never the time of an answer.
A follower promises from when it *received* the frame, which is later. rho bounds how much faster its clock may run.

Source: dissertation 6.4.1; the breakers L1-L8 of docs/consensus.md.
"""

from __future__ import annotations

from collections.abc import Mapping

from raftdoc.ids import NodeId, Term
from raftdoc.raft.progress import Progress
from raftdoc.raft.quorum import quorum_value
from raftdoc.raft.state import State

FOREVER = 1 << 62


class Lease:
    """Of one term of leadership; a new one is made for each."""

    __slots__ = ("_floor_ns", "_length_ns", "_progress", "_state", "is_off", "is_stalled", "term", "until_ns")

    def __init__(self, state: State, progress: Mapping[NodeId, Progress]) -> None:
        settings = state.settings
        self._state = state
        self._progress = progress
        self._length_ns = int(
            (settings.election_timeout_ns - settings.lease_margin_ns) / (1 + settings.clock_rate_error_max)
        )
        self._floor_ns = 0
        """Acknowledgements of rounds sent at or before this do not count."""
        self.term: Term = state.term
        self.until_ns = 0
        self.is_off = not settings.leases_enabled
        """For the rest of the term: by the settings, or because a transfer was begun (L1)."""
        self.is_stalled = False
        """The log's disk does not answer (L8)."""
        self.renew()

    def renew(self) -> None:
        """Take up what the peers have acknowledged."""
        latest_ns = quorum_value(self._state.configuration, self._acked_ns)
        until_ns = FOREVER if latest_ns == FOREVER else latest_ns + self._length_ns if latest_ns else 0
        self.until_ns = max(self.until_ns, until_ns)

    def suspect(self, now_ns: int) -> None:
        """Drop the lease until a quorum acknowledges a round sent from now on: the clocks disagree (L4)."""
        self._floor_ns = now_ns
        for progress in self._progress.values():
            progress.acked_sent_ns = 0
        self.until_ns = 0
        self.renew()

    def acked(self, progress: Progress, sent_ns: int) -> None:
        """Note that a peer has acknowledged what was sent at sent_ns."""
        if sent_ns > progress.acked_sent_ns and sent_ns > self._floor_ns:
            progress.acked_sent_ns = sent_ns
            self.renew()

    def covers(self, now_ns: int) -> bool:
        """Return whether no other node can lead now, as far as clocks go."""
        return now_ns < self.until_ns

    def _acked_ns(self, node: NodeId) -> int:
        if node == self._state.settings.node:
            return FOREVER
        progress = self._progress.get(node)
        return 0 if progress is None else progress.acked_sent_ns
