"""Which node is asked next."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from raftdoc.client import errors
from raftdoc.client.nodes import BREAK_AFTER, REST_S_MAX, Balancer, NodeState, parse_node, parse_nodes
from raftdoc.client.options import BALANCES, Balance


def nodes_of(count: int) -> list[NodeState]:
    return [NodeState("10.0.0.1", port, False, id=f"n{port}") for port in range(1, count + 1)]


def chosen(balance: Balance, nodes: list[NodeState], count: int, *, leader: str | None = None) -> list[str | None]:
    balancer = Balancer(balance, Random(7))
    return [balancer.choose(nodes, leader=leader, tried=[], now_s=0.0).id for _ in range(count)]


def test_round_robin_asks_each_in_turn() -> None:
    ids = chosen("round_robin", nodes_of(3), 6)
    assert ids[:3] == ids[3:]
    assert sorted(map(str, ids[:3])) == ["n1", "n2", "n3"]


def test_random_asks_all_alike() -> None:
    counts = Counter(chosen("random", nodes_of(3), 3000))
    assert len(counts) == 3
    assert all(850 < count < 1150 for count in counts.values())


def test_least_connections_asks_the_one_with_the_fewest_calls_under_way() -> None:
    nodes = nodes_of(3)
    nodes[0].in_flight, nodes[1].in_flight, nodes[2].in_flight = 3, 1, 2
    assert chosen("least_connections", nodes, 2) == ["n2", "n2"]


def test_nearest_tries_each_once_and_then_asks_the_fastest() -> None:
    nodes = nodes_of(3)
    latencies_s = {"n1": 0.03, "n2": 0.01, "n3": 0.02}
    balancer, ids = Balancer("nearest", Random(7)), []
    for _ in range(6):
        node = balancer.choose(nodes, leader=None, tried=[], now_s=0.0)
        node.succeeded(latencies_s[str(node.id)])
        ids.append(node.id)
    assert sorted(map(str, ids[:3])) == ["n1", "n2", "n3"]
    assert ids[3:] == ["n2"] * 3


def test_leader_asks_the_leader_and_others_in_turn_while_none_is_known() -> None:
    assert chosen("leader", nodes_of(3), 2, leader="n3") == ["n3", "n3"]
    assert len(set(chosen("leader", nodes_of(3), 3))) == 3


@pytest.mark.parametrize("balance", BALANCES)
def test_no_policy_asks_a_node_again_while_another_was_not_tried(balance: Balance) -> None:
    nodes, tried = nodes_of(3), list[NodeState]()
    balancer = Balancer(balance, Random(7))
    for _ in nodes:
        tried.append(balancer.choose(nodes, leader="n1", tried=tried, now_s=0.0))
    assert len(set(tried)) == 3
    assert balancer.choose(nodes, leader="n1", tried=tried, now_s=0.0) in nodes


@pytest.mark.parametrize("balance", BALANCES)
def test_a_breaker_opens_after_failures_in_a_row_and_closes_after_a_rest(balance: Balance) -> None:
    nodes = nodes_of(3)
    for _ in range(BREAK_AFTER):
        assert nodes[0].resting_until_s == 0
        nodes[0].failed(100.0)
    balancer = Balancer(balance, Random(7))
    now_s = nodes[0].resting_until_s
    resting = [balancer.choose(nodes, leader="n1", tried=[], now_s=now_s - 0.01) for _ in range(30)]
    assert nodes[0] not in resting
    for node in nodes[1:]:
        node.in_flight, node.latency_s = 1, 1.0
    assert nodes[0] in [balancer.choose(nodes, leader="n1", tried=[], now_s=now_s) for _ in range(30)]


def test_a_node_that_fails_on_rests_longer_up_to_a_bound_and_one_answer_ends_it() -> None:
    node, rests_s = nodes_of(1)[0], []
    for _ in range(12):
        node.failed(0.0)
        rests_s.append(node.resting_until_s)
    assert rests_s == sorted(rests_s)
    assert rests_s[-1] == REST_S_MAX
    node.succeeded(0.01)
    assert (node.failures, node.resting_until_s) == (0, 0.0)


def test_when_all_rest_the_one_that_has_rested_longest_is_asked() -> None:
    nodes = nodes_of(2)
    for node, at_s in zip(nodes, (5.0, 1.0), strict=True):
        for _ in range(BREAK_AFTER):
            node.failed(at_s)
    assert Balancer("leader", Random(7)).choose(nodes, leader="n1", tried=[], now_s=5.1) is nodes[1]


def test_a_node_that_was_out_of_reach_has_to_say_again_whose_it_is() -> None:
    node = nodes_of(1)[0]
    node.is_checked = True
    node.failed(0.0)
    assert not node.is_checked


@pytest.mark.parametrize(
    ("url", "authority"),
    [("http://[::1]:8101", "[::1]:8101"), ("https://db.example:443/", "db.example:443"), ("http://H:1", "h:1")],
)
def test_an_address_is_a_host_and_a_port(url: str, authority: str) -> None:
    assert parse_node(url).authority == authority


@pytest.mark.parametrize("url", ["http://h:99999", "http://[::1:1", "http://h:1/path", "h:1", "http://:1", "http://h"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(errors.InvalidUse, match="an address is"):
        parse_node(url)


def test_an_address_that_is_given_twice_is_one_node() -> None:
    assert len(parse_nodes(["http://h:1", "http://h:1/", "http://h:2"])) == 2
