"""How a leader changes a membership: the way in and out of a joint configuration. Sections are the dissertation's."""

from __future__ import annotations

import pytest

from raftdoc.ids import NodeId
from raftdoc.raft import CatchUp, Configuration, Rejection, RejectReason, Role

from .crew import NOBODY, THREE, acknowledge, configuration_entry, leader_with_fit_learner
from .lone import HEARTBEAT_MS, N1, N2, N3, N4, N5, W_MS, Lone

# The way of a change --------------------------------------------------------------------------------


def test_learners_alone_change_in_one_entry() -> None:
    node = Lone(voters=THREE).elect()
    assert node.change(THREE, (N4,)) == (1, 2)
    acknowledge(node, N2)
    assert node.memberships[-1] == (Configuration(THREE, learners=(N4,)), 2, True)
    assert node.core.last_index == 2


def test_4_3_joint_configuration_is_committed_by_a_majority_of_both_halves() -> None:
    node = Lone(voters=THREE, learners=(N4, N5)).elect()
    acknowledge(node, N4, N5)
    node.change((N3, N4, N5))
    acknowledge(node, N4, N5)
    assert node.core.commit_index == 1
    node.ack_of(N2, 2)
    assert node.core.commit_index == 2


def test_4_3_joint_configuration_is_left_only_once_it_is_committed() -> None:
    node = leader_with_fit_learner()
    node.change((N1, N2, N4))
    assert node.core.configuration == Configuration((N1, N2, N4), THREE)
    acknowledge(node, N3)
    node.tick(HEARTBEAT_MS)
    assert node.core.last_index == 2
    node.ack_of(N4, 2, sent_ns=node.now_ns)
    assert node.core.configuration == Configuration((N1, N2, N4))
    assert node.core.last_index == 3


def test_4_3_new_leader_finishes_a_joint_configuration_that_it_finds() -> None:
    joint = Configuration((N1, N2, N4), THREE)
    node = Lone(voters=THREE, log=(configuration_entry(1, 1, joint),))
    node.elect(with_own=False)
    node.persist()
    assert node.core.configuration == joint
    for peer in (N2, N3):
        node.ack_of(peer, 2)
    assert node.core.configuration == Configuration((N1, N2, N4))
    assert node.core.last_index == 3


@pytest.mark.parametrize(("first", "second"), [(N2, N4), (N4, N2)])
def test_4_3_votes_of_a_joint_configuration_need_both_halves(first: NodeId, second: NodeId) -> None:
    node = Lone(voters=THREE, log=(configuration_entry(1, 1, Configuration((N1, N4, N5), THREE)),))
    node.time_out()
    node.vote_of(first, pre=True)
    assert node.role is Role.PRE_CANDIDATE
    node.vote_of(second, pre=True)
    assert node.role is Role.CANDIDATE


def test_change_waits_for_the_transfer_that_is_under_way() -> None:
    node = leader_with_fit_learner()
    node.transfer(N3)
    assert node.change(THREE, NOBODY) == Rejection(RejectReason.TRANSFERRING, N1)


def test_demoted_voter_votes_until_the_joint_configuration_is_left() -> None:
    node = Lone(voters=THREE).elect()
    node.change((N1, N2), (N3,))
    assert node.core.configuration.is_voter(N3)
    acknowledge(node, N2)
    assert node.core.configuration == Configuration((N1, N2), learners=(N3,))
    assert not node.core.configuration.is_voter(N3)


@pytest.mark.parametrize("voters", [(N2,), (N1, N2), (N1, N2, N3, N4)])
def test_any_set_of_voters_to_any_other(voters: tuple[NodeId, ...]) -> None:
    node = leader_with_fit_learner()
    node.change(voters)
    for _ in range(2):
        acknowledge(node, N2, N3, N4)
    assert node.core.configuration == Configuration(voters)
    assert node.memberships[-1].is_committed


# Refusals -------------------------------------------------------------------------------------------


def test_4_1_change_is_refused_before_an_entry_of_the_own_term_is_committed() -> None:
    """The bug of the single-server algorithm that was found after its publication; the rule holds here as well."""
    node = Lone(voters=THREE).elect(with_own=False)
    assert node.change(THREE, (N4,)) == Rejection(RejectReason.NOT_READY, N1)
    acknowledge(node, N2)
    assert node.change(THREE, (N4,)) == (1, 2)


