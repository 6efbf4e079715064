"""What a tick makes of what the node has found out about its clocks and its disk."""

from __future__ import annotations

from raftdoc.node.health import Verdict
from raftdoc.raft import Rejection, RejectReason, Role
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
