"""What a follower does with a snapshot: whether it takes it, and how its log begins anew after it.

Between `offer` and `install` the host stages the state beside the live one, for as long as it takes; nothing of that
concerns the core. From `install` until its record is durable this node does not campaign, nothing is handed out to be
applied, and entries that follow the snapshot are taken as always.

Source: dissertation 5.1, 5.3.
"""

from __future__ import annotations

from raftdoc.ids import Incarnation, Index, NodeId, Term
from raftdoc.raft.messages import AppendResponse
from raftdoc.raft.ready import Role
from raftdoc.raft.snapshots import SnapshotMeta, SnapshotOffer, SnapshotVerdict
from raftdoc.raft.state import State

NO_INDEX = Index(0)
NO_TERM = Term(0)


class Installation:
    __slots__ = ("_offer", "_sender", "_state")

    def __init__(self, state: State) -> None:
        self._state = state
        self._sender: NodeId | None = None
        self._offer: SnapshotOffer | None = None
        """The last that was accepted, and from whom."""

    def offer(self, sender: NodeId, offer: SnapshotOffer, now_ns: int) -> SnapshotVerdict:
        """Say whether a leader's state is wanted; to have heard the offer is to have heard the leader."""
        state = self._state
        if offer.term < state.term or state.has_failed or state.is_disk_full:
            return SnapshotVerdict.REFUSED
        assert offer.term > state.term or state.role is not Role.LEADER, (sender, offer, "two leaders in one term")
        state.become_follower(offer.term, sender)
        state.heard_ns = now_ns
        state.reset_election_deadline(now_ns)
        if offer.index <= state.commit_index:
            # What is committed here the leader has, too: so much it may count as matched.
            self._acknowledge(sender, offer, state.commit_index)
            return SnapshotVerdict.OLD
        if state.log.matches(offer.index, offer.index_term):
            state.commit(offer.index)
            self._acknowledge(sender, offer, offer.index)
            return SnapshotVerdict.KEEP
        self._sender, self._offer = sender, offer
        return SnapshotVerdict.ACCEPT

    def install(self, meta: SnapshotMeta, incarnation: Incarnation) -> bool:
        """Have the log begin anew after a state that is durable in incarnation; False: not wanted any more."""
        state = self._state
        if state.has_failed or state.role is Role.LEADER or state.installing is not None:
            return False
        if meta.index <= state.commit_index:
            return False
        if state.log.matches(meta.index, meta.index_term):
            state.commit(meta.index)
            return False
        if state.term < meta.term:
            # No log may end with a term that its node does not know.
            state.become_follower(meta.term, None)
        elif state.role is not Role.FOLLOWER:
            state.become_follower(state.term, None)
        state.reset(meta, incarnation)
        offer, sender = self._offer, self._sender
        if offer is not None and sender is not None and (offer.term, sender) == (state.term, state.leader):
            self._acknowledge(sender, offer, meta.index)
        self._offer = self._sender = None
        return True

    def _acknowledge(self, sender: NodeId, offer: SnapshotOffer, index: Index) -> None:
        """Tell the leader up to where this log is its own, once that is durable (P1).

        It acknowledges neither a time nor a round: the offer carries none.
        """
        state = self._state
        response = AppendResponse(
            term=state.term,
            success=True,
            match_index=index,
            prev_index=NO_INDEX,
            conflict_term=NO_TERM,
            conflict_index=NO_INDEX,
            last_index=state.log.last_index,
            sent_ns=0,
            read_round=0,
            boot_id=offer.boot_id,
        )
        if index <= state.durable_index and state.is_hard_state_durable:
            state.send(sender, response)
        else:
            state.send_durable(sender, response)
