"""What is left to be done: it ends, it says why, and leads where placement wants everything."""

from __future__ import annotations

from collections import Counter

from hypothesis import given

from raftdoc.ids import GroupId, NodeId
from raftdoc.sharding import Relocation, View, leaderships, plan, relocations

from .test_placement import group, node, settle, view_of, views


def carried_out(view: View, done: list[Relocation]) -> dict[GroupId, set[NodeId]]:
    """Return the replicas of each group once all of it is done."""
    places = {each.group: set(each.replicas) for each in view.groups}
    for step in done:
        if step.kind == "replica":
            places[step.group].discard(step.source)  # type: ignore[arg-type]
            places[step.group].update({step.target} - {None})  # type: ignore[arg-type]
    return places


@given(views())
def test_all_that_is_left_leads_to_where_no_plan_asks_for_anything(view: View) -> None:
    settled, _ = settle(view)
    assert carried_out(view, list(relocations(view))) == {each.group: set(each.replicas) for each in settled.groups}


@given(views())
def test_leaderships_end_even_on_nodes_that_may_lead_and_have_a_replica(view: View) -> None:
    steps = leaderships(view)
    assert len({step.group for step in steps}) == len(steps)
    to = {step.group: step.target for step in steps}
    after = view._replace(groups=tuple(each._replace(leader=to.get(each.group, each.leader)) for each in view.groups))
    assert all(to.get(each.group, each.replicas[0]) in each.replicas for each in view.groups)
    assert all(view.nodes[target].is_alive and view.nodes[target].state == "member" for target in to.values() if target)
    assert leaderships(after) == []


def test_leaderships_of_one_node_are_spread_over_those_with_a_replica() -> None:
    groups = tuple(group(number, 1, 2, 3, leader=1) for number in range(1, 8))
    steps = leaderships(view_of(node(1), node(2), node(3), groups=groups))
    assert Counter(step.target for step in steps) == {"n2": 2, "n3": 2}
    assert steps[0].why == "n1 leads 7 groups, n2 leads 0"


def test_a_dead_or_drained_node_is_handed_nothing() -> None:
    groups = tuple(group(number, 1, 2, 3, leader=1) for number in range(1, 5))
    view = view_of(node(1), node(2, is_alive=False), node(3, "draining"), groups=groups)
    assert leaderships(view) == []


def test_a_group_that_moves_is_under_way_and_keeps_its_leader() -> None:
    moving = group(1, 1, 2, 4, leader=1)._replace(settled=(NodeId("n1"), NodeId("n2"), NodeId("n3")))
    view = view_of(*map(node, range(1, 5)), groups=(moving, group(2, 1, 2, 3, leader=1), group(3, 1, 2, 3, leader=1)))
    first, *others = relocations(view)
    assert first == Relocation(GroupId(1), "replica", NodeId("n3"), NodeId("n4"), "it is under way")
    assert all(step.group != 1 for step in others)


def test_every_step_says_which_rule_asks_for_it() -> None:
    drained = view_of(node(1), node(2), node(3, "draining"), node(4), groups=(group(1, 1, 2, 3),))
    lacking = view_of(node(1), node(2), node(3), groups=(group(1, 1, 2),))
    crowded = view_of(node(1, host="a"), node(2, host="a"), node(3), node(4), groups=(group(1, 1, 2, 3),))
    uneven = view_of(*map(node, range(1, 5)), groups=(group(1, 1, 2, 3), group(2, 1, 2, 3)))
    assert [next(iter(relocations(view))).why for view in (drained, lacking, crowded, uneven)] == [
        "node n3 is draining",
        "the group has 2 of 3 replicas",
        "its replicas share a host",
        "nodes are to have equally many replicas: n1 has 2, n4 has 0",
    ]


def test_where_nothing_is_to_be_done_nothing_is_left() -> None:
    view = view_of(node(1), node(2), node(3), groups=(group(1, 1, 2, 3, leader=1), group(2, 1, 2, 3, leader=2)))
    assert plan(view) == []
    assert list(relocations(view)) == []
