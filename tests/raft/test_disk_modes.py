"""A full disk: no proposals, no entries; leadership goes elsewhere where it can; votes are still given."""

from __future__ import annotations

from raftdoc.raft import RejectReason, Role
from raftdoc.raft.messages import AppendResponse, HeartbeatResponse, TimeoutNow, VoteResponse

from .lone import HEARTBEAT_MS, N1, N2, W_MS, Lone, entries


def full(node: Lone, *, is_full: bool = True) -> Lone:
    node.core.on_disk_full(is_full, node.now_ns)
    node.tick()
    return node


def test_full_leader_refuses_proposals_and_hands_over() -> None:
    node = full(Lone().elect())
    assert node.propose().reason in {RejectReason.DISK, RejectReason.TRANSFERRING}
    assert len(node.sent_of(TimeoutNow)) == 1


def test_leader_elected_just_before_its_disk_was_found_full_hands_over_too() -> None:
    node = Lone()
    node.time_out()
    node.vote_of(N2, pre=True)
    full(node)
    node.vote_of(N2)
    node.persist()
    assert node.is_leader
    node.persist()
    node.ack_of(N2, 1)
    node.tick(HEARTBEAT_MS)
    assert len(node.sent_of(TimeoutNow)) == 1


def test_full_single_voter_stays_leader_and_only_refuses() -> None:
    node = Lone(voters=(N1,)).elect(with_own=False)
    node.persist()
    full(node)
    assert node.propose().reason is RejectReason.DISK
    assert node.is_leader
    assert node.lease_valid
    full(node, is_full=False)
    assert isinstance(node.propose()[1], int)


def test_full_follower_takes_no_entries_and_says_nothing_that_asks_for_more() -> None:
    node = full(Lone())
    node.append_from(N2, 1, entries(1, 1))
    node.persist()
    assert node.core.last_index == 0
    assert node.sent_of(AppendResponse) == []
    assert node.sent_of(HeartbeatResponse) == []


def test_full_follower_still_answers_heartbeats_and_votes() -> None:
    node = full(Lone())
    node.append_from(N2, 1)
    node.persist()
    assert len(node.sent_of(HeartbeatResponse)) == 1
    node.now_ms += W_MS
    node.ask_vote(N2, 2)
    node.persist()
    assert [response.granted for response in node.sent_of(VoteResponse)] == [True]


def test_full_follower_takes_no_ops_so_that_there_can_be_a_leader_to_read_from() -> None:
    node = full(Lone())
    node.append_from(N2, 1, (entries(1, 1)[0]._replace(payload=b""),))
    node.persist()
    assert [response.match_index for response in node.sent_of(AppendResponse)] == [1]


def test_full_node_leads_where_nobody_else_can_and_hands_over_only_once() -> None:
    node = full(Lone())
    node.elect()
    assert node.is_leader
    node.ack_of(N2, 1)
    node.tick(HEARTBEAT_MS)
    assert len(node.sent_of(TimeoutNow)) == 1
    node.tick(W_MS)
    assert node.role is Role.FOLLOWER
    node.elect()
    node.ack_of(N2, 2)
    node.tick(HEARTBEAT_MS)
    assert node.sent_of(TimeoutNow) == []
    assert node.propose().reason is RejectReason.DISK


def test_node_recovers_by_itself_when_space_returns() -> None:
    node = full(Lone())
    node.append_from(N2, 1, entries(1, 1))
    full(node, is_full=False)
    node.append_from(N2, 1, entries(1, 1))
    node.persist()
    assert node.core.durable_index == 1
