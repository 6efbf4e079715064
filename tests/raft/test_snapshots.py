"""Snapshots: who gets one, who takes one, and what becomes of the log. Sections are the dissertation's."""

from __future__ import annotations

import pytest

from raftdoc.ids import Incarnation, Index
from raftdoc.raft import Configuration, SnapshotVerdict
from raftdoc.raft.messages import AppendEntries, AppendResponse, VoteRequest, VoteResponse

from .lone import HEARTBEAT_MS, N1, N2, N3, N4, W_MS, Lone, entries

THREE = Configuration((N1, N2, N3))
FOUR = Configuration((N1, N2, N3), learners=(N4,))


def entries_to_n3(node: Lone) -> list[tuple[int, int]]:
    """Return (first, last) index of each append with entries that went to n3 since the last look."""
    sent = [message for message in node.sent_to(N3) if isinstance(message, AppendEntries) and message.entries]
    return [(message.entries[0].index, message.entries[-1].index) for message in sent]


# The leader -----------------------------------------------------------------------------------------


def compacted_leader(*, match: int = 0) -> Lone:
    """Return a leader whose log of five entries is all compacted; n3 has acknowledged no more than match."""
    node = Lone().elect(with_own=False)
    node.persist()
    for index in range(1, match + 1):
        node.ack_of(N3, index)
    while node.core.last_index < 5:
        node.propose()
    node.persist()
    node.ack_of(N2, 5)
    node.compact(5)
    node.core.on_unreachable(N3, node.now_ns)
    node.sent.clear()
    return node


def streaming_leader() -> Lone:
    """Return such a leader after it asked for a stream to n3."""
    node = compacted_leader()
    node.beat_of(N3)
    assert node.snapshots == [N3]
    node.sent.clear()
    return node


def test_peer_that_lacks_compacted_entries_gets_a_snapshot_and_no_more_entries() -> None:
    node = streaming_leader()
    node.propose()
    for _ in range(10):
        node.tick(HEARTBEAT_MS)
        node.beat_of(N2)
        node.beat_of(N3, sent_ns=node.now_ns)
    assert node.snapshots == [N3]
    assert entries_to_n3(node) == []


def test_heartbeats_go_on_while_a_snapshot_is_streamed() -> None:
    node = streaming_leader()
    node.tick(HEARTBEAT_MS)
    beats = [message for message in node.sent_to(N3) if isinstance(message, AppendEntries)]
    assert [(beat.prev_index, beat.commit_index) for beat in beats] == [(0, 0)]


def test_fully_compacted_leader_and_an_empty_follower() -> None:
    """Openraft issue 1828: the probe after the last entry is refused, and nothing below it is left to probe with."""
    node = Lone(log=entries(1, 1, 1, 1))
    node.compact_all()
    node.elect(with_own=False)
    node.refusal_of(N3, 3, (0, 0))
    assert node.snapshots == [N3]
    node.ack_of(N3, 3)
    assert entries_to_n3(node) == [(4, 4)]


def test_snapshot_ends_with_the_peers_own_acknowledgement() -> None:
    node = streaming_leader()
    node.propose()
    node.ack_of(N3, 5)
    assert entries_to_n3(node) == [(6, 6)]


def test_acknowledgement_of_what_came_before_does_not_end_the_snapshot() -> None:
    node = streaming_leader()
    node.propose()
    node.ack_of(N3, 1)
    assert entries_to_n3(node) == []
    assert node.snapshots == [N3]


def test_stream_that_ended_well_is_followed_by_a_probe_after_the_next_heartbeat() -> None:
    node = streaming_leader()
    node.propose()
    node.status_of(N3, ok=True)
    node.beat_of(N3, sent_ns=node.now_ns)
    assert entries_to_n3(node) == []
    node.tick(HEARTBEAT_MS)
    node.beat_of(N3, sent_ns=node.now_ns)
    assert entries_to_n3(node) == [(6, 6)]
    assert node.snapshots == [N3]


