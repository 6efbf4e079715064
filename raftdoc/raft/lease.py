"""The leader's lease: until when no other node can have been elected, by this node's own clock.

    lease_until = t_q + (W - q) / (1 + rho)

t_q is the latest send time, by the leader's clock, that a quorum has acknowledged: never the time of an answer.
A follower promises from when it *received* the frame, which is later. rho bounds how much faster its clock may run.

Source: dissertation 6.4.1; the breakers L1-L8 of docs/consensus.md.
"""

from __future__ import annotations

from raftdoc.ids import NodeId
from raftdoc.raft.quorum import quorum_value
from raftdoc.raft.state import State

FOREVER = 1 << 62


class Lease:
    """Of one term of leadership; a new one is made for each."""

    __slots__ = ("_acked_ns", "_claimed_ns", "_first_round", "_length_ns", "_quorum_ns", "_state", "is_off", "until_ns")

    def __init__(self, state: State) -> None:
        settings = state.settings
        self._state = state
        self._acked_ns: dict[NodeId, int] = {settings.node: FOREVER}
        """The latest send time, by this clock, that each node has acknowledged. This node hears itself always."""
        self._quorum_ns = 0
        self._length_ns = int(
            (settings.election_timeout_ns - settings.lease_margin_ns) / (1 + settings.clock_rate_error_max)
        )
        self._first_round = 0
        """Acknowledgements of what was sent before this round of ReadIndex do not count."""
        self.until_ns = 0
        self._claimed_ns = 0
        """Until when this term claimed a lease under an earlier configuration (L5)."""
        self.is_off = not settings.leases_enabled
        """For the rest of the term: by the settings, or because a transfer was begun (L1)."""
        self._renew()

    def is_valid(self, now_ns: int) -> bool:
        """Return whether reads may rely on this lease, as far as clocks and disk go."""
        return now_ns < self.until_ns and not self.is_off and not self._state.is_disk_stalled

    def covers(self, now_ns: int) -> bool:
        """Return whether no other node can lead now, whether or not reads may rely on it (L6)."""
        return now_ns < self.until_ns

    def acked(self, peer: NodeId, sent_ns: int, read_round: int) -> None:
        """Note that a peer has acknowledged what was sent at sent_ns, in that round or later."""
        if read_round >= self._first_round and sent_ns > self._acked_ns.get(peer, 0):
            self._acked_ns[peer] = sent_ns
            if sent_ns > self._quorum_ns:
                self._renew()

    def reconfigure(self, now_ns: int) -> None:
        """Count anew who acknowledged what: another configuration is in force (L5)."""
        self._claim(now_ns)
        self.until_ns = 0
        self._renew()

    def is_settled(self, now_ns: int) -> bool:
        """Return whether the configuration may be changed: what was claimed before the last change is over or renewed.

        Safety: who made the promises that the old claim rests on need not be asked under the configuration after the
        next (L5).
        """
        is_over = self.until_ns >= self._claimed_ns or now_ns >= self._claimed_ns
        return is_over or not self._state.settings.leases_enabled

    def suspect(self, first_round: int, now_ns: int) -> None:
        """Drop the lease until a quorum acknowledges that round or a later one: the clocks disagree (L4)."""
        if self._claimed_ns or self.until_ns:
            # By the new clock it is not known when that would have ended, but that it was no longer than this.
            self._claimed_ns = now_ns + self._length_ns
        self._first_round = first_round
        self._acked_ns = {self._state.settings.node: FOREVER}
        self._quorum_ns = self.until_ns = 0
        self._renew()

    def _claim(self, now_ns: int) -> None:
        """Remember the longest claim. A node that was a quorum by itself claimed no more than it could renew now."""
        self._claimed_ns = max(self._claimed_ns, min(self.until_ns, now_ns + self._length_ns))

    def _renew(self) -> None:
        self._quorum_ns = quorum_value(self._state.configuration, self._acked_ns)
        if self._quorum_ns == FOREVER:
            self.until_ns = FOREVER
        elif self._quorum_ns:
            self.until_ns = self._quorum_ns + self._length_ns
