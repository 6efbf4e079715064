"""Membership: what is in force, and who is left out. Sections are the dissertation's."""

from __future__ import annotations

from raftdoc.ids import Index
from raftdoc.raft import Configuration, Rejection, RejectReason, Role
from raftdoc.raft.messages import AppendEntries, AppendResponse, TimeoutNow, VoteRequest, VoteResponse

from .crew import NOBODY, THREE, acknowledge, configuration_entry, leader_with_fit_learner, told
from .lone import HEARTBEAT_MS, N1, N2, N3, N4, N5, W_MS, Lone, entries

# In force on append ---------------------------------------------------------------------------------


def test_4_1_configuration_is_in_force_when_it_is_appended() -> None:
    node = Lone(voters=THREE).elect()
    node.change(THREE, (N4,))
    assert node.core.configuration == Configuration(THREE, learners=(N4,))
    assert told(node) == [(2, False)]
    assert any(peer == N4 and isinstance(message, AppendEntries) for peer, message in node.sent)


def test_4_1_follower_acts_by_a_configuration_that_is_not_committed() -> None:
    node = Lone(voters=THREE)
    node.append_from(N2, 1, (configuration_entry(1, 1, Configuration((N1, N2, N3, N4, N5))),))
    node.time_out()
    assert {peer for peer, message in node.sent if isinstance(message, VoteRequest)} == {N2, N3, N4, N5}


def test_configuration_of_an_entry_is_in_force_at_its_index() -> None:
    node = Lone(voters=THREE).elect()
    _, index = node.change(THREE, (N4,))
    assert node.core.configuration_at(index) == Configuration(THREE, learners=(N4,))
    assert node.core.configuration_at(Index(index - 1)) == Configuration(THREE)


def test_4_1_truncation_takes_back_one_configuration() -> None:
    node = Lone(voters=THREE)
    node.append_from(N2, 1, (*entries(1, 1), configuration_entry(2, 1, Configuration(THREE, learners=(N4,)))))
    node.append_from(N3, 2, entries(2, 2), prev=(1, 1))
    assert node.core.configuration == Configuration(THREE)
    assert told(node) == [(2, False), (0, True)]


def test_4_1_truncation_takes_back_two_configurations() -> None:
    """A follower may hold several that no majority has: each was appended by another leader, or committed elsewhere."""
    node = Lone(voters=THREE)
    first, second = Configuration(THREE, learners=(N4,)), Configuration((N1, N2, N3, N4), THREE)
    node.append_from(N2, 1, (configuration_entry(1, 1, first), configuration_entry(2, 1, second)))
    assert node.core.configuration == second
    node.append_from(N3, 2, entries(1, 2))
    assert node.core.configuration == Configuration(THREE)


def test_truncation_above_a_configuration_leaves_it() -> None:
    node = Lone(voters=THREE)
    kept = Configuration(THREE, learners=(N4,))
    node.append_from(N2, 1, (configuration_entry(1, 1, kept), *entries(2, 1, 1)))
    node.append_from(N3, 2, entries(2, 2), prev=(1, 1))
    assert node.core.configuration == kept


def test_recovery_finds_the_configurations_of_the_log_again_and_can_roll_them_back() -> None:
    node = Lone(voters=THREE)
    first, second = Configuration(THREE, learners=(N4,)), Configuration((N1, N2, N3, N4), THREE)
    node.append_from(N2, 1, (configuration_entry(1, 1, first), configuration_entry(2, 1, second)), commit=1)
    node.persist()
    node.restart(applied_index=1)
    assert node.core.configuration == second
    node.append_from(N3, 2, entries(2, 2), prev=(1, 1))
    assert node.core.configuration == first


def test_compaction_keeps_the_configuration_that_the_rest_of_the_log_begins_with() -> None:
    node = Lone(voters=THREE)
    kept = Configuration(THREE, learners=(N4,))
    node.append_from(N2, 1, (configuration_entry(1, 1, kept), *entries(2, 1, 1)), commit=3)
    node.persist()
    assert node.core.configuration_at(Index(0)) == Configuration(THREE)
    node.compact(2)
    assert node.core.configuration_at(Index(2)) == kept
    node.restart(applied_index=3)
    assert node.core.configuration == kept


def test_commit_of_a_configuration_is_told_once() -> None:
    node = Lone(voters=THREE)
    node.append_from(N2, 1, (configuration_entry(1, 1, Configuration(THREE, learners=(N4,))),))
    node.persist()
    node.append_from(N2, 1, prev=(1, 1), commit=1)
    node.append_from(N2, 1, entries(2, 1), prev=(1, 1), commit=2)
    assert told(node) == [(1, False), (1, True)]


# Who is left out ------------------------------------------------------------------------------------


def test_4_2_2_leader_that_is_left_out_does_not_count_itself() -> None:
    node = leader_with_fit_learner()
    node.change((N2, N3, N4))
    acknowledge(node, N2, N4)
    assert node.core.configuration == Configuration((N2, N3, N4))
    acknowledge(node, N2)
    assert node.core.commit_index == 2
    assert node.is_leader
    acknowledge(node, N3)
    assert node.core.commit_index == 3


def test_4_2_2_removed_leader_hands_over_to_its_best_peer_and_steps_down() -> None:
    node = leader_with_fit_learner()
    node.change((N2, N3, N4))
    acknowledge(node, N2, N4)
    node.sent.clear()
    acknowledge(node, N3, N4)
    assert [peer for peer, message in node.sent if isinstance(message, TimeoutNow)] == [N4]
    assert node.role is Role.FOLLOWER


