"""Elections: dissertation 3.4, 3.6.1, 4.2.3, 6.2, 9.6, and what the lease asks of voters."""

from __future__ import annotations

from random import Random

import pytest

from raftdoc.ids import BootId, Index, Term
from raftdoc.raft import Raft, Role
from raftdoc.raft.messages import (
    AppendEntries,
    AppendResponse,
    HardState,
    VoteRequest,
    VoteResponse,
)

from .disk import Disk
from .lone import HEARTBEAT_MS, MS, N1, N2, N3, N4, N5, W_MS, Lone, entries, settings


def answers(node: Lone) -> list[VoteResponse]:
    node.persist()
    return node.sent_of(VoteResponse)


def granted(node: Lone) -> list[bool]:
    return [response.granted for response in answers(node)]


def asked(node: Lone) -> list[tuple[int, bool]]:
    """Return (term, pre) of the vote requests that left, one per peer."""
    return [(request.term, request.pre) for request in node.sent_of(VoteRequest)]


# 3.4 Leader election --------------------------------------------------------------------------------


def timeouts_ms(count: int) -> list[int]:
    """Return after how many ms nodes of different chance campaign, when they hear nobody."""
    found = []
    for seed in range(count):
        disk = Disk(Lone().configuration)
        core = Raft(settings(N1, 1), disk.restored(Index(0)), disk, Random(seed), 0)
        now_ms = 0
        while core.role is Role.FOLLOWER:
            now_ms += 10
            core.tick(now_ms * MS)
        found.append(now_ms)
    return found


def test_3_4_election_timeout_is_random_between_w_and_two_w() -> None:
    found = timeouts_ms(200)
    assert min(found) >= W_MS
    assert max(found) <= 2 * W_MS
    # Non-conflicting: rarely do two of them fall together.
    assert len(set(found)) > 70


def test_3_4_candidate_that_gets_a_quorum_leads_after_one_round() -> None:
    node = Lone()
    node.time_out()
    assert asked(node) == [(1, True), (1, True)]
    node.vote_of(N2, pre=True)
    node.persist()
    assert asked(node) == [(1, False), (1, False)]
    node.vote_of(N2)
    assert node.is_leader
    assert node.core.leader == N1


def test_3_4_leader_announces_itself_at_once() -> None:
    node = Lone()
    node.time_out()
    node.vote_of(N2, pre=True)
    node.persist()
    node.sent.clear()
    node.vote_of(N2)
    assert [len(message.entries) for message in node.sent_of(AppendEntries)] == [1, 1]


@pytest.mark.parametrize("kind", ["heartbeat", "append"])
def test_3_4_candidate_falls_back_when_it_hears_the_leader_of_its_term(kind: str) -> None:
    node = Lone()
    node.time_out()
    node.vote_of(N2, pre=True)
    assert node.role is Role.CANDIDATE
    node.append_from(N3, 1, entries(1, 1) if kind == "append" else ())
    assert (node.role, node.core.leader) == (Role.FOLLOWER, N3)
    node.persist()
    node.vote_of(N2)
    assert node.role is Role.FOLLOWER


def test_3_4_votes_of_an_earlier_campaign_do_not_count() -> None:
    node = Lone(voters=(N1, N2, N3, N4, N5))
    node.time_out()
    node.vote_of(N2, pre=True)
    node.vote_of(N3, pre=True)
    node.persist()
    node.vote_of(N2)
    node.time_out()
    assert node.role is Role.PRE_CANDIDATE
    node.vote_of(N3, term=1)
    node.vote_of(N4, term=1)
    assert node.role is Role.PRE_CANDIDATE
    node.vote_of(N2, pre=True)
    node.vote_of(N3, pre=True)
    node.persist()
    node.vote_of(N4, term=1)
    node.vote_of(N5, term=1)
    assert (node.role, node.core.term) == (Role.CANDIDATE, 2)


def test_3_4_repeated_vote_counts_once() -> None:
    node = Lone(voters=(N1, N2, N3, N4, N5))
    node.time_out()
    for _ in range(3):
        node.vote_of(N2, pre=True)
    assert node.role is Role.PRE_CANDIDATE
    node.vote_of(N3, pre=True)
    node.persist()
    for _ in range(3):
        node.vote_of(N2)
    assert node.role is Role.CANDIDATE


