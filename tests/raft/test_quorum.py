"""Majorities of one configuration and of both halves of a joint one, against counting by hand."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from raftdoc.ids import NodeId
from raftdoc.raft import Configuration
from raftdoc.raft.quorum import has_lost, has_quorum, majority, quorum_value

NODES = tuple(NodeId(f"n{number}") for number in range(7))
halves = st.lists(st.sampled_from(NODES), min_size=1, unique=True).map(tuple)
configurations = st.builds(Configuration, halves, halves | st.just(()), st.just(()))
some_nodes = st.sets(st.sampled_from(NODES))
all_values = st.dictionaries(st.sampled_from(NODES), st.integers(0, 9))


def halves_of(configuration: Configuration) -> list[tuple[NodeId, ...]]:
    return [half for half in (configuration.voters, configuration.voters_outgoing) if half]


def test_majority_is_more_than_half() -> None:
    assert [majority(count) for count in range(1, 8)] == [1, 2, 2, 3, 3, 4, 4]


@given(configurations, some_nodes)
def test_quorum_is_a_majority_of_every_half(configuration: Configuration, agreed: set[NodeId]) -> None:
    expected = all(2 * len(agreed & set(half)) > len(half) for half in halves_of(configuration))
    assert has_quorum(configuration, agreed) == expected


def test_learners_are_no_part_of_a_quorum() -> None:
    one, learners = NODES[0], NODES[3:5]
    configuration = Configuration(NODES[:3], learners=learners)
    assert not has_quorum(configuration, (one, *learners))
    assert quorum_value(configuration, dict.fromkeys((one, *learners), 5)) == 0


@given(configurations, some_nodes)
def test_lost_means_that_the_rest_is_no_quorum(configuration: Configuration, refused: set[NodeId]) -> None:
    assert has_lost(configuration, refused) == (not has_quorum(configuration, set(NODES) - refused))


@given(configurations, all_values)
def test_quorum_value_is_the_largest_that_a_quorum_has_reached(
    configuration: Configuration, values: dict[NodeId, int]
) -> None:
    def is_reached(value: int) -> bool:
        return has_quorum(configuration, {node for node in NODES if values.get(node, 0) >= value})

    expected = max(value for value in range(10) if is_reached(value))
    assert quorum_value(configuration, values) == expected


@given(configurations)
def test_two_quorums_always_meet_in_every_half(configuration: Configuration) -> None:
    members = sorted(configuration.members())
    quorums = [
        set(group)
        for size in range(len(members) + 1)
        for group in combinations(members, size)
        if has_quorum(configuration, group)
    ]
    smallest = [quorum for quorum in quorums if not any(other < quorum for other in quorums)]
    for one in smallest:
        for other in smallest:
            assert all(one & other & set(half) for half in halves_of(configuration))


@given(configurations)
def test_all_voters_names_each_once(configuration: Configuration) -> None:
    voters = configuration.all_voters()
    assert len(voters) == len(set(voters))
    assert set(voters) == set(configuration.voters) | set(configuration.voters_outgoing)
    assert all(configuration.is_voter(node) == (node in voters) for node in NODES)
