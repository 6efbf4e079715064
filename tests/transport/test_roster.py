"""One life of a node at a time."""

from __future__ import annotations

from raftdoc.ids import BootId, NodeId, StoreId
from raftdoc.transport.roster import EARLIER_LIVES_MAX, Roster
from raftdoc.transport.transport import Peer

N2 = NodeId("n2")


def life(boot: int, store: str = "s") -> Peer:
    return Peer(N2, StoreId(store), BootId(boot))


def test_a_node_is_unknown_until_it_shows_itself() -> None:
    roster = Roster()
    assert roster.boot_id(N2) is None
    assert roster.check(life(1), is_linked=False) is None
    assert not roster.learn(life(1))
    assert roster.boot_id(N2) == 1


def test_both_lanes_of_one_life_are_let_in() -> None:
    roster = Roster()
    roster.learn(life(1))
    assert roster.check(life(1), is_linked=True) is None
    assert not roster.learn(life(1))


def test_a_node_that_starts_again_takes_the_place_of_its_earlier_life() -> None:
    roster = Roster()
    roster.learn(life(1))
    assert roster.check(life(2), is_linked=True) is None
    assert roster.learn(life(2))
    assert roster.boot_id(N2) == 2


def test_an_earlier_life_that_comes_back_is_refused() -> None:
    roster = Roster()
    roster.learn(life(1))
    roster.learn(life(2))
    refusal = roster.check(life(1), is_linked=False)
    assert refusal is not None
    assert refusal.code == "duplicate_node"
    assert "another process has started as node n2" in refusal.detail


def test_another_data_directory_is_refused_while_the_first_is_linked() -> None:
    roster = Roster()
    roster.learn(life(1, "first"))
    refusal = roster.check(life(2, "second"), is_linked=True)
    assert refusal is not None
    assert refusal.code == "duplicate_node"
    assert "store first" in refusal.detail
    assert "this one is second" in refusal.detail
    assert roster.check(life(2, "second"), is_linked=False) is None


def test_the_memory_of_earlier_lives_is_bounded() -> None:
    roster = Roster()
    for boot in range(EARLIER_LIVES_MAX + 2):
        roster.learn(life(boot))
    assert roster.check(life(0), is_linked=False) is None
    assert roster.check(life(1), is_linked=False) is not None
