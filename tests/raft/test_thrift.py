"""A lone entry goes to the quickest quorum at once, to the others with what follows, at the next tick at the latest."""

from __future__ import annotations

from typing import Any

import pytest

from raftdoc.ids import BootId, NodeId
from raftdoc.raft.messages import AppendEntries, ReadIndexRequest, VoteRequest
from raftdoc.raft.thrift import HELD_ENTRIES_MAX, HELD_PAYLOAD_BYTES_MAX

from .lone import HEARTBEAT_MS, MS, N1, N2, N3, N4, N5, W_MS, Lone, entries

TICK_MS = 25


def leader(*quickest_first: NodeId, **changes: Any) -> Lone:
    """Return a leader to whom these peers have acknowledged one entry each, the later the slower, and a heartbeat."""
    node = Lone(voters=(N1, *sorted(quickest_first)), holds_lone_entries=True, **changes).elect()
    acknowledge_all(node, *quickest_first)
    node.tick(HEARTBEAT_MS)
    for peer in quickest_first:
        node.beat_of(peer, sent_ns=node.now_ns)
    node.sent.clear()
    return node


def acknowledge_all(node: Lone, *peers: NodeId) -> None:
    node.now_ms += 1
    node.propose()
    node.persist()
    sent_ns = node.now_ns
    for peer in peers:
        node.now_ms += 1
        node.ack_of(peer, node.core.last_index, sent_ns=sent_ns)
    assert node.core.commit_index == node.core.last_index
    node.sent.clear()


def got(node: Lone, peer: NodeId) -> list[int]:
    """Take out the indexes of the entries that were sent to a peer."""
    sent = [message for message in node.sent_to(peer) if isinstance(message, AppendEntries)]
    return [entry.index for message in sent for entry in message.entries]


def commit_lone(node: Lone, quick: NodeId) -> int:
    """Have a write acknowledged by the leader and one peer; return its index."""
    node.propose()
    node.persist()
    node.ack_of(quick, node.core.last_index, sent_ns=node.now_ns)
    assert node.core.commit_index == node.core.last_index
    return node.core.last_index


def chosen(node: Lone) -> NodeId:
    """Return which of two peers gets a lone entry after the next choice."""
    node.tick(HEARTBEAT_MS)
    node.sent.clear()
    node.propose()
    (peer,) = [peer for peer in (N2, N3) if got(node, peer)]
    return peer


def quick_after(node: Lone, *, slow: NodeId, quick: NodeId) -> NodeId:
    """Return who is chosen after twenty appends of which one peer was the slower one."""
    for _ in range(20):
        node.propose()
        node.propose()
        node.persist()
        sent_ns = node.now_ns
        for peer in (quick, slow):
            node.now_ms += 5
            node.ack_of(peer, node.core.last_index, sent_ns=sent_ns)
    return chosen(node)


@pytest.mark.parametrize("quick", [N2, N3])
def test_lone_entry_goes_to_the_quickest_peer_and_to_the_other_at_the_next_tick(quick: NodeId) -> None:
    other = N3 if quick == N2 else N2
    node = leader(quick, other)
    index = commit_lone(node, quick)
    assert (got(node, quick), got(node, other)) == ([index], [])
    assert node.core.due_ns() <= node.now_ns, "an idle group is not ticked"
    node.tick(TICK_MS)
    assert (got(node, quick), got(node, other)) == ([], [index])
    node.tick(TICK_MS)
    assert got(node, other) == [], "once"


def test_five_nodes_have_two_quick_peers() -> None:
    node = leader(N4, N2, N3, N5)
    node.propose()
    assert {peer: len(got(node, peer)) for peer in (N2, N3, N4, N5)} == {N2: 1, N3: 0, N4: 1, N5: 0}


def test_learner_waits_as_well() -> None:
    node = leader(N2, learners=(N3,))
    acknowledge_all(node, N2, N3)
    node.propose()
    assert (len(got(node, N2)), len(got(node, N3))) == (1, 0)


def test_nothing_is_held_back_unless_the_host_says_so() -> None:
    node = Lone().elect()
    acknowledge_all(node, N2, N3)
    node.tick(HEARTBEAT_MS)
    node.sent.clear()
    node.propose()
    assert (len(got(node, N2)), len(got(node, N3))) == (1, 1)


def test_entry_behind_one_that_is_not_committed_goes_to_all_with_what_they_lack() -> None:
    node = leader(N2, N3)
    node.propose()
    first = node.core.last_index
    assert (got(node, N2), got(node, N3)) == ([first], [])
    node.propose()
    assert (got(node, N2), got(node, N3)) == ([first + 1], [first, first + 1])


def test_nobody_waits_for_a_peer_that_has_not_acknowledged_what_it_was_sent() -> None:
    node = leader(N2, N3)
    node.propose()
    node.persist()
    node.tick(TICK_MS)
    node.ack_of(N3, node.core.last_index, sent_ns=node.now_ns)
    assert node.core.commit_index == node.core.last_index, "by the other one"
    node.sent.clear()
    node.propose()
    assert got(node, N3) == [node.core.last_index]