def test_3_4_duelling_candidates_try_again_in_a_new_term() -> None:
    node = Lone()
    node.time_out()
    node.vote_of(N2, pre=True)
    node.persist()
    # n2 and n3 voted for each other's rivals.
    node.vote_of(N2, granted=False)
    node.vote_of(N3, granted=False)
    assert node.role is Role.FOLLOWER
    node.time_out()
    node.vote_of(N3, pre=True)
    assert (node.role, node.core.term) == (Role.CANDIDATE, 2)


def test_3_4_own_vote_that_becomes_durable_late_is_ignored() -> None:
    node = Lone()
    node.time_out()
    node.vote_of(N2, pre=True)
    node.append_from(N2, 5)
    node.vote_of(N3)
    node.persist()
    assert (node.role, node.core.term) == (Role.FOLLOWER, 5)


# 3.6.1 Votes ----------------------------------------------------------------------------------------


def test_3_6_1_one_vote_per_term() -> None:
    node = Lone()
    node.ask_vote(N2, 1)
    node.ask_vote(N3, 1)
    node.ask_vote(N2, 1)
    assert granted(node) == [True, False, True]


def test_3_6_1_vote_survives_a_restart() -> None:
    node = Lone()
    node.ask_vote(N2, 1)
    node.persist()
    node.restart()
    node.now_ms += W_MS
    node.ask_vote(N3, 1)
    node.ask_vote(N2, 1)
    assert granted(node) == [False, True]


@pytest.mark.parametrize(
    ("index", "term", "expected"),
    [(2, 2, True), (3, 2, True), (1, 2, False), (9, 1, False), (1, 3, True), (0, 0, False)],
)
@pytest.mark.parametrize("pre", [False, True])
def test_3_6_1_vote_goes_only_to_a_log_that_is_up_to_date(index: int, term: int, *, expected: bool, pre: bool) -> None:
    node = Lone(log=entries(1, 1, 2))
    node.ask_vote(N2, 5, last=(index, term), pre=pre)
    assert granted(node) == [expected]


def test_3_6_1_refused_candidate_with_a_higher_term_still_raises_the_term() -> None:
    """Else a node with the best log could never be asked in a term that is high enough."""
    node = Lone(log=entries(1, 2))
    node.ask_vote(N2, 7, last=(1, 1))
    assert [(response.granted, response.term) for response in answers(node)] == [(False, 7)]
    assert node.core.term == 7


def test_request_of_an_older_term_is_refused_with_the_present_one() -> None:
    node = Lone(hard_state=HardState(Term(5)))
    node.ask_vote(N2, 4)
    node.ask_vote(N2, 4, pre=True)
    assert [(response.granted, response.term) for response in answers(node)] == [(False, 5), (False, 5)]


def test_node_of_an_older_term_completes_an_election() -> None:
    node = Lone(log=entries(1, 3))
    node.ask_vote(N2, 9, last=(1, 3), pre=True)
    assert [(response.granted, response.term) for response in answers(node)] == [(True, 9)]
    node.ask_vote(N2, 9, last=(1, 3))
    assert [(response.granted, response.term) for response in answers(node)] == [(True, 9)]
    node.append_from(N2, 9, entries(2, 9), prev=(1, 3))
    assert node.core.leader == N2


def test_rejection_carries_the_higher_term_and_the_candidate_takes_it() -> None:
    node = Lone()
    node.time_out()
    node.vote_of(N2, pre=True, granted=False, term=6)
    assert (node.role, node.core.term) == (Role.FOLLOWER, 6)
    node.time_out()
    assert asked(node)[-1] == (7, True)


@pytest.mark.parametrize("role", [Role.FOLLOWER, Role.PRE_CANDIDATE, Role.CANDIDATE, Role.LEADER])
@pytest.mark.parametrize("pre", [False, True])
def test_vote_from_every_role(role: Role, *, pre: bool) -> None:
    node = Lone()
    if role is Role.LEADER:
        node.elect(with_own=False)
    elif role is not Role.FOLLOWER:
        node.time_out()
        if role is Role.CANDIDATE:
            node.vote_of(N2, pre=True)
    node.persist()
    assert node.role is role
    before = node.core.term
    node.ask_vote(N3, 9, last=(9, 8), pre=pre)
    assert granted(node) == [True]
    if pre:
        assert (node.role, node.core.term) == (role, before)
    else:
        assert (node.role, node.core.term, node.core.vote) == (Role.FOLLOWER, 9, N3)


def test_learner_votes_when_it_is_asked() -> None:
    """Those who ask may know of a later configuration, in which it is a voter (4.2.1)."""
    node = Lone(voters=(N2, N3), learners=(N1,))
    node.ask_vote(N2, 1)
    assert granted(node) == [True]


