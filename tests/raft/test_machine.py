"""The bare core under everything that can happen to a group, in any order: hypothesis looks for it, and makes it short.

The random worlds of test_random.py find more; what is found here is small enough to be read, and goes to
tests/raft/scenarios as a transcript.
"""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from raftdoc.ids import NodeId
from raftdoc.raft import Role

from .group import NODES, Group
from .lone import HEARTBEAT_MS, N1, N2, N3, N4, W_MS

nodes = st.sampled_from(NODES)
subsets = st.frozensets(nodes)


class GroupMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.group = Group()

    # Time -----------------------------------------------------------------------------------------

    @rule(node=nodes)
    def beat(self, node: NodeId) -> None:
        self.group.tick(node, HEARTBEAT_MS)

    @rule(node=nodes)
    def time_out(self, node: NodeId) -> None:
        self.group.tick(node, 2 * W_MS)

    @rule(node=nodes)
    def elect(self, node: NodeId) -> None:
        self.group.tick(node, 2 * W_MS)
        self.group.settle()

    @rule()
    def settle(self) -> None:
        self.group.settle()

    # Network --------------------------------------------------------------------------------------

    @precondition(lambda self: self.group.waiting)
    @rule(data=st.data())
    def deliver(self, data: st.DataObject) -> None:
        self.group.deliver(data.draw(st.integers(0, len(self.group.waiting) - 1)))

    @precondition(lambda self: self.group.waiting)
    @rule(data=st.data())
    def duplicate(self, data: st.DataObject) -> None:
        self.group.waiting.append(data.draw(st.sampled_from(self.group.waiting)))

    @precondition(lambda self: self.group.waiting)
    @rule(data=st.data())
    def drop(self, data: st.DataObject) -> None:
        del self.group.waiting[data.draw(st.integers(0, len(self.group.waiting) - 1))]

    @rule(side=subsets)
    def cut(self, side: frozenset[NodeId]) -> None:
        """Cut off some from the others, or heal, where one side is empty."""
        self.group.cut = side

    @precondition(lambda self: self.group.wanted)
    @rule()
    def stream(self) -> None:
        self.group.stream(*self.group.wanted.pop())

    # Disks and processes --------------------------------------------------------------------------

    @rule(node=nodes)
    def persist(self, node: NodeId) -> None:
        if self.group.replicas[node].is_awake and self.group.replicas[node].disk.pending:
            self.group.persist(node)

    @rule(node=nodes, kept_count=st.integers(0, 3))
    def crash_or_start(self, node: NodeId, kept_count: int) -> None:
        if self.group.replicas[node].is_awake:
            self.group.crash(node, kept_count)
        else:
            self.group.start(node)

    @rule(node=nodes)
    def compact(self, node: NodeId) -> None:
        if self.group.replicas[node].is_awake:
            self.group.compact(node)

    @rule(node=nodes)
    def replace(self, node: NodeId) -> None:
        """Have a removed node lose its replica, and get another."""
        if self.group.may_leave(node):
            self.group.replace(node)

    # Clients --------------------------------------------------------------------------------------

    @rule(node=nodes)
    def propose(self, node: NodeId) -> None:
        if self.group.replicas[node].is_awake:
            self.group.propose(node)

    @rule(node=nodes, voters=subsets, others=subsets)
    def change(self, node: NodeId, voters: frozenset[NodeId], others: frozenset[NodeId]) -> None:
        if self.group.replicas[node].is_awake:
            self.group.change(node, tuple(sorted(voters)), tuple(sorted(others - voters)))

    @rule(node=nodes)
    def transfer(self, node: NodeId) -> None:
        if self.group.replicas[node].is_awake:
            self.group.transfer(node)


GroupMachine.TestCase.settings = settings(max_examples=25, stateful_step_count=80)
TestGroup = GroupMachine.TestCase


def test_4_1_voter_that_missed_a_removal_does_not_win_with_the_next_replica_of_the_removed_node() -> None:
    group = Group()
    group.tick(N1, 2 * W_MS)
    group.settle()
    group.cut = frozenset({N3})
    group.change(N1, (N1, N2, N3), (N4,))
    group.settle()
    group.change(N1, (N1, N3, N4), ())
    group.settle()
    group.propose(N1)
    group.settle()
    assert group.replicas[N1].core.commit_index == 5
    assert group.may_leave(N2)
    group.replace(N2)
    group.cut = frozenset({N1, N4})
    for _ in range(3):
        group.tick(N3, 2 * W_MS)
        group.settle()
    assert group.replicas[N3].core.role is not Role.LEADER