def test_peer_that_becomes_the_slower_one_is_waited_for_no_more() -> None:
    node = leader(N2, N3)
    assert quick_after(node, slow=N2, quick=N3) == N3


def test_clock_set_back_leaves_nobody_quick_for_good() -> None:
    node = leader(N2, N3)
    node.propose()
    node.propose()
    node.persist()
    index, sent_ns = node.core.last_index, node.now_ns
    node.now_ms -= 6000
    node.core.on_clock_suspect(node.now_ns)
    for peer in (N2, N3):
        node.ack_of(peer, index, sent_ns=sent_ns)
    assert quick_after(node, slow=N2, quick=N3) == N3


def test_peer_is_no_slower_for_how_long_its_acknowledgements_lie_here() -> None:
    """Those who are held back answer what nobody waits for: it is stepped with the next turn, up to a tick later."""
    node = leader(N2, N3)
    for _ in range(20):
        node.propose()
        node.propose()
        node.persist()
        index, sent_ns = node.core.last_index, node.now_ns
        node.now_ms += 10
        node.ack_of(N2, index, sent_ns=sent_ns)
        late = node.ack(index, sent_ns=sent_ns)
        assert node.core.note_late(N3, late, sent_ns + 5 * MS)
        node.now_ms += TICK_MS
        node.step(N3, late)
    assert chosen(node) == N3


def test_who_lacks_many_entries_gets_them() -> None:
    node = leader(N2, N3)
    first = node.core.last_index + 1
    for _ in range(HELD_ENTRIES_MAX):
        commit_lone(node, N2)
    assert got(node, N3) == []
    commit_lone(node, N2)
    assert got(node, N3) == list(range(first, first + HELD_ENTRIES_MAX + 1))


def test_large_entry_is_not_held_back() -> None:
    node = leader(N2, N3)
    node.propose(b"x" * (HELD_PAYLOAD_BYTES_MAX + 1))
    assert (len(got(node, N2)), len(got(node, N3))) == (1, 1)


@pytest.mark.parametrize("broken", [N2, N3])
def test_link_that_breaks_ends_the_waiting(broken: NodeId) -> None:
    node = leader(N2, N3)
    node.propose()
    node.sent_to(N2)
    node.core.on_unreachable(broken, node.now_ns)
    node.tick(TICK_MS)
    assert got(node, N3) == ([node.core.last_index] if broken == N2 else [])
    node.persist()
    node.ack_of(N3 if broken == N2 else N2, node.core.last_index, sent_ns=node.now_ns)
    node.propose()
    assert got(node, N3 if broken == N2 else N2) == [node.core.last_index]


def test_peer_that_asks_for_a_read_gets_what_it_lacks_beside_the_answer() -> None:
    node = leader(N2, N3)
    index = commit_lone(node, N2)
    node.step(N3, ReadIndexRequest(node.core.term, 5, BootId(7)))
    assert got(node, N3) == [index]


def test_what_a_held_back_peer_says_does_not_fetch_what_it_lacks() -> None:
    node = leader(N2, N3)
    before = node.core.last_index
    commit_lone(node, N2)
    node.ack_of(N3, before, sent_ns=node.now_ns)
    node.beat_of(N3, sent_ns=node.now_ns)
    assert got(node, N3) == []
    assert node.core.note_late(N3, node.ack(before, sent_ns=node.now_ns), node.now_ns), "no turn is begun for it either"


def test_stalled_disk_holds_back_until_it_works_again() -> None:
    node = leader(N2, N3)
    index = commit_lone(node, N2)
    node.core.on_disk_stalled(True, node.now_ns)
    node.tick(TICK_MS)
    assert got(node, N3) == []
    node.core.on_disk_stalled(False, node.now_ns)
    node.tick(TICK_MS)
    assert got(node, N3) == [index]


def test_change_of_members_ends_the_choice() -> None:
    node = leader(N2, N3)
    node.change((N1, N2, N3), (N4,))
    node.persist()
    node.sent.clear()
    node.propose()
    assert (len(got(node, N2)), len(got(node, N3))) == (1, 1)


def test_who_has_more_than_a_candidate_stands_in_its_place() -> None:
    """Its own timeout would come up to an election timeout later; with three nodes nobody else can win."""
    node = Lone(log=entries(1, 1, 1))
    node.append_from(N2, 1, prev=(2, 1))
    node.tick(W_MS - 1)
    node.ask_vote(N3, 2, last=(1, 1), pre=True)
    node.tick()
    assert not node.sent_of(VoteRequest), "the leader may be alive"
    node.tick(1)
    assert not node.sent_of(VoteRequest), "its own timeout is longer"
    node.ask_vote(N3, 2, last=(2, 1), pre=True)
    node.tick()
    assert not node.sent_of(VoteRequest), "the other may win"
    node.ask_vote(N3, 2, last=(1, 1), pre=True)
    node.tick()
    node.persist()
    assert [request.pre for request in node.sent_of(VoteRequest)] == [True, True]


def test_end_of_the_term_ends_what_was_held_back() -> None:
    node = leader(N2, N3)
    commit_lone(node, N2)
    node.append_from(N3, node.core.term + 1)
    node.tick(TICK_MS)
    assert got(node, N3) == []
