"""What a tick makes of what the node has found out about its clocks and its disk; when a follower applies."""

from __future__ import annotations

import asyncio

from raftdoc.ids import CATALOG_GROUP, Index, Term
from raftdoc.limits import APPLY_REST_MS, NS_PER_MS
from raftdoc.node.health import Verdict
from raftdoc.node.proposals import Batch
from raftdoc.node.reads import ReadWaiter
from raftdoc.node.replica import Replica
from raftdoc.raft import Rejection, RejectReason, Role
from raftdoc.raft.messages import Entry, EntryKind
from tests.raft.lone import N1, N2, W_MS, Lone

from .replicas import replica_of

WELL = Verdict(is_clock_suspect=False, is_wall_clock_skewed=False, stall_changed=None, full_changed=None)


def test_node_whose_wall_clock_is_wrong_does_not_campaign() -> None:
    node = Lone()
    replica = replica_of(node)
    node.now_ms += 3 * W_MS
    replica.tick(WELL._replace(is_wall_clock_skewed=True), node.now_ns)
    assert node.role is Role.FOLLOWER
    replica.tick(WELL, node.now_ns)
    assert node.role is Role.PRE_CANDIDATE


def test_leader_whose_wall_clock_is_wrong_hands_over() -> None:
    node = Lone().elect()
    node.beat_of(N2)
    replica_of(node).tick(WELL._replace(is_wall_clock_skewed=True), node.now_ns)
    assert node.propose() == Rejection(RejectReason.TRANSFERRING, N1)


def test_core_learns_that_the_disk_is_full() -> None:
    node = Lone().elect()
    replica_of(node).tick(WELL._replace(full_changed=True), node.now_ns)
    assert isinstance(node.propose(), Rejection)


def test_core_learns_that_there_is_space_again() -> None:
    node = Lone().elect()
    node.core.on_disk_full(True, node.now_ns)
    assert node.propose() == Rejection(RejectReason.DISK, N1)
    replica_of(node).tick(WELL._replace(full_changed=False), node.now_ns)
    assert not isinstance(node.propose(), Rejection)


def test_core_learns_that_the_disk_stalls() -> None:
    node = Lone().elect()
    replica_of(node).tick(WELL._replace(stall_changed=True), node.now_ns)
    assert node.propose() == Rejection(RejectReason.DISK_STALLED, N1)


def test_l4_core_learns_that_the_clocks_disagree() -> None:
    node = Lone().elect()
    node.beat_of(N2, sent_ns=node.now_ns)
    assert node.lease_valid
    replica_of(node).tick(WELL._replace(is_clock_suspect=True), node.now_ns)
    assert not node.lease_valid


NOOPS = tuple(Entry(Index(index), Term(1), EntryKind.NOOP, 0, b"") for index in (1, 2))


def rested(lone: Lone) -> Replica:
    """Return a replica that has just applied all it had, and has been given one more entry since."""
    replica = replica_of(lone)
    replica.to_apply.append(NOOPS[0])
    assert not replica.apply_until(0, lone.now_ns, lambda: lone.now_ns)
    replica.to_apply.append(NOOPS[1])
    return replica


def follower() -> Lone:
    lone = Lone()
    lone.append_from(N2, 1, NOOPS, commit=1)
    lone.persist()
    return lone


def test_follower_lets_entries_come_together_for_a_while() -> None:
    lone = follower()
    replica = rested(lone)
    assert not replica.has_to_apply(lone.now_ns)
    replica.look_ahead()
    assert replica.due_ns == lone.now_ns + APPLY_REST_MS * NS_PER_MS
    assert replica.has_to_apply(replica.due_ns)


def test_follower_applies_the_first_entry_after_a_rest_at_once() -> None:
    lone = follower()
    replica = replica_of(lone)
    assert not replica.has_to_apply(lone.now_ns)
    replica.to_apply.append(NOOPS[0])
    assert replica.has_to_apply(lone.now_ns)


def test_leader_applies_at_once() -> None:
    lone = follower()
    lone.time_out()
    replica = rested(lone)
    assert not replica.has_to_apply(lone.now_ns)
    lone.elect()
    assert replica.has_to_apply(lone.now_ns)


async def test_follower_applies_what_a_read_waits_for() -> None:
    lone = follower()
    replica = rested(lone)
    replica.reads.wait_applied(Index(2), ReadWaiter(asyncio.get_running_loop().create_future(), 0))
    assert replica.has_to_apply(lone.now_ns)


async def test_follower_applies_while_it_is_asking_where_a_read_may_begin() -> None:
    lone = follower()
    replica = rested(lone)
    replica.reads.ask(ReadWaiter(asyncio.get_running_loop().create_future(), 0))
    assert replica.has_to_apply(lone.now_ns)


def test_leader_that_was_applies_what_its_clients_wait_for() -> None:
    lone = follower()
    replica = rested(lone)
    replica.proposals.in_flight.append(Batch(Term(1), Index(2), [], 0, 0))
    assert replica.has_to_apply(lone.now_ns)


def test_catalog_is_applied_at_once() -> None:
    lone = follower()
    replica = rested(lone)
    replica.group = CATALOG_GROUP
    assert replica.has_to_apply(lone.now_ns)


def test_l4_a_clock_that_was_set_back_keeps_nothing_from_being_applied() -> None:
    lone = follower()
    replica = rested(lone)
    replica.tick(WELL._replace(is_clock_suspect=True), lone.now_ns - 5 * 10**9)
    assert replica.has_to_apply(lone.now_ns - 5 * 10**9)