def test_stream_that_failed_is_tried_again_after_a_heartbeat() -> None:
    node = streaming_leader()
    node.status_of(N3, ok=False)
    node.beat_of(N3, sent_ns=node.now_ns)
    assert node.snapshots == [N3]
    node.tick(HEARTBEAT_MS)
    node.beat_of(N3, sent_ns=node.now_ns)
    assert node.snapshots == [N3, N3]


def test_stream_to_a_peer_that_answers_no_heartbeat_is_not_tried_again() -> None:
    node = streaming_leader()
    node.status_of(N3, ok=False)
    for _ in range(20):
        node.tick(HEARTBEAT_MS)
        node.beat_of(N2)
        node.propose()
    assert node.snapshots == [N3]


def test_status_of_a_stream_that_nobody_waits_for_changes_nothing() -> None:
    node = streaming_leader()
    node.ack_of(N3, 5)
    for ok in (True, False):
        node.status_of(N3, ok=ok)
        node.status_of(N4, ok=ok)
    node.propose()
    assert entries_to_n3(node) == [(6, 6)]


def test_link_that_breaks_says_nothing_of_a_stream() -> None:
    node = streaming_leader()
    node.core.on_unreachable(N3, node.now_ns)
    node.beat_of(N3, sent_ns=node.now_ns)
    assert node.snapshots == [N3]


def test_follower_that_falls_behind_the_compacted_log_falls_to_a_snapshot() -> None:
    node = compacted_leader(match=1)
    node.propose()
    assert node.snapshots == [N3]


def test_leader_that_steps_down_asks_for_no_snapshot() -> None:
    node = compacted_leader()
    node.core.step(N3, node.beat(), node.now_ns)
    node.core.step(N2, node.beat(term=9), node.now_ns)
    node.take()
    assert node.snapshots == []


# The receiver ---------------------------------------------------------------------------------------


def follower(*terms: int, commit: int = 0) -> Lone:
    """Return a follower of n2 in the highest of these terms, with a durable log of them."""
    node = Lone(log=entries(1, *terms))
    node.append_from(N2, max(terms), prev=(len(terms), terms[-1]), commit=commit)
    node.persist()
    node.sent.clear()
    return node


def matches(node: Lone) -> list[int]:
    return [response.match_index for response in node.sent_of(AppendResponse)]


def test_snapshot_at_or_below_commit_is_old_and_the_leader_is_told_how_far_this_node_is() -> None:
    for index in (1, 2):
        node = follower(1, 1, 1, commit=2)
        assert node.offer(N2, 1, (index, 1)) is SnapshotVerdict.OLD
        assert matches(node) == [2]
        node.compact(2)
        assert not node.install(1, (index, 1), THREE)
        assert node.core.last_index == 3


def test_snapshot_whose_last_entry_is_in_the_log_only_commits_and_keeps_the_suffix() -> None:
    node = follower(1, 1, 1)
    assert node.offer(N2, 1, (2, 1)) is SnapshotVerdict.KEEP
    assert matches(node) == [2]
    assert (node.core.commit_index, node.core.last_index) == (2, 3)
    assert [entry.index for entry in node.applied] == [1, 2]


def test_complete_snapshot_whose_last_entry_came_by_the_log_meanwhile_is_not_installed() -> None:
    node = follower(1, 1, 1)
    assert node.offer(N2, 1, (5, 1)) is SnapshotVerdict.ACCEPT
    node.append_from(N2, 1, entries(4, 1, 1, 1), prev=(3, 1))
    assert not node.install(1, (5, 1), THREE)
    assert (node.core.commit_index, node.core.last_index) == (5, 6)


def test_offer_of_an_older_term_is_refused() -> None:
    node = follower(2)
    assert node.offer(N3, 1, (9, 1)) is SnapshotVerdict.REFUSED
    assert node.core.leader == N2


def test_offer_to_a_full_disk_is_refused() -> None:
    node = follower(1)
    node.core.on_disk_full(True, node.now_ns)
    assert node.offer(N2, 1, (9, 1)) is SnapshotVerdict.REFUSED


