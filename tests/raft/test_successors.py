"""A replica that takes the place of an earlier one on the same node, whose state and log are gone.

The group went on without that one, and its node was made a member again. A voter that was cut off all the time still
has the old configuration, in which this node votes.
"""

from __future__ import annotations

import pytest

from raftdoc.ids import Index, Term
from raftdoc.raft import Configuration, Role
from raftdoc.raft.messages import HardState, VoteRequest, VoteResponse

from .crew import NOBODY, configuration_entry
from .lone import N1, N2, N3, W_MS, Lone, entries


def successor(*, vote_term: int = 5) -> Lone:
    """Return n1 anew: its earlier log ended with entry 50 of term 5, in which it had voted for n2."""
    node = Lone(voters=NOBODY, hard_state=HardState(Term(vote_term), N2))
    node.disk.floor = (Term(5), Index(50))
    node.start()
    node.tick(W_MS)
    return node


def answers(node: Lone) -> list[bool]:
    return [message.granted for message in node.sent_of(VoteResponse)]


@pytest.mark.parametrize("pre", [True, False])
def test_3_6_1_successor_votes_by_the_log_that_was_acknowledged_before_it(*, pre: bool) -> None:
    node = successor()
    node.ask_vote(N3, 6, last=(49, 5), pre=pre)
    node.ask_vote(N3, 6, last=(99, 4), pre=pre)
    node.persist()
    assert answers(node) == [False, False]
    node.ask_vote(N3, 6, last=(50, 5), pre=pre)
    node.persist()
    assert answers(node) == [True]


def test_3_6_successor_keeps_to_the_vote_that_was_given_before_it() -> None:
    node = successor()
    node.ask_vote(N3, 5, last=(99, 5))
    assert answers(node) == [False]


def test_4_1_successor_with_an_old_part_of_the_log_does_not_stand() -> None:
    """In that part it votes still; the entries that it acknowledged under that configuration come later."""
    node = successor()
    old = configuration_entry(1, 1, Configuration((N1, N2, N3)))
    node.append_from(N2, 6, (old, *entries(2, 5)))
    node.persist()
    node.time_out()
    assert node.role is Role.FOLLOWER
    assert node.sent_of(VoteRequest) == []


def test_4_1_successor_stands_when_it_has_the_old_log_again() -> None:
    node = successor()
    old = configuration_entry(1, 1, Configuration((N1, N2, N3)))
    node.append_from(N2, 6, (old, *entries(2, 6)))
    node.persist()
    node.time_out()
    assert node.role is Role.PRE_CANDIDATE


def test_l3_who_has_just_become_the_only_voter_keeps_what_shows_it_while_its_promise_lasts() -> None:
    """The leader that made it so may hold a lease; after a crash only the log tells that somebody led before."""
    node = Lone(voters=(N1, N2), hard_state=HardState(Term(1), N1))
    joint, alone = Configuration((N1,), (N1, N2)), Configuration((N1,))
    node.append_from(N2, 1, (configuration_entry(1, 1, joint), configuration_entry(2, 1, alone)), commit=2)
    node.persist()
    assert not node.core.may_compact(node.now_ns)
    node.restart(applied_index=2)
    assert not node.core.may_compact(node.now_ns)
    node.time_out()
    assert node.is_leader
    assert node.core.may_compact(node.now_ns)


def test_a_node_that_was_always_alone_lets_go_of_its_log_at_once() -> None:
    node = Lone(voters=(N1,)).elect()
    assert node.core.may_compact(node.now_ns)
