"""What a follower does with the leader's log, and how it answers.

Source: dissertation 3.5, 5.3 (fast backtracking).
"""

from __future__ import annotations

from raftdoc.ids import Index, NodeId, Term
from raftdoc.raft.messages import AppendEntries, AppendResponse, Entry, HeartbeatResponse
from raftdoc.raft.ready import Role
from raftdoc.raft.state import State

NO_INDEX = Index(0)
NO_TERM = Term(0)


class Follower:
    __slots__ = ("_state",)

    def __init__(self, state: State) -> None:
        self._state = state

    def on_append(self, sender: NodeId, message: AppendEntries, now_ns: int) -> None:
        """Take a heartbeat or entries of the leader of the present term."""
        state = self._state
        state.become_follower(message.term, sender)
        # Lease: `now_ns` was read after the frame came; from it counts the promise to refuse votes.
        state.heard_ns = now_ns
        state.reset_election_deadline(now_ns)
        if not message.entries:
            self._heartbeat(sender, message)
        elif not state.is_disk_full or _is_empty(message.entries):
            self._take(sender, message)
        # A full disk takes nothing but no-ops, so that there can be a leader to read from. It says nothing to other
        # entries: an answer would ask for the next probe at once.

    def hear(self, sender: NodeId, term: Term, commit_index: Index, now_ns: int) -> bool:
        """Take a heartbeat that changes nothing but when the leader was heard; return whether it was one.

        Safety: exactly then does `on_append` do no more, and says at once no more than this term, which is durable.
        """
        state = self._state
        if state.leader != sender or state.term != term or state.role is not Role.FOLLOWER or state.has_failed:
            return False
        if commit_index > state.commit_index or not state.is_hard_state_durable:
            return False
        state.heard_ns = now_ns
        state.reset_election_deadline(now_ns)
        return True

    def _heartbeat(self, sender: NodeId, message: AppendEntries) -> None:
        """Acknowledge the leader; its commit counts up to the index that it shows to be the same here."""
        state = self._state
        if state.log.matches(message.prev_index, message.prev_term):
            state.commit(min(message.commit_index, message.prev_index))
        response = HeartbeatResponse(
            term=state.term, sent_ns=message.sent_ns, read_round=message.read_round, boot_id=message.boot_id
        )
        state.send_known(sender, response)

    def _take(self, sender: NodeId, message: AppendEntries) -> None:
        state = self._state
        prev_index, prev_term, entries = message.prev_index, message.prev_term, message.entries
        if entries[0].index != prev_index + 1 or entries[-1].index != prev_index + len(entries):
            return  # not what a leader sends
        if prev_index < state.commit_index:
            # What is committed here is the same in every leader's log: skip it, compacted or not.
            entries = tuple(entry for entry in entries if entry.index > state.commit_index)
            prev_index = min(state.commit_index, message.entries[-1].index)
            if entries:
                prev_term = state.log.term_at(prev_index)
        if entries and not state.log.matches(prev_index, prev_term):
            self._refuse(sender, message)
            return
        self._append(entries)
        last = entries[-1].index if entries else prev_index
        state.commit(min(message.commit_index, last))
        self._acknowledge(sender, message, last)

    def _append(self, entries: tuple[Entry, ...]) -> None:
        """Add what is missing, after discarding what conflicts. What matches stays: it may be acknowledged already."""
        state, log = self._state, self._state.log
        for position, entry in enumerate(entries):
            if entry.index <= log.last_index:
                if log.term_at(entry.index) == entry.term:
                    continue
                state.truncate(entry.index)
            for new in entries[position:]:
                state.append(new)
            return

    def _acknowledge(self, sender: NodeId, message: AppendEntries, last: Index) -> None:
        state = self._state
        response = self._response(message, match_index=last, success=True)
        if last <= state.durable_index and state.is_hard_state_durable:
            state.send(sender, response)
        else:
            # P1: only after all of it is durable.
            state.send_durable(sender, response)

    def _refuse(self, sender: NodeId, message: AppendEntries) -> None:
        """Refuse, naming the last index at which the logs may agree, so that whole terms are skipped at once.

        Where this log has higher terms than prev_term it cannot agree; what is committed agrees for certain.
        """
        state, log = self._state, self._state.log
        index = max(log.last_at_most(message.prev_index, message.prev_term), state.commit_index)
        response = self._response(message, success=False, conflict_index=index, conflict_term=log.term_at(index))
        state.send_known(sender, response)

    def refuse_old_term(self, sender: NodeId, message: AppendEntries) -> None:
        """Tell a leader of an older term that it is none any more; this also frees a candidate stuck above it.

        Safety: the answer says the present term, and the sender may lead that one, too. So it echoes nothing of the
        old message: neither its time nor its round acknowledge anything in this term.
        """
        blank = message._replace(prev_index=NO_INDEX, sent_ns=0, read_round=0)
        self._state.send_known(sender, self._response(blank, success=False))

    def _response(
        self,
        message: AppendEntries,
        *,
        success: bool,
        match_index: Index = NO_INDEX,
        conflict_term: Term = NO_TERM,
        conflict_index: Index = NO_INDEX,
    ) -> AppendResponse:
        state = self._state
        return AppendResponse(
            term=state.term,
            success=success,
            match_index=match_index,
            prev_index=message.prev_index,
            conflict_term=conflict_term,
            conflict_index=conflict_index,
            last_index=state.log.last_index,
            sent_ns=message.sent_ns,
            read_round=message.read_round,
            boot_id=message.boot_id,
        )


def _is_empty(entries: tuple[Entry, ...]) -> bool:
    return not any(entry.payload for entry in entries)