def test_learner_does_not_campaign() -> None:
    node = Lone(voters=(N2, N3), learners=(N1,))
    node.tick(10 * W_MS)
    node.core.campaign(node.now_ns)
    assert node.role is Role.FOLLOWER
    assert node.sent == []


def test_9_6_who_gave_a_pre_vote_has_not_voted() -> None:
    node = Lone(voters=(N1, N2, N3, N4, N5))
    node.time_out()
    for peer in (N2, N3):
        node.vote_of(peer, pre=True)
    node.persist()
    node.vote_of(N4)
    assert node.role is Role.CANDIDATE
    node.vote_of(N2)
    assert node.is_leader


def test_vote_of_a_learner_or_stranger_does_not_count() -> None:
    node = Lone(learners=(N4,))
    node.time_out()
    node.vote_of(N4, pre=True)
    node.vote_of(N5, pre=True)
    assert node.role is Role.PRE_CANDIDATE


def test_vote_goes_to_a_node_outside_the_own_configuration() -> None:
    """It may be a member by an entry that is not here yet (4.1)."""
    node = Lone()
    node.ask_vote(N5, 1)
    assert granted(node) == [True]


def test_answer_to_an_earlier_life_does_not_count() -> None:
    node = Lone()
    node.time_out()
    node.step(N2, VoteResponse(Term(1), True, True, Index(0), Term(0), BootId(99)))
    assert node.role is Role.PRE_CANDIDATE


# 9.6 Pre-vote ---------------------------------------------------------------------------------------


def test_9_6_pre_vote_raises_no_term_anywhere() -> None:
    node = Lone()
    for _ in range(5):
        node.time_out()
    assert node.core.term == 0
    voter = Lone()
    voter.ask_vote(N2, 1, pre=True)
    assert voter.core.term == 0
    assert voter.core.vote is None
    assert not voter.disk.pending


def test_9_6_pre_vote_is_granted_to_many_in_one_term() -> None:
    node = Lone()
    node.ask_vote(N2, 1, pre=True)
    node.ask_vote(N3, 1, pre=True)
    assert granted(node) == [True, True]


def test_9_6_split_pre_vote_gives_up_and_tries_again() -> None:
    node = Lone()
    node.time_out()
    node.vote_of(N2, pre=True, granted=False)
    node.vote_of(N3, pre=True, granted=False)
    assert node.role is Role.FOLLOWER
    node.time_out()
    assert node.role is Role.PRE_CANDIDATE


def test_9_6_duelling_pre_candidates_both_may_campaign_and_one_wins() -> None:
    node = Lone()
    node.time_out()
    node.ask_vote(N2, 1, pre=True)
    assert granted(node) == [True]
    node.vote_of(N2, pre=True)
    node.persist()
    node.ask_vote(N2, 1)
    assert granted(node) == [False]
    node.vote_of(N3)
    assert node.is_leader


def test_9_6_pre_vote_of_the_present_term_is_not_granted() -> None:
    node = Lone(hard_state=HardState(Term(3)))
    node.ask_vote(N2, 3, pre=True)
    assert granted(node) == [False]


def test_9_6_late_pre_vote_of_the_campaign_before_does_not_elect() -> None:
    node = Lone()
    node.time_out()
    node.vote_of(N2, pre=True)
    node.persist()
    node.vote_of(N3, pre=True, term=1)
    assert node.role is Role.CANDIDATE


def test_disruptive_follower_gets_no_pre_vote_while_the_leader_is_heard() -> None:
    node = Lone()
    node.append_from(N2, 1)
    node.ask_vote(N3, 2, pre=True)
    node.ask_vote(N3, 2)
    assert granted(node) == [False, False]
    assert (node.core.term, node.core.leader) == (1, N2)


def test_stuck_candidate_is_freed_by_its_refusal_of_the_old_leader() -> None:
    """A candidate whose term is above the leader's refuses its heartbeats; the answer makes that leader step down."""
    stuck = Lone(hard_state=HardState(Term(5)))
    stuck.append_from(N2, 3)
    assert [(response.success, response.term) for response in stuck.sent_of(AppendResponse)] == [(False, 5)]
    node = Lone(hard_state=HardState(Term(2))).elect()
    node.step(
        N3,
        AppendResponse(Term(5), False, Index(0), Index(0), Term(0), Index(0), Index(0), 0, 0, BootId(1)),
    )
    assert (node.role, node.core.term) == (Role.FOLLOWER, 5)


# 6.2 Check-quorum -----------------------------------------------------------------------------------


