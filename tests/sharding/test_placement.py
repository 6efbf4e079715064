"""Placement: complete, spread, even, and the same for the same view."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from raftdoc.ids import GroupId, NodeId
from raftdoc.sharding import GroupView, Move, NodeView, View, at_risk, catalog_voters, choose, first_leader, plan

STEPS_MAX = 400


def node(number: int, state: str = "member", *, host: str = "", is_alive: bool = True) -> NodeView:
    return NodeView(NodeId(f"n{number}"), host or f"h{number}", state, is_alive)  # type: ignore[arg-type]


def view_of(*nodes: NodeView, groups: tuple[GroupView, ...] = ()) -> View:
    return View({each.id: each for each in nodes}, groups)


def group(number: int, *nodes: int, count: int = 3, leader: int | None = None) -> GroupView:
    replicas = tuple(NodeId(f"n{each}") for each in nodes)
    return GroupView(GroupId(number), count, replicas, replicas, None if leader is None else NodeId(f"n{leader}"))


def settle(view: View) -> tuple[View, list[Move]]:
    """Carry plans out until there are none; return the view then and all moves."""
    done: list[Move] = []
    while moves := plan(view):
        done += moves
        assert len(done) < STEPS_MAX, done[-4:]
        to = {move.group: move.replicas for move in moves}
        groups = [g._replace(replicas=to[g.group], settled=to[g.group]) if g.group in to else g for g in view.groups]
        view = view._replace(groups=tuple(groups))
    return view, done


nodes_of = st.lists(
    st.tuples(
        st.sampled_from(["member"] * 5 + ["joining", "draining", "leaving"]),
        st.sampled_from("abcde"),
        st.sampled_from([True] * 5 + [False]),
    ),
    min_size=1,
    max_size=8,
).map(lambda rows: [node(n, state, host=host, is_alive=alive) for n, (state, host, alive) in enumerate(rows, 1)])


@st.composite
def views(draw: st.DrawFn) -> View:
    nodes = draw(nodes_of)
    ids = [each.id for each in nodes]
    groups = []
    for number in range(1, draw(st.integers(0, 8)) + 1):
        replicas = tuple(sorted(draw(st.sets(st.sampled_from(ids), min_size=1, max_size=3))))
        leader = draw(st.sampled_from([None, *replicas]))
        groups.append(GroupView(GroupId(number), draw(st.integers(1, 3)), replicas, replicas, leader))
    return View({each.id: each for each in nodes}, tuple(groups))


@given(views())
def test_plans_end_and_leave_nothing_on_nodes_that_go(view: View) -> None:
    settled, _ = settle(view)
    members = {each.id for each in view.members()}
    living = [each for each in view.members() if each.is_alive]
    for each in settled.groups:
        if living or any(node in members for node in each.replicas):
            assert set(each.replicas) <= members
        assert len(set(each.replicas)) == len(each.replicas)
        if len(living) >= 3:
            assert len(each.replicas) >= each.replica_count


@given(views())
def test_settled_groups_are_spread_over_hosts_as_far_as_living_hosts_go(view: View) -> None:
    settled, _ = settle(view)
    living_hosts = {each.host for each in view.members() if each.is_alive}
    for each in settled.groups:
        on = [view.nodes[node] for node in each.replicas]
        if all(other.is_alive and other.state == "member" for other in on):
            assert len({other.host for other in on}) == min(len(on), len(living_hosts))


@given(views())
def test_a_plan_does_not_depend_on_the_order_of_what_it_sees(view: View) -> None:
    turned = View(dict(reversed(view.nodes.items())), tuple(reversed(view.groups)))
    assert plan(turned) == plan(view)


@given(st.integers(1, 9), st.integers(0, 12))
def test_load_is_even_on_nodes_of_their_own_hosts(node_count: int, group_count: int) -> None:
    nodes = [node(number) for number in range(1, node_count + 1)]
    settled, _ = settle(view_of(*nodes, groups=tuple(group(n, 1) for n in range(1, group_count + 1))))
    loads = settled.loads().values()
    assert max(loads) - min(loads) <= 1
    assert all(len(each.replicas) == min(3, node_count) for each in settled.groups)


def test_new_groups_go_to_different_hosts_first_and_then_to_the_least_loaded() -> None:
    nodes = [node(1, host="a"), node(2, host="a"), node(3, host="b"), node(4, host="c"), node(5, host="c")]
    view = view_of(*nodes, groups=(group(1, 1, 3, 4),))
    assert choose(view, 3) == ("n2", "n3", "n5")
    assert choose(view_of(*nodes[:2]), 3) == ("n1", "n2")


def test_a_replica_on_a_dead_member_stays_until_somebody_removes_the_member() -> None:
    dead = node(2, is_alive=False)
    groups = (group(1, 1, 2, 3),)
    assert plan(view_of(node(1), dead, node(3), node(4), groups=groups)) == []
    leaving = dead._replace(state="leaving")
    assert plan(view_of(node(1), leaving, node(3), node(4), groups=groups)) == [Move(GroupId(1), ("n1", "n3", "n4"))]  # type: ignore[comparison-overlap]


def test_a_move_to_a_node_that_died_before_it_had_the_data_goes_elsewhere() -> None:
    moving = group(1, 1, 2, 4)._replace(settled=group(1, 1, 2, 3).settled)
    view = view_of(node(1), node(2), node(3, "leaving"), node(4, is_alive=False), node(5), groups=(moving,))
    assert plan(view) == [Move(GroupId(1), ("n1", "n2", "n5"))]  # type: ignore[comparison-overlap]


def test_nothing_is_evened_out_while_a_group_moves() -> None:
    moving = group(9, 1, 2, 4)._replace(settled=group(9, 1, 2, 3).settled)
    groups = (*(group(n, 1, 2, 3) for n in range(1, 5)), moving)
    assert plan(view_of(*map(node, range(1, 6)), groups=groups)) == []


def test_the_leader_is_the_last_to_be_moved_for_evenness() -> None:
    groups = tuple(group(n, 1, 2, 3, leader=1) for n in (1, 2))
    (move,) = plan(view_of(*map(node, range(1, 5)), groups=groups))
    assert "n1" in move.replicas


def test_first_leader_is_the_one_that_leads_least() -> None:
    view = view_of(*map(node, range(1, 4)), groups=(group(1, 1, 2, 3, leader=1), group(2, 1, 2, 3, leader=2)))
    assert first_leader(view, [NodeId("n1"), NodeId("n2"), NodeId("n3")]) == "n3"


def test_catalog_has_up_to_five_voters_and_an_odd_number_from_three_on() -> None:
    counts = [len(catalog_voters(view_of(*map(node, range(1, n + 1))), ())) for n in range(1, 8)]
    assert counts == [1, 2, 3, 3, 5, 5, 5]


def test_catalog_voters_stay_where_they_may_and_leave_who_goes() -> None:
    nodes = [node(1, "leaving"), *map(node, range(2, 7)), node(7, "joining")]
    current = [NodeId(f"n{n}") for n in (1, 4, 5, 6)]
    assert catalog_voters(view_of(*nodes), current) == ("n2", "n3", "n4", "n5", "n6")
    dead = [node(1), node(2, is_alive=False), node(3), node(4)]
    assert catalog_voters(view_of(*dead), [NodeId("n1"), NodeId("n2"), NodeId("n3")]) == ("n1", "n2", "n3")


def test_a_node_may_go_when_a_living_majority_is_left() -> None:
    three = [NodeId("n1"), NodeId("n2"), NodeId("n3")]
    dead = node(2, is_alive=False)
    view = view_of(node(1), dead, node(3))
    voters = {GroupId(0): three, GroupId(1): three}
    assert at_risk(view, voters, NodeId("n2")) == []
    assert at_risk(view, voters, NodeId("n3")) == [0, 1]
    assert at_risk(view_of(node(1), dead, node(3), node(4)), voters, NodeId("n3")) == []
    assert at_risk(view_of(node(1)), {GroupId(0): three[:1]}, NodeId("n1")) == [0]
    assert at_risk(view_of(node(1), dead), {GroupId(0): three[:2]}, NodeId("n2")) == [0]
