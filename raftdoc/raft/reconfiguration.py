"""How a leader changes who belongs to the group: into the joint configuration and out of it, one change at a time.

    learners differ only     one entry
    voters differ            a joint entry; committed by a majority of both halves, and the lease settled (L5);
                             then, by itself, the entry that leaves it

A leader that finds a joint configuration finishes it. One that is no voter any more, once that is committed, hands
over to the best of its peers and steps down.

Source: dissertation 4.1, 4.2.1 (catching up), 4.2.2 (removing the leader), 4.3 (joint consensus).
"""

from __future__ import annotations

from collections.abc import Callable

from raftdoc.ids import Index, NodeId
from raftdoc.raft.catch_up import CatchUpRounds
from raftdoc.raft.lease import Lease
from raftdoc.raft.membership import CatchUp, MembershipChange, final_configuration, next_configuration
from raftdoc.raft.ready import RejectReason
from raftdoc.raft.replication import Replication
from raftdoc.raft.settings import Configuration
from raftdoc.raft.state import State
from raftdoc.raft.transfer import Transfer


class Reconfiguration:
    """Of one term of leadership. `append` adds an entry with a configuration to the log."""

    __slots__ = ("_append", "_lease", "_replication", "_rounds", "_state", "_transfer", "has_learners", "is_busy")

    def __init__(
        self,
        state: State,
        replication: Replication,
        lease: Lease,
        transfer: Transfer,
        append: Callable[[Configuration, int], Index],
        now_ns: int,
    ) -> None:
        self._state = state
        self._replication = replication
        self._lease = lease
        self._transfer = transfer
        self._append = append
        self._rounds: dict[NodeId, CatchUpRounds] = {}
        self.has_learners = False
        self.is_busy = True
        """A change is under way, or was perhaps left to this leader."""
        self._follow_learners(now_ns)

    def refusal(self, change: MembershipChange, now_ns: int) -> RejectReason | None:
        """Return why a change cannot begin now."""
        state = self._state
        if not change.is_valid():
            return RejectReason.INVALID
        is_settled = state.is_configuration_committed and self._lease.is_settled(now_ns)
        if self.is_busy or state.configuration.is_joint() or not is_settled:
            return RejectReason.CHANGE_PENDING
        if any(not state.configuration.is_voter(node) and not self._is_fit(node) for node in change.voters):
            return RejectReason.NOT_CAUGHT_UP
        return None

    def begin(self, change: MembershipChange, now_ns: int) -> Index:
        """Append the first configuration of a change that is not refused; return where it stands."""
        return self._append(next_configuration(self._state.configuration, change), now_ns)

    def configured(self, now_ns: int) -> None:
        """Act by the configuration that was just appended: it is in force."""
        self.is_busy = True
        self._replication.follow_members(now_ns)
        self._lease.reconfigure(now_ns)
        self._follow_learners(now_ns)

    def advance(self, now_ns: int) -> None:
        """Do what is next, when something of this term is committed or time has passed.

        Safety: a joint configuration is left only after it is committed, by a majority of each half; and not before
        the lease under it reaches as far as any that was claimed before it (L5).
        """
        state = self._state
        if not state.is_configuration_committed:
            return
        if state.configuration.is_joint():
            may_write = not (state.is_disk_full or state.is_disk_stalled)
            if may_write and self._transfer.target is None and self._lease.is_settled(now_ns):
                self._append(final_configuration(state.configuration), now_ns)
            return
        self.is_busy = False
        self._replication.dismiss_strangers(now_ns)
        if not state.configuration.is_voter(state.settings.node):
            self._transfer.leave(now_ns)

    def tick(self, now_ns: int) -> None:
        """Let time pass for learners."""
        last_index, patience_ns = self._state.log.last_index, self._state.settings.election_timeout_ns
        for learner, rounds in self._rounds.items():
            rounds.tick(self._replication.progress[learner].match_index, last_index, patience_ns, now_ns)

    def on_matched(self, peer: NodeId, match_index: Index, now_ns: int) -> None:
        """Note how far a peer's log is; of interest for learners."""
        rounds = self._rounds.get(peer)
        if rounds is not None:
            interval_ns = self._state.settings.heartbeat_interval_ns
            rounds.matched(match_index, self._state.log.last_index, interval_ns, now_ns)

    def on_clock_suspect(self, now_ns: int) -> None:
        """L4: times of the old clock say nothing of how long a round took."""
        for rounds in self._rounds.values():
            rounds.restart(now_ns)

    def catch_up(self, node: NodeId) -> CatchUp:
        rounds = self._rounds.get(node)
        return CatchUp.UNKNOWN if rounds is None else rounds.state

    def _is_fit(self, node: NodeId) -> bool:
        return self.catch_up(node) is CatchUp.CAUGHT_UP

    def _follow_learners(self, now_ns: int) -> None:
        configuration, last_index = self._state.configuration, self._state.log.last_index
        learners = [node for node in configuration.learners if node in self._replication.progress]
        fit = [node for node in learners if not configuration.is_voter(node)]
        self._rounds = {node: self._rounds.get(node) or CatchUpRounds(last_index, now_ns) for node in fit}
        self.has_learners = bool(fit)
