"""Snapshots: who gets one, who takes one, and what becomes of the log. Sections are the dissertation's."""

from __future__ import annotations

from raftdoc.ids import Index
from raftdoc.raft import Configuration, SnapshotVerdict
from raftdoc.raft.messages import AppendEntries, AppendResponse

from .lone import HEARTBEAT_MS, N1, N2, N3, Lone, entries

THREE = Configuration((N1, N2, N3))


def compacted_leader() -> Lone:
    """Return a leader whose log is all compacted; n3 lacks entries of it."""
    node = Lone().elect()
    for _ in range(4):
        node.propose()
    node.persist()
    node.ack_of(N2, 5)
    node.compact(5)
    node.core.on_unreachable(N3, node.now_ns)
    node.sent.clear()
    return node


def test_peer_that_lacks_compacted_entries_gets_a_snapshot_once() -> None:
    node = compacted_leader()
    node.beat_of(N3)
    node.propose()
    node.tick(HEARTBEAT_MS)
    node.beat_of(N3, sent_ns=node.now_ns)
    assert node.snapshots == [N3]
    assert all(not message.entries for message in node.sent_to(N3) if isinstance(message, AppendEntries))


def test_snapshot_ends_with_the_peers_own_acknowledgement() -> None:
    node = compacted_leader()
    node.beat_of(N3)
    node.propose()
    node.ack_of(N3, 5)
    assert [message.prev_index for message in node.sent_of(AppendEntries) if message.entries][-1] == 5


def test_5_3_log_begins_anew_after_an_installed_snapshot() -> None:
    node = Lone()
    node.append_from(N2, 1, entries(1, 1, 1))
    node.persist()
    assert node.offer(N2, 2, (7, 2)) is SnapshotVerdict.ACCEPT
    assert node.install(2, (7, 2), THREE)
    assert node.installed == []
    node.persist()
    assert [meta.index for meta in node.installed] == [7]
    assert [response.match_index for response in node.sent_of(AppendResponse)][-1] == 7
    assert (node.core.applied_index, node.core.durable_index, node.core.last_index) == (7, 7, 7)
    node.append_from(N2, 2, entries(8, 2), prev=(7, 2), commit=8)
    node.persist()
    assert [entry.index for entry in node.applied] == [8]


def test_snapshot_at_or_below_commit_is_refused() -> None:
    node = Lone()
    node.append_from(N2, 1, entries(1, 1, 1), commit=2)
    node.persist()
    node.sent.clear()
    assert node.offer(N2, 1, (2, 1)) is SnapshotVerdict.OLD
    assert not node.install(1, (2, 1), THREE)


def test_snapshot_whose_last_entry_is_in_the_log_only_commits_and_keeps_the_suffix() -> None:
    node = Lone()
    node.append_from(N2, 1, entries(1, 1, 1, 1))
    node.persist()
    node.sent.clear()
    assert node.offer(N2, 1, (2, 1)) is SnapshotVerdict.KEEP
    assert (node.core.commit_index, node.core.last_index) == (2, Index(3))
    assert [response.match_index for response in node.sent_of(AppendResponse)] == [2]