def test_one_change_at_a_time() -> None:
    node = Lone(voters=THREE).elect()
    node.change(THREE, (N4,))
    assert node.change(THREE, NOBODY) == Rejection(RejectReason.CHANGE_PENDING, N1)
    acknowledge(node, N2)
    assert node.change(THREE, NOBODY) == (1, 3)


def test_joint_configuration_refuses_changes_until_it_is_left_and_that_is_committed() -> None:
    node = leader_with_fit_learner()
    node.change((N1, N2, N4))
    for last_index in (2, 3):
        assert node.core.last_index == last_index
        assert node.change(THREE, NOBODY) == Rejection(RejectReason.CHANGE_PENDING, N1)
        acknowledge(node, N2, N4)
    assert node.change((N1, N2, N4), (N3,)) == (1, 4)


@pytest.mark.parametrize("change", [(NOBODY, (N2,)), ((N1, N1), NOBODY), ((N1, N2), (N2,)), ((N1,), (N4, N4))])
def test_membership_without_voters_or_with_a_node_twice_is_invalid(
    change: tuple[tuple[NodeId, ...], tuple[NodeId, ...]],
) -> None:
    node = Lone(voters=THREE).elect()
    assert node.change(*change) == Rejection(RejectReason.INVALID, N1)


def test_follower_refuses_a_change_and_names_the_leader() -> None:
    node = Lone(voters=THREE)
    node.append_from(N2, 1)
    assert node.change(THREE, (N4,)) == Rejection(RejectReason.NOT_LEADER, N2)


def test_full_or_stalled_disk_refuses_a_change() -> None:
    node = Lone(voters=(N1,)).elect(with_own=False)
    node.persist()
    node.core.on_disk_stalled(True, node.now_ns)
    assert node.change((N1,), (N4,)) == Rejection(RejectReason.DISK_STALLED, N1)
    node.core.on_disk_stalled(False, node.now_ns)
    node.core.on_disk_full(True, node.now_ns)
    assert node.change((N1,), (N4,)) == Rejection(RejectReason.DISK, N1)


# Catching up ----------------------------------------------------------------------------------------


def test_4_2_1_voter_has_to_be_a_learner_that_has_caught_up() -> None:
    node = Lone(voters=THREE).elect()
    assert node.change((N1, N2, N4)) == Rejection(RejectReason.NOT_CAUGHT_UP, N1)
    node.change(THREE, (N4,))
    acknowledge(node, N2)
    assert node.change((N1, N2, N4)) == Rejection(RejectReason.NOT_CAUGHT_UP, N1)
    acknowledge(node, N4)
    assert node.change((N1, N2, N4)) == (1, 3)


def test_4_2_1_round_that_takes_longer_than_a_heartbeat_begins_another() -> None:
    node = Lone(voters=THREE, learners=(N4,)).elect()
    node.now_ms += HEARTBEAT_MS + 1
    node.propose()
    node.ack_of(N4, 1)
    assert node.core.catch_up(N4) is CatchUp.CATCHING_UP
    node.now_ms += HEARTBEAT_MS
    node.propose()
    node.ack_of(N4, 2)
    assert node.core.catch_up(N4) is CatchUp.CAUGHT_UP


def test_4_2_1_learner_that_needs_ten_rounds_is_too_slow_until_it_is_faster() -> None:
    node = Lone(voters=THREE, learners=(N4,)).elect()
    for number in range(1, 11):
        assert node.core.catch_up(N4) is CatchUp.CATCHING_UP
        node.now_ms += HEARTBEAT_MS + 1
        node.propose()
        node.ack_of(N4, number)
    assert node.core.catch_up(N4) is CatchUp.TOO_SLOW
    assert node.change((N1, N2, N4)) == Rejection(RejectReason.NOT_CAUGHT_UP, N1)
    node.ack_of(N4, 11)
    assert node.core.catch_up(N4) is CatchUp.CAUGHT_UP


