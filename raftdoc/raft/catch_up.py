"""Whether a learner is fit to vote: rounds of replication, as a leader measures them.

A round brings the learner all that the leader's log held when the round began. One that took no longer than a
heartbeat interval leaves the learner no more than a heartbeat's worth of log behind: it has caught up. After ten rounds
that took longer it is too slow, which does not keep it from catching up later.

Source: dissertation 4.2.1, where a round may take an election timeout; ours has to be shorter.
"""

from __future__ import annotations

from raftdoc.ids import Index
from raftdoc.raft.membership import CatchUp

ROUNDS_MAX = 10


class CatchUpRounds:
    """Of one learner, in one term of leadership."""

    __slots__ = ("_round_count", "_started_ns", "_target_index", "state")

    def __init__(self, last_index: Index, now_ns: int) -> None:
        self.state = CatchUp.CATCHING_UP
        self._round_count = 0
        """Of those that took too long, since it was last caught up."""
        self._target_index: Index | None = last_index
        """Where the round under way ends; None: the learner has all there is, and none is."""
        self._started_ns = now_ns

    def matched(self, match_index: Index, last_index: Index, round_ns_max: int, now_ns: int) -> None:
        """Note how far the learner is; a round that ends begins the next."""
        if self._target_index is None or match_index < self._target_index:
            return
        if now_ns - self._started_ns <= round_ns_max or match_index == last_index:
            self.state = CatchUp.CAUGHT_UP
            self._round_count = 0
        else:
            self._round_count += 1
            if self._round_count >= ROUNDS_MAX:
                self.state = CatchUp.TOO_SLOW
        self._begin(match_index, last_index, now_ns)

    def tick(self, match_index: Index, last_index: Index, patience_ns: int, now_ns: int) -> None:
        """Begin a round where there is something to bring; take back that it has caught up when one lasts for long."""
        if self._target_index is None:
            self._begin(match_index, last_index, now_ns)
        elif self.state is CatchUp.CAUGHT_UP and now_ns - self._started_ns > patience_ns:
            self.state = CatchUp.CATCHING_UP

    def restart(self, now_ns: int) -> None:
        """Take the round under way as begun now."""
        self._started_ns = now_ns

    def _begin(self, match_index: Index, last_index: Index, now_ns: int) -> None:
        self._target_index = last_index if match_index < last_index else None
        self._started_ns = now_ns