def test_offer_counts_as_hearing_the_leader() -> None:
    node = Lone()
    assert node.offer(N2, 3, (9, 3)) is SnapshotVerdict.ACCEPT
    assert (node.core.term, node.core.leader) == (3, N2)
    node.ask_vote(N3, 4, last=(9, 3))
    node.persist()
    assert [response.granted for response in node.sent_of(VoteResponse)] == [False]


def test_5_3_log_begins_anew_after_an_installed_snapshot() -> None:
    node = follower(1, 1)
    assert node.offer(N2, 2, (7, 2)) is SnapshotVerdict.ACCEPT
    assert node.install(2, (7, 2), THREE)
    node.persist()
    assert [meta.index for meta in node.installed] == [7]
    assert (node.core.applied_index, node.core.durable_index, node.core.last_index) == (7, 7, 7)
    assert (node.disk.compacted_index, node.disk.entries, node.disk.incarnation) == (7, [], Incarnation(2))
    node.append_from(N2, 2, entries(8, 2), prev=(7, 2), commit=8)
    node.persist()
    assert [entry.index for entry in node.applied] == [8]


def test_p1_install_is_acknowledged_only_after_its_record_is_durable() -> None:
    node = follower(1)
    node.offer(N2, 1, (7, 1))
    node.install(1, (7, 1), THREE)
    assert matches(node) == []
    assert node.installed == []
    node.persist()
    assert matches(node) == [7]


def test_install_is_acknowledged_to_the_life_of_the_leader_that_offered_it() -> None:
    node = follower(1)
    node.offer(N2, 1, (7, 1))
    node.install(1, (7, 1), THREE)
    node.persist()
    assert [response.boot_id for response in node.sent_of(AppendResponse)] == [7]


def test_install_under_another_leader_is_acknowledged_to_nobody() -> None:
    node = follower(1)
    node.offer(N2, 1, (7, 1))
    node.append_from(N3, 2)
    assert node.install(1, (7, 1), THREE)
    node.persist()
    assert matches(node) == []
    assert node.core.durable_index == 7


def test_nothing_is_handed_out_to_be_applied_until_the_switch_is_durable() -> None:
    node = follower(1, 1, 1)
    node.offer(N2, 1, (7, 1))
    node.install(1, (7, 1), THREE)
    node.append_from(N2, 1, entries(8, 1), prev=(7, 1), commit=8)
    assert node.applied == []
    node.persist()
    assert [entry.index for entry in node.applied] == [8]


def test_what_was_handed_out_before_may_still_be_applied_until_the_switch() -> None:
    node = Lone(log=entries(1, 1, 1, 1))
    node.core.step(N2, node.heartbeat(1, prev=(3, 1), commit=3), node.now_ns)
    handed = node.core.ready().entries
    assert [entry.index for entry in handed] == [1, 2, 3]
    node.offer(N2, 1, (7, 1))
    node.install(1, (7, 1), THREE)
    node.core.on_applied(Index(2), node.now_ns)
    node.persist()
    assert node.core.applied_index == 7


def test_campaign_is_blocked_by_a_pending_snapshot() -> None:
    node = follower(1)
    node.offer(N2, 1, (7, 1))
    node.install(1, (7, 1), THREE)
    node.tick(2 * W_MS)
    node.core.campaign(node.now_ns)
    assert node.sent_of(VoteRequest) == []
    node.persist()
    node.time_out()
    assert [request.last_index for request in node.sent_of(VoteRequest)] == [7, 7]


def test_conflicting_suffix_goes_with_the_log_that_a_snapshot_replaces() -> None:
    """On disk, too: the entries beyond the snapshot's last are of a term that lost."""
    node = follower(1, 1, 1, 1, 1, 1, 1, 1, commit=2)
    node.offer(N2, 3, (5, 3))
    assert node.install(3, (5, 3), THREE)
    assert node.truncated_from == [3]
    node.persist()
    assert (node.disk.compacted_index, node.disk.entries) == (5, [])
    assert (node.core.last_index, node.core.log.last_term) == (5, 3)