def test_4_2_1_learner_that_falls_behind_again_has_not_caught_up() -> None:
    node = leader_with_fit_learner()
    node.propose()
    for _ in range(W_MS // HEARTBEAT_MS + 2):
        node.tick(HEARTBEAT_MS)
        node.beat_of(N2)
    assert node.core.catch_up(N4) is CatchUp.CATCHING_UP


def test_catch_up_of_a_stranger_or_at_a_follower_is_unknown() -> None:
    node = leader_with_fit_learner()
    assert node.core.catch_up(N5) is CatchUp.UNKNOWN
    assert node.core.catch_up(N2) is CatchUp.UNKNOWN
    assert Lone(voters=THREE, learners=(N4,)).core.catch_up(N4) is CatchUp.UNKNOWN


# L5 and reads ---------------------------------------------------------------------------------------


def test_l5_lease_is_counted_anew_under_the_new_configuration() -> None:
    node = Lone(voters=(N1,), learners=(N2, N3), leases_enabled=True).elect(with_own=False)
    node.persist()
    for peer in (N2, N3):
        node.ack_of(peer, 1, sent_ns=node.now_ns - 2 * W_MS * 1_000_000)
    assert node.lease_valid
    node.change(THREE, NOBODY)
    assert not node.lease_valid
    node.beat_of(N2, sent_ns=node.now_ns)
    assert node.lease_valid


def test_l5_there_is_no_lease_under_a_configuration_of_which_nobody_was_heard() -> None:
    node = Lone(voters=(N1,), learners=(N2, N3), leases_enabled=True).elect(with_own=False)
    node.persist()
    for peer in (N2, N3):
        node.ack_of(peer, 1, sent_ns=node.now_ns)
    node.core.on_clock_suspect(node.now_ns)
    assert node.lease_valid
    node.change(THREE, NOBODY)
    assert not node.lease_valid


def joint_with_a_long_claim(**changes: int) -> Lone:
    """Return a leader in a committed joint configuration whose new half has promised less than the old one had."""
    node = leader_with_fit_learner(**changes)
    node.tick(W_MS // 2)
    for peer in (N2, N3):
        node.beat_of(peer, sent_ns=node.now_ns)
    node.change((N1, N4))
    node.persist()
    for peer in (N2, N4):
        node.ack_of(peer, 2)
    assert node.core.commit_index == 2
    return node


def test_l5_joint_configuration_is_left_when_the_lease_is_what_it_was() -> None:
    node = joint_with_a_long_claim()
    node.tick(HEARTBEAT_MS)
    assert node.core.last_index == 2
    assert node.change((N1, N4)) == Rejection(RejectReason.CHANGE_PENDING, N1)
    for peer in (N2, N4):
        node.beat_of(peer, sent_ns=node.now_ns)
    node.tick(HEARTBEAT_MS)
    assert node.core.configuration == Configuration((N1, N4))


def test_l5_joint_configuration_is_left_when_the_old_claim_has_passed() -> None:
    node = joint_with_a_long_claim()
    for _ in range(W_MS // HEARTBEAT_MS + 1):
        assert node.core.configuration.is_joint() == (node.now_ms < 12_000 + W_MS // 2 + W_MS)
        node.tick(HEARTBEAT_MS)
        for peer in (N2, N4):
            node.beat_of(peer)
    assert node.core.configuration == Configuration((N1, N4))


def test_l5_without_leases_nothing_is_waited_for() -> None:
    node = joint_with_a_long_claim(leases_enabled=False)
    assert node.core.configuration == Configuration((N1, N4))


def test_6_4_round_of_a_joint_configuration_needs_both_halves() -> None:
    node = Lone(voters=THREE, learners=(N4, N5), leases_enabled=False).elect()
    acknowledge(node, N4, N5)
    node.change((N1, N4, N5))
    node.read(7)
    node.beat_of(N2, read_round=1)
    assert node.reads == []
    node.beat_of(N4, read_round=1)
    assert node.reads == [(7, 1)]


def test_read_that_waits_is_confirmed_when_the_new_configuration_has_its_quorum_already() -> None:
    node = Lone(voters=(N1, N2, N3, N4), leases_enabled=False).elect()
    node.read(7)
    node.beat_of(N2, read_round=1)
    assert node.reads == []
    node.change((N1, N2))
    node.persist()
    for peer in (N2, N3):
        node.ack_of(peer, 2)
    assert node.core.configuration == Configuration((N1, N2))
    assert node.reads == [(7, 1)]