def test_6_2_leader_without_a_quorum_steps_down() -> None:
    node = Lone().elect()
    for _ in range(15):
        node.tick(HEARTBEAT_MS)
    assert (node.role, node.core.leader, node.core.term) == (Role.FOLLOWER, None, 1)


def test_6_2_leader_that_hears_a_quorum_stays() -> None:
    node = Lone().elect()
    for _ in range(50):
        node.tick(HEARTBEAT_MS)
        node.beat_of(N3, sent_ns=node.now_ns)
    assert node.is_leader


def test_6_2_learners_do_not_make_a_quorum() -> None:
    node = Lone(learners=(N4, N5)).elect()
    for _ in range(15):
        node.tick(HEARTBEAT_MS)
        node.beat_of(N4, sent_ns=node.now_ns)
        node.beat_of(N5, sent_ns=node.now_ns)
    assert node.role is Role.FOLLOWER


def test_6_2_answers_of_an_older_term_do_not_count() -> None:
    node = Lone(hard_state=HardState(Term(3))).elect()
    for _ in range(15):
        node.tick(HEARTBEAT_MS)
        node.beat_of(N2, term=3)
    assert node.role is Role.FOLLOWER


def test_acknowledgement_of_an_older_term_commits_nothing() -> None:
    node = Lone(log=entries(1, 1), hard_state=HardState(Term(3))).elect()
    _, index = node.propose()
    node.persist()
    node.ack_of(N2, index, term=3)
    assert node.core.commit_index < index
    node.ack_of(N2, index)
    assert node.core.commit_index == index


def test_leader_that_stepped_down_waits_a_whole_timeout_before_it_campaigns() -> None:
    node = Lone().elect()
    while node.is_leader:
        node.tick(HEARTBEAT_MS)
    node.tick(W_MS - 1)
    assert node.role is Role.FOLLOWER


def test_3_10_forced_vote_frees_only_for_the_term_after_the_leaders() -> None:
    for term, is_granted in ((2, True), (3, False)):
        node = Lone()
        node.append_from(N2, 1)
        node.ask_vote(N3, term, forced=True)
        node.persist()
        assert [response.granted for response in node.sent_of(VoteResponse)] == [is_granted], term


def test_3_10_forced_vote_that_is_asked_for_again_is_given_again() -> None:
    node = Lone()
    node.append_from(N2, 1)
    for _ in range(2):
        node.ask_vote(N3, 2, forced=True)
        node.persist()
    assert [response.granted for response in node.sent_of(VoteResponse)] == [True, True]


# Priority and bootstrap -----------------------------------------------------------------------------


def test_priority_shortens_the_random_part_of_the_timeout() -> None:
    def spread_ms(priority: int) -> int:
        latest = 0
        for seed in range(50):
            disk = Disk(Lone().configuration)
            restored = disk.restored(Index(0))
            core = Raft(settings(N1, 1, priority=priority), restored, disk, Random(seed), 0)
            now_ms = 0
            while core.role is Role.FOLLOWER:
                now_ms += 10
                core.tick(now_ms * MS)
            latest = max(latest, now_ms)
        return latest - W_MS

    assert spread_ms(0) > 900
    assert spread_ms(9) <= 100


def test_campaign_needs_no_timeout_on_a_new_replica() -> None:
    node = Lone()
    node.core.campaign(node.now_ns)
    assert node.role is Role.PRE_CANDIDATE


# Commit in votes ------------------------------------------------------------------------------------


def test_voter_learns_the_commit_index_of_the_candidate() -> None:
    node = Lone(log=entries(1, 1, 1, 1))
    node.step(N2, VoteRequest(Term(2), Index(3), Term(1), Index(2), Term(1), True, False, BootId(7)))
    assert node.core.commit_index == 2


def test_candidate_learns_the_commit_index_of_a_voter() -> None:
    node = Lone(log=entries(1, 1, 1, 1))
    node.time_out()
    node.step(N2, VoteResponse(Term(2), True, True, Index(3), Term(1), BootId(1)))
    assert node.core.commit_index == 3


def test_commit_index_in_a_vote_counts_only_where_the_terms_agree() -> None:
    node = Lone(log=entries(1, 1, 1, 1))
    node.step(N2, VoteRequest(Term(3), Index(3), Term(2), Index(2), Term(2), True, False, BootId(7)))
    node.step(N2, VoteRequest(Term(3), Index(9), Term(2), Index(9), Term(2), True, False, BootId(7)))
    assert node.core.commit_index == 0
