"""Elections: pre-vote, vote, and the refusals that keep a living leader's lease safe.

Source: dissertation 3.4, 3.6, 4.2.3 (refusal while a leader is heard), 6.4.1 (lease), 9.6 (pre-vote), 3.10.
"""

from __future__ import annotations

from collections.abc import Callable

from raftdoc.ids import Index, NodeId, Term
from raftdoc.raft.messages import VoteRequest, VoteResponse
from raftdoc.raft.quorum import has_lost, has_quorum
from raftdoc.raft.ready import Role
from raftdoc.raft.state import State


class Election:
    """Campaigns, and answers those of others. `on_won` makes this node the leader; `leads_by_lease` is L6."""

    __slots__ = ("_leads_by_lease", "_on_commit", "_on_won", "_refused", "_state", "_votes")

    def __init__(
        self,
        state: State,
        on_won: Callable[[int], None],
        on_commit: Callable[[Index], None],
        leads_by_lease: Callable[[int], bool],
    ) -> None:
        self._state = state
        self._on_won = on_won
        self._on_commit = on_commit
        self._leads_by_lease = leads_by_lease
        self._votes: set[NodeId] = set()
        self._refused: set[NodeId] = set()

    # Campaigning ----------------------------------------------------------------------------------

    def tick(self, now_ns: int) -> None:
        state = self._state
        if state.role is Role.LEADER or now_ns < state.election_deadline_ns:
            return
        self.campaign(now_ns)

    def campaign(self, now_ns: int) -> None:
        """Ask for pre-votes, if this node may stand at all."""
        state = self._state
        state.reset_election_deadline(now_ns)
        if not self._may_stand() or state.hears_leader(now_ns):
            return
        self._begin(Role.PRE_CANDIDATE)
        self._votes.add(state.settings.node)
        self._ask(Term(state.term + 1), pre=True, forced=False)
        self._count_pre_votes(now_ns)

    def campaign_forced(self, now_ns: int) -> None:
        """Ask for votes at once, by order of the leader (dissertation 3.10).

        Safety: voters do not refuse for the sake of the leader that gave the order, whose lease is gone (L1). The
        order is good for this one campaign, in the term after that leader's; the next begins with a pre-vote.
        """
        state = self._state
        if self._may_stand() and not state.is_disk_full:
            self._campaign_for_real(now_ns, forced=True)
        state.reset_election_deadline(now_ns)

    def on_persisted(self, now_ns: int) -> None:
        """Count the own vote once it is durable (P2)."""
        state = self._state
        if state.role is Role.CANDIDATE and state.is_hard_state_durable and state.settings.node not in self._votes:
            self._votes.add(state.settings.node)
            self._count_votes(now_ns)

    def _may_stand(self) -> bool:
        state = self._state
        is_healthy = not (state.has_failed or state.is_disk_stalled) and state.has_reached_floor
        return is_healthy and state.installing is None and state.role is not Role.LEADER and self._has_vote()

    def _has_vote(self) -> bool:
        """Return whether this node votes under what is committed, or under what may yet be taken back.

        Who is left out only by a configuration that is not committed may be the only one who has it, and then nobody
        else can be elected (dissertation 4.2.2).
        """
        state = self._state
        return any(
            configuration.is_voter(state.settings.node)
            for configuration in state.configurations.since(state.commit_index)
        )

    def _begin(self, role: Role) -> None:
        self._votes.clear()
        self._refused.clear()
        self._state.become(role, None)

    def _campaign_for_real(self, now_ns: int, *, forced: bool = False) -> None:
        state = self._state
        state.become_follower(Term(state.term + 1), None)
        state.vote = state.settings.node
        self._begin(Role.CANDIDATE)
        state.reset_election_deadline(now_ns)
        self._ask(state.term, pre=False, forced=forced)

    def _ask(self, term: Term, *, pre: bool, forced: bool) -> None:
        """Send requests; they wait until term, own vote and the log they advertise are durable (P3)."""
        state, log = self._state, self._state.log
        commit_index = state.commit_index
        request = VoteRequest(
            term=term,
            last_index=log.last_index,
            last_term=log.last_term,
            commit_index=commit_index,
            commit_term=log.term_at(commit_index),
            pre=pre,
            forced=forced,
            boot_id=state.settings.boot_id,
        )
        for peer in state.configuration.all_voters():
            if peer != state.settings.node:
                state.send_durable(peer, request)

    # Answers --------------------------------------------------------------------------------------

    def on_response(self, sender: NodeId, message: VoteResponse, now_ns: int) -> None:
        """Count an answer of the present campaign; the term was looked at before."""
        state = self._state
        self._learn_commit(message.commit_index, message.commit_term)
        if message.pre:
            if state.role is Role.PRE_CANDIDATE and (not message.granted or message.term == state.term + 1):
                (self._votes if message.granted else self._refused).add(sender)
                self._count_pre_votes(now_ns)
        elif state.role is Role.CANDIDATE and message.term == state.term:
            (self._votes if message.granted else self._refused).add(sender)
            self._count_votes(now_ns)

    def _count_pre_votes(self, now_ns: int) -> None:
        configuration = self._state.configuration
        if has_quorum(configuration, self._votes):
            self._campaign_for_real(now_ns)
        elif has_lost(configuration, self._refused):
            self._give_up()

    def _count_votes(self, now_ns: int) -> None:
        configuration = self._state.configuration
        if has_quorum(configuration, self._votes):
            self._on_won(now_ns)
        elif has_lost(configuration, self._refused):
            self._give_up()

    def _give_up(self) -> None:
        self._state.become_follower(self._state.term, None)

    # Voting ---------------------------------------------------------------------------------------

    def on_request(self, sender: NodeId, request: VoteRequest, now_ns: int) -> None:
        """Answer a request for a vote. A refused one changes nothing, not even the term."""
        self._learn_commit(request.commit_index, request.commit_term)
        state = self._state
        # An order of the leader of one term frees from the promise to it for a campaign in the next, and only that.
        is_repeated = request.term == state.term and state.vote == sender
        is_freed = request.forced and (request.term == state.term + 1 or is_repeated)
        is_promised = not is_freed and (state.hears_leader(now_ns) or self._leads_by_lease(now_ns))
        if state.has_failed or is_promised or request.term < state.term:
            self._answer(sender, request, granted=False)
        elif request.pre:
            granted = request.term > state.term and state.is_up_to_date(request.last_index, request.last_term)
            self._answer(sender, request, granted=granted)
            self._stand_instead(request, now_ns)
        else:
            self._vote(sender, request, now_ns)

    def _stand_instead(self, request: VoteRequest, now_ns: int) -> None:
        """Campaign with the next tick where one asks whose log lacks what is here: why wait for a second timeout?

        A lone write is held by a quorum only (`thrift`): of three nodes that lost their leader one alone can win.
        """
        state = self._state
        if (
            state.role is Role.FOLLOWER
            and self._may_stand()
            and not state.is_up_to_date(request.last_index, request.last_term)
        ):
            state.election_deadline_ns = min(state.election_deadline_ns, now_ns)

    def _vote(self, sender: NodeId, request: VoteRequest, now_ns: int) -> None:
        state = self._state
        if request.term > state.term:
            state.become_follower(request.term, None)
        is_free = state.vote is None or state.vote == sender
        granted = is_free and state.is_up_to_date(request.last_index, request.last_term)
        if granted:
            state.vote = sender
            state.reset_election_deadline(now_ns)
        self._answer(sender, request, granted=granted)

    def _answer(self, sender: NodeId, request: VoteRequest, *, granted: bool) -> None:
        state = self._state
        response = VoteResponse(
            term=request.term if granted else state.term,
            granted=granted,
            pre=request.pre,
            commit_index=state.commit_index,
            commit_term=state.log.term_at(state.commit_index),
            boot_id=request.boot_id,
        )
        if granted and not request.pre:
            state.send_durable(sender, response)  # P1
        else:
            # A refusal and a pre-vote promise nothing; but no term is spoken of that a crash could take back.
            state.send_known(sender, response)

    def _learn_commit(self, index: Index, term: Term) -> None:
        """Take a commit index from a vote, only where the own log has that very entry."""
        if index > self._state.commit_index and self._state.log.matches(index, term):
            self._on_commit(index)
