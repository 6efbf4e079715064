"""What tests of membership share: a leader with learners, and peers that hold all of its log."""

from __future__ import annotations

from raftdoc.ids import Index, NodeId, Term
from raftdoc.raft import CatchUp, Configuration, encode_configuration
from raftdoc.raft.messages import Entry, EntryKind

from .lone import N1, N2, N3, N4, Lone

THREE = (N1, N2, N3)
NOBODY: tuple[NodeId, ...] = ()


def configuration_entry(index: int, term: int, configuration: Configuration) -> Entry:
    return Entry(Index(index), Term(term), EntryKind.CONFIGURATION, 0, encode_configuration(configuration))


def leader_with_fit_learner(**changes: int) -> Lone:
    """Return the leader of three, of which n4 is a learner that has caught up."""
    node = Lone(voters=THREE, learners=(N4,), **changes).elect()
    node.ack_of(N4, node.core.last_index, sent_ns=node.now_ns)
    assert node.core.catch_up(N4) is CatchUp.CAUGHT_UP
    node.memberships.clear()
    return node


def acknowledge(node: Lone, *peers: NodeId) -> None:
    """Have this node and peers hold all of the log durably."""
    node.persist()
    for peer in peers:
        node.ack_of(peer, node.core.last_index, sent_ns=node.now_ns)


def told(node: Lone) -> list[tuple[int, bool]]:
    """Return (index, is_committed) of each membership event."""
    return [(event.index, event.is_committed) for event in node.memberships]
