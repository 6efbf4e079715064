"""Membership: joint consensus, learners, the removal of a leader. Sections are the dissertation's."""

from __future__ import annotations

from raftdoc.raft import CatchUp, Configuration, RejectReason, Role
from raftdoc.raft.messages import AppendEntries, TimeoutNow

from .lone import N1, N2, N3, N4, Lone

THREE = (N1, N2, N3)


def leader_with_fit_learner() -> Lone:
    """Return the leader of three, of which n4 is a learner that has caught up."""
    node = Lone(voters=THREE, learners=(N4,)).elect()
    node.ack_of(N4, node.core.last_index)
    assert node.core.catch_up(N4) is CatchUp.CAUGHT_UP
    node.memberships.clear()
    return node


def acknowledge(node: Lone, *peers: str) -> None:
    """Have this node and peers hold all of the log durably."""
    node.persist()
    for peer in peers:
        node.ack_of(peer, node.core.last_index, sent_ns=node.now_ns)


def test_4_1_configuration_is_in_force_when_it_is_appended() -> None:
    node = Lone(voters=THREE).elect()
    node.change(THREE, (N4,))
    assert node.core.configuration == Configuration(THREE, learners=(N4,))
    assert [(event.index, event.is_committed) for event in node.memberships] == [(2, False)]
    assert any(peer == N4 and isinstance(message, AppendEntries) for peer, message in node.sent)


def test_learners_alone_change_in_one_entry() -> None:
    node = Lone(voters=THREE).elect()
    node.change(THREE, (N4,))
    acknowledge(node, N2)
    assert node.memberships[-1] == (Configuration(THREE, learners=(N4,)), 2, True)
    assert node.core.last_index == 2


def test_4_3_joint_configuration_is_left_once_it_is_committed_by_both_halves() -> None:
    node = leader_with_fit_learner()
    node.change((N1, N2, N4))
    assert node.core.configuration == Configuration((N1, N2, N4), THREE)
    acknowledge(node, N3)
    assert node.core.configuration.is_joint()
    node.ack_of(N4, 2, sent_ns=node.now_ns)
    assert node.core.configuration == Configuration((N1, N2, N4))
    assert node.core.last_index == 3


def test_4_2_2_removed_leader_hands_over_and_steps_down_after_the_commit() -> None:
    node = leader_with_fit_learner()
    node.change((N2, N3, N4))
    acknowledge(node, N2, N4)
    assert node.core.configuration == Configuration((N2, N3, N4))
    assert node.is_leader
    acknowledge(node, N3, N4)
    assert len(node.sent_of(TimeoutNow)) == 1
    assert node.role is Role.FOLLOWER
    node.time_out()
    assert node.role is Role.FOLLOWER


def test_4_2_1_voter_has_to_be_a_learner_that_has_caught_up() -> None:
    node = Lone(voters=THREE).elect()
    assert node.change((N1, N2, N4)).reason is RejectReason.NOT_CAUGHT_UP
    node.change(THREE, (N4,))
    acknowledge(node, N2)
    assert node.change((N1, N2, N4)).reason is RejectReason.NOT_CAUGHT_UP