def test_4_2_2_removed_leader_waits_for_a_peer_that_has_all_of_the_log() -> None:
    node = leader_with_fit_learner()
    node.change((N2, N3, N4))
    acknowledge(node, N2, N4)
    node.propose()
    for peer in (N3, N4):
        node.ack_of(peer, 3)
    assert node.is_leader
    assert node.propose() == Rejection(RejectReason.TRANSFERRING, N1)
    node.ack_of(N4, 4)
    assert len(node.sent_of(TimeoutNow)) == 1
    assert node.role is Role.FOLLOWER


def test_4_2_2_removed_leader_whom_nobody_succeeds_steps_down_all_the_same() -> None:
    node = leader_with_fit_learner()
    node.change((N2, N3, N4))
    acknowledge(node, N2, N4)
    node.propose()
    for peer in (N3, N4):
        node.ack_of(peer, 3)
    node.tick(W_MS)
    assert node.role is Role.FOLLOWER
    assert node.sent_of(VoteRequest) == []


def test_replica_outside_a_committed_configuration_does_not_campaign() -> None:
    node = Lone(voters=THREE)
    node.append_from(N2, 1, (configuration_entry(1, 1, Configuration((N2, N3))),), commit=1)
    node.time_out()
    node.core.campaign(node.now_ns)
    assert node.role is Role.FOLLOWER


def test_4_2_2_replica_left_out_by_what_is_not_committed_campaigns() -> None:
    """It may be the only one that has the entry, and then nobody else can be elected."""
    node = Lone(voters=(N1,), log=entries(1, 1))
    left = configuration_entry(2, 1, Configuration((N2,)))
    node.disk.entries.append(left)
    node.restart(applied_index=1)
    node.time_out()
    assert node.role is Role.PRE_CANDIDATE
    node.vote_of(N2, pre=True)
    node.persist()
    node.vote_of(N2)
    assert node.is_leader


def test_replica_with_an_empty_configuration_never_campaigns_but_takes_entries_and_votes() -> None:
    node = Lone(voters=())
    node.time_out()
    node.core.campaign(node.now_ns)
    assert node.role is Role.FOLLOWER
    node.ask_vote(N3, 1)
    node.persist()
    assert [response.granted for response in node.sent_of(VoteResponse)] == [True]
    joined = Configuration((N2, N3), learners=(N1,))
    node.append_from(N2, 1, (*entries(1, 1), configuration_entry(2, 1, joined)))
    node.persist()
    assert [response.match_index for response in node.sent_of(AppendResponse)] == [2]
    assert node.core.configuration == joined


def test_4_1_votes_and_entries_are_taken_from_nodes_outside_the_own_configuration() -> None:
    node = Lone(voters=THREE)
    node.ask_vote(N5, 1)
    node.persist()
    assert [response.granted for response in node.sent_of(VoteResponse)] == [True]
    node.append_from(N5, 1, entries(1, 1))
    node.persist()
    assert [response.match_index for response in node.sent_of(AppendResponse)] == [1]
    assert node.core.leader == N5


def test_4_2_1_learner_votes_when_it_is_asked() -> None:
    """Whoever asks may know that it has become a voter, while it does not."""
    node = Lone(voters=(N2, N3), learners=(N1,))
    node.ask_vote(N2, 1)
    node.persist()
    assert [response.granted for response in node.sent_of(VoteResponse)] == [True]


def test_learner_is_no_target_of_a_transfer() -> None:
    node = leader_with_fit_learner()
    assert node.transfer(N4) == Rejection(RejectReason.NO_TARGET, N1)
    assert node.transfer(N5) == Rejection(RejectReason.NO_TARGET, N1)


def test_who_is_left_out_is_told_so_before_it_is_left_alone() -> None:
    node = Lone(voters=THREE, learners=(N4,)).elect()
    acknowledge(node, N4)
    node.change(THREE, NOBODY)
    node.ack_of(N4, 2)
    node.sent.clear()
    acknowledge(node, N2)
    assert [message.commit_index for message in node.sent_to(N4) if isinstance(message, AppendEntries)] == [2]
    node.tick(HEARTBEAT_MS)
    assert node.sent_to(N4) == []


def test_who_comes_back_holds_nothing_until_it_says_so() -> None:
    node = Lone(voters=THREE, learners=(N4,)).elect()
    acknowledge(node, N4)
    for learners in (NOBODY, (N4,)):
        node.change(THREE, learners)
        acknowledge(node, N2)
    assert dict(node.core.match_indexes())[N4] == 0
    assert node.core.min_match_index() == 0


def test_an_answer_of_before_a_removal_says_nothing_of_who_comes_back() -> None:
    node = Lone(voters=THREE, learners=(N4,)).elect()
    sent_ns, match = node.now_ns, node.core.last_index
    for learners in (NOBODY, (N4,)):
        node.tick(HEARTBEAT_MS)
        node.change(THREE, learners)
        acknowledge(node, N2)
    node.ack_of(N4, match, sent_ns=sent_ns)
    assert dict(node.core.match_indexes())[N4] == 0
    node.ack_of(N4, match, sent_ns=node.now_ns)
    assert dict(node.core.match_indexes())[N4] == match