def test_completion_of_an_earlier_task_does_not_vouch_for_the_log_after_the_snapshot() -> None:
    node = follower(1, 1, commit=1)
    node.append_from(N2, 1, entries(3, 1, 1, 1), prev=(2, 1))
    node.offer(N2, 1, (9, 1))
    node.install(1, (9, 1), THREE)
    node.persist(1)
    assert node.core.durable_index == 1
    node.persist()
    assert node.core.durable_index == 9


def test_install_whose_term_is_over_before_its_record_is_durable_counts_all_the_same() -> None:
    node = follower(1)
    node.offer(N2, 1, (7, 1))
    node.install(1, (7, 1), THREE)
    node.append_from(N3, 5)
    node.persist(1)
    assert [meta.index for meta in node.installed] == [7]
    assert node.core.durable_index == 7


def test_second_install_waits_for_the_first() -> None:
    node = follower(1)
    assert node.install(1, (7, 1), THREE)
    assert not node.install(1, (9, 1), THREE)
    node.persist()
    assert node.install(1, (9, 1), THREE)


def test_install_brings_the_term_of_its_leader() -> None:
    """Otherwise this node could lead a term that is older than its last entry."""
    node = follower(1)
    assert node.install(9, (7, 8), THREE)
    node.persist()
    assert (node.core.term, node.disk.hard_state.term) == (9, 9)


def test_leader_installs_nothing() -> None:
    node = Lone().elect()
    assert not node.install(1, (7, 1), THREE)


def test_candidate_that_installs_a_snapshot_gives_up_its_campaign() -> None:
    node = Lone()
    node.time_out()
    node.vote_of(N2, pre=True)
    assert node.install(1, (7, 1), THREE)
    node.persist()
    node.vote_of(N2)
    assert not node.is_leader


def test_snapshot_brings_the_configuration_at_its_index() -> None:
    node = follower(1)
    node.install(1, (7, 1), FOUR)
    assert node.core.configuration == FOUR
    assert node.memberships[-1] == (FOUR, 7, True)
    node.persist()
    node.restart(applied_index=7)
    assert node.core.configuration == FOUR


def test_snapshot_brings_the_log_time_at_its_index() -> None:
    node = follower(1)
    node.install(1, (7, 1), THREE, time_ms=5_000)
    node.persist()
    node.elect(with_own=False)
    node.persist()
    assert [entry.time_ms for entry in node.disk.entries] == [5_000]


@pytest.mark.parametrize("kept", [0, 1, 2, 3])
def test_crash_at_every_step_of_an_install_leaves_the_old_state_or_the_new(kept: int) -> None:
    """Three tasks are under way: entries, the switch, and entries after it; the first `kept` survive."""
    node = follower(1, 1, commit=2)
    node.append_from(N2, 1, entries(3, 1), prev=(2, 1))
    node.install(1, (7, 1), FOUR)
    node.append_from(N2, 1, entries(8, 1), prev=(7, 1), commit=8)
    assert len(node.disk.pending) == 3
    node.restart(kept, applied_index=7 if kept > 1 else 2)
    expected = [(2, THREE, 1), (3, THREE, 1), (7, FOUR, 2), (8, FOUR, 2)][kept]
    assert (node.core.last_index, node.core.configuration, node.disk.incarnation) == expected
    node.append_from(N2, 1, prev=(node.core.last_index, 1), commit=node.core.last_index)
    assert node.core.commit_index == node.core.last_index


def test_snapshot_after_a_truncation_that_the_disk_has_not_seen() -> None:
    node = follower(1, 1, 1, 1, commit=1)
    node.core.step(N3, node.heartbeat(2, new=entries(3, 2), prev=(2, 1)), node.now_ns)
    assert node.install(2, (9, 2), THREE)
    node.persist()
    assert (node.disk.last_index, node.core.durable_index) == (9, 9)
