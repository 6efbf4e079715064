"""Replication and commit: dissertation 3.5, 3.6.2, 10.2.1, figures 3.6 and 3.7."""

from __future__ import annotations

import pytest

from raftdoc.ids import BootId, Index, Term
from raftdoc.raft import Rejection, RejectReason
from raftdoc.raft.messages import AppendEntries, AppendResponse, HeartbeatResponse

from .lone import HEARTBEAT_MS, N1, N2, N3, N4, N5, W_MS, Lone, entries, entry


def appends(node: Lone, peer: str) -> list[tuple[int, int]]:
    """Take out the appends with entries that left for a peer, as (prev_index, number of entries)."""
    found = [message for to, message in node.sent if to == peer and isinstance(message, AppendEntries)]
    node.sent = [(to, message) for to, message in node.sent if to != peer]
    return [(message.prev_index, len(message.entries)) for message in found if message.entries]


def terms(node: Lone) -> list[int]:
    return [node.core.log.term_at(Index(index)) for index in range(1, node.core.last_index + 1)]


# 3.5 The follower -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prev", "expected"), [((0, 0), True), ((2, 1), True), ((3, 2), True), ((3, 1), False), ((4, 2), False)]
)
def test_3_5_append_is_taken_only_where_the_entry_before_it_agrees(prev: tuple[int, int], *, expected: bool) -> None:
    node = Lone(log=entries(1, 1, 1, 2))
    node.append_from(N2, 3, entries(prev[0] + 1, 3), prev=prev)
    node.persist()
    assert [response.success for response in node.sent_of(AppendResponse)] == [expected]


FIGURE_3_6 = {
    "a": (1, 1, 1, 4, 4, 5, 5, 6, 6),
    "b": (1, 1, 1, 4),
    "c": (1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6),
    "d": (1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7),
    "e": (1, 1, 1, 4, 4, 4, 4),
    "f": (1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3),
}
LEADER_3_6 = (1, 1, 1, 4, 4, 5, 5, 6, 6, 6)


@pytest.mark.parametrize("case", sorted(FIGURE_3_6))
def test_figure_3_6_every_follower_ends_with_the_leaders_log(case: str) -> None:
    leader = Lone(log=entries(1, *LEADER_3_6), voters=(N1, N2, N3)).elect(with_own=False)
    leader.sent.clear()
    follower = Lone(log=entries(1, *FIGURE_3_6[case]))
    follower.boot_id = leader.boot_id
    leader.core.on_unreachable(N2, leader.now_ns)
    leader.beat_of(N2)
    rounds = 0
    while appended := [message for message in leader.sent_to(N2) if isinstance(message, AppendEntries)]:
        rounds += 1
        for message in appended:
            follower.step(N1, message)
        follower.persist()
        for response in follower.sent_of(AppendResponse):
            leader.step(N2, response)
    assert terms(follower)[: len(LEADER_3_6)] == list(LEADER_3_6)
    assert follower.core.log.last_term == leader.core.term
    # Whole terms are skipped: never more probes than terms that differ.
    assert rounds <= 4


def test_long_divergent_tail_is_skipped_by_terms_not_by_entries() -> None:
    leader = Lone(log=entries(1, *([1] * 5), *([6] * 1000))).elect(with_own=False)
    follower = Lone(log=entries(1, *([1] * 5), *([2] * 400), *([3] * 400)))
    leader.core.on_unreachable(N2, leader.now_ns)
    leader.sent.clear()
    leader.beat_of(N2)
    rounds = 0
    while messages := [message for message in leader.sent_to(N2) if isinstance(message, AppendEntries)]:
        rounds += 1
        for message in messages:
            follower.step(N1, message._replace(boot_id=BootId(1)))
        follower.persist()
        for response in follower.sent_of(AppendResponse):
            leader.step(N2, response)
    assert terms(follower) == terms(leader)
    assert rounds <= 4


def test_conflict_truncates_and_tells_from_where() -> None:
    node = Lone(log=entries(1, 1, 1, 1))
    node.append_from(N2, 2, entries(2, 2), prev=(1, 1))
    assert terms(node) == [1, 2]
    assert node.truncated_from == [2]


def test_entries_that_match_are_never_truncated() -> None:
    """A late append with fewer entries: what follows may be acknowledged already."""
    node = Lone()
    node.append_from(N2, 1, entries(1, 1, 1, 1))
    node.append_from(N2, 1, entries(1, 1))
    node.append_from(N2, 1, entries(2, 1), prev=(1, 1))
    assert node.core.last_index == 3
    assert node.truncated_from == []


def test_partly_known_append_adds_only_the_rest() -> None:
    node = Lone()
    node.append_from(N2, 1, entries(1, 1, 1))
    node.append_from(N2, 1, entries(2, 1, 1, 1), prev=(1, 1))
    node.persist()
    assert terms(node) == [1, 1, 1, 1]
    assert [response.match_index for response in node.sent_of(AppendResponse)] == [2, 4]


def test_reordered_appends_end_in_one_log() -> None:
    node = Lone()
    node.append_from(N2, 1, entries(3, 1), prev=(2, 1))
    node.append_from(N2, 1, entries(1, 1, 1))
    node.append_from(N2, 1, entries(3, 1), prev=(2, 1))
    node.persist()
    assert terms(node) == [1, 1, 1]
    assert [(response.success, response.match_index) for response in node.sent_of(AppendResponse)] == [
        (False, 0),
        (True, 2),
        (True, 3),
    ]


def test_append_of_an_older_term_is_refused_and_changes_nothing() -> None:
    node = Lone(log=entries(1, 3))
    node.append_from(N2, 2, entries(1, 2))
    assert terms(node) == [3]
    assert [(response.success, response.term) for response in node.sent_of(AppendResponse)] == [(False, 3)]


def test_append_before_what_is_committed_is_acknowledged_without_a_look_at_it() -> None:
    node = Lone()
    node.append_from(N2, 1, entries(1, 1, 1, 1), commit=3)
    node.persist()
    node.core.compact(Index(3))
    node.sent.clear()
    node.append_from(N2, 1, entries(2, 1), prev=(1, 1))
    node.append_from(N2, 1, entries(2, 1, 1, 1), prev=(1, 1))
    node.persist()
    assert [response.match_index for response in node.sent_of(AppendResponse)] == [2, 4]


def test_conflict_at_a_committed_index_stops_the_node() -> None:
    node = Lone()
    node.append_from(N2, 1, entries(1, 1, 1), commit=2)
    with pytest.raises(AssertionError):
        node.core._state.truncate(Index(2))


def test_append_is_taken_from_a_leader_outside_the_own_configuration() -> None:
    node = Lone()
    node.append_from(N5, 1, entries(1, 1))
    assert node.core.leader == N5


# Commit on a follower -------------------------------------------------------------------------------


def test_heartbeat_commits_only_up_to_the_index_it_shows_to_agree() -> None:
    node = Lone(log=entries(1, 1, 1, 1))
    node.append_from(N2, 2, prev=(1, 1), commit=3)
    assert node.core.commit_index == 1


def test_heartbeat_that_does_not_agree_commits_nothing() -> None:
    node = Lone(log=entries(1, 1, 1, 1))
    node.append_from(N2, 3, prev=(2, 2), commit=2)
    assert node.core.commit_index == 0


def test_append_commits_only_up_to_its_last_entry() -> None:
    node = Lone(log=entries(1, 1, 1, 1))
    node.append_from(N2, 1, entries(2, 1), prev=(1, 1), commit=3)
    assert node.core.commit_index == 2


def test_commit_index_never_goes_back() -> None:
    node = Lone()
    node.append_from(N2, 1, entries(1, 1, 1), commit=2)
    node.append_from(N2, 1, prev=(2, 1), commit=1)
    assert node.core.commit_index == 2


def test_commit_beyond_the_follower_is_caught_up_by_heartbeats() -> None:
    node = Lone()
    node.append_from(N2, 1, entries(1, 1, 1), commit=0)
    node.append_from(N2, 1, prev=(2, 1), commit=2)
    node.persist()
    assert [applied.index for applied in node.applied] == [1, 2]


# 3.6.2 Commit on the leader -------------------------------------------------------------------------


def test_3_6_2_entry_of_an_older_term_is_never_committed_by_counting() -> None:
    node = Lone(log=entries(1, 1, 2)).elect(with_own=False)
    node.persist()
    node.ack_of(N2, 2)
    node.ack_of(N3, 2)
    assert node.core.commit_index == 0


def test_3_6_2_entries_before_commit_with_the_first_of_the_own_term() -> None:
    node = Lone(log=entries(1, 1, 2)).elect(with_own=False)
    node.persist()
    node.ack_of(N2, 3)
    assert node.core.commit_index == 3
    assert [applied.index for applied in node.applied] == [1, 2, 3]


def test_3_6_2_majority_of_five() -> None:
    node = Lone(voters=(N1, N2, N3, N4, N5)).elect()
    _, index = node.propose()
    node.persist()
    node.ack_of(N2, index)
    assert node.core.commit_index == index - 1
    node.ack_of(N3, index)
    assert node.core.commit_index == index


def test_3_6_2_majority_of_four_is_three() -> None:
    node = Lone(voters=(N1, N2, N3, N4)).elect(with_own=False)
    node.persist()
    node.ack_of(N2, 1)
    assert node.core.commit_index == 0
    node.ack_of(N3, 1)
    assert node.core.commit_index == 1


def test_learner_gets_the_log_and_does_not_count() -> None:
    node = Lone(learners=(N4,)).elect()
    _, index = node.propose()
    assert appends(node, N4) == []
    node.core.on_unreachable(N4, node.now_ns)
    node.ack_of(N4, 1)
    assert appends(node, N4) == [(1, 1)]
    node.ack_of(N4, index)
    node.persist()
    assert node.core.commit_index == index - 1


def test_acknowledgement_to_an_earlier_life_does_not_count() -> None:
    node = Lone().elect()
    _, index = node.propose()
    node.persist()
    node.ack_of(N2, index, boot_id=99)
    assert node.core.commit_index == index - 1


# 10.2.1 Pipelining ----------------------------------------------------------------------------------


def test_10_2_1_entries_are_streamed_without_waiting() -> None:
    node = Lone().elect()
    for _ in range(3):
        node.propose()
    assert appends(node, N2) == [(1, 1), (2, 1), (3, 1)]


def test_unknown_peer_is_probed_with_one_message_at_a_time() -> None:
    node = Lone().elect(with_own=False)
    node.propose()
    node.propose()
    assert appends(node, N2) == []
    node.ack_of(N2, 1)
    assert appends(node, N2) == [(1, 2)]


def test_window_is_full_in_messages() -> None:
    node = Lone(inflight_messages_max=2).elect()
    for _ in range(4):
        node.propose()
    assert appends(node, N2) == [(1, 1), (2, 1)]
    node.ack_of(N2, 2)
    assert appends(node, N2) == [(3, 2)]


def test_window_is_full_in_bytes() -> None:
    node = Lone(inflight_bytes_max=100).elect()
    for _ in range(4):
        node.propose(b"x" * 60)
    assert appends(node, N2) == [(1, 1), (2, 1)]
    node.ack_of(N2, 3)
    assert appends(node, N2) == [(3, 2)]


def test_append_is_cut_at_its_bound_of_bytes_but_carries_at_least_one_entry() -> None:
    node = Lone(log=tuple(entry(index, 1, b"x" * 50) for index in range(1, 6)), append_bytes_max=120).elect(
        with_own=False
    )
    node.refusal_of(N2, 5, (0, 0))
    assert appends(node, N2) == [(0, 2)]
    node.ack_of(N2, 2)
    # What is on disk and what is in memory travels apart.
    assert appends(node, N2) == [(2, 2), (4, 1), (5, 1)]


def test_heartbeat_is_sent_at_match_index_and_commits_no_more() -> None:
    node = Lone().elect()
    for _ in range(2):
        node.propose()
    node.persist()
    node.ack_of(N2, 3)
    assert node.core.commit_index == 3
    node.sent.clear()
    node.tick(HEARTBEAT_MS)
    beats = {peer: message for peer, message in node.sent if isinstance(message, AppendEntries)}
    assert (beats[N2].prev_index, beats[N2].commit_index) == (3, 3)
    assert (beats[N3].prev_index, beats[N3].commit_index) == (1, 1)


def test_answered_heartbeat_frees_a_probe_that_was_lost() -> None:
    node = Lone().elect(with_own=False)
    node.tick(HEARTBEAT_MS)
    sent_ns = node.now_ns
    node.beat_of(N2, sent_ns=sent_ns)
    assert appends(node, N2) == [(0, 1)]


def test_answered_heartbeat_does_not_free_a_probe_that_was_just_sent() -> None:
    """ReadIndex rounds come at the rate of round trips; each would send all entries of the probe again."""
    node = Lone().elect(with_own=False)
    node.now_ms += 10
    node.beat_of(N2, sent_ns=node.now_ns)
    assert appends(node, N2) == []


def test_lost_append_is_sent_again() -> None:
    node = Lone().elect()
    node.propose()
    node.sent.clear()
    for _ in range(5):
        node.tick(HEARTBEAT_MS)
        node.beat_of(N2, sent_ns=node.now_ns)
        node.beat_of(N3, sent_ns=node.now_ns)
    assert appends(node, N2) == [(1, 1)]


def test_refused_append_after_a_gap_sends_what_is_missing() -> None:
    node = Lone().elect()
    for _ in range(3):
        node.propose()
    node.sent.clear()
    # The first was lost: the follower ends at 1.
    node.refusal_of(N2, 2, (1, 1))
    assert appends(node, N2) == [(1, 3)]


def test_old_refusal_is_ignored() -> None:
    node = Lone().elect()
    for _ in range(3):
        node.propose()
    node.ack_of(N2, 4)
    node.sent.clear()
    node.refusal_of(N2, 2, (1, 1))
    assert appends(node, N2) == []


def test_refusals_of_an_earlier_stream_do_not_start_another() -> None:
    """After one lost append all that followed are refused; each refusal would send the whole rest again."""
    node = Lone().elect()
    for _ in range(3):
        node.propose()
    node.now_ms += 10
    node.refusal_of(N2, 2, (1, 1), age_ms=10)
    node.ack_of(N2, 4)
    for _ in range(2):
        node.propose()
    node.sent.clear()
    node.refusal_of(N2, 5, (1, 1), age_ms=10)
    assert appends(node, N2) == []
    node.refusal_of(N2, 5, (4, 1))
    assert appends(node, N2) == [(4, 2)]


def test_acknowledgement_from_before_a_reset_counts_and_does_not_send_twice() -> None:
    node = Lone().elect()
    for _ in range(3):
        node.propose()
    node.sent.clear()
    node.core.on_unreachable(N2, node.now_ns)
    node.ack_of(N2, 4)
    assert appends(node, N2) == []
    node.propose()
    assert appends(node, N2) == [(4, 1)]


def test_stale_acknowledgement_does_not_end_a_probe_below_which_nothing_is_known() -> None:
    node = Lone(log=entries(1, 1, 1, 1, 1)).elect(with_own=False)
    node.sent.clear()
    node.ack_of(N2, 2)
    assert appends(node, N2) == []
    node.refusal_of(N2, 4, (3, 1))
    assert appends(node, N2) == [(3, 1)]


def test_broken_link_makes_the_leader_begin_again_from_what_is_certain() -> None:
    node = Lone().elect()
    node.propose()
    node.sent.clear()
    node.core.on_unreachable(N2, node.now_ns)
    node.beat_of(N2, sent_ns=node.now_ns)
    assert appends(node, N2) == [(1, 1)]


def test_peer_behind_the_compacted_log_gets_heartbeats_and_waits_for_a_snapshot() -> None:
    node = Lone(log=entries(1, 1, 1, 1)).elect()
    node.core.compact(Index(3))
    node.refusal_of(N2, 4, (1, 1))
    node.core.on_unreachable(N2, node.now_ns)
    node.sent.clear()
    node.tick(HEARTBEAT_MS)
    node.beat_of(N2, sent_ns=node.now_ns)
    assert appends(node, N2) == []


def test_refusals_below_the_compacted_log_do_not_loop() -> None:
    """Only a snapshot can help: to probe at the first kept entry again and again would never end."""
    node = Lone(log=entries(1, 1, 1, 1))
    node.disk.compact(Index(3), Term(1))
    node.restart(applied_index=3)
    node.tick(3 * W_MS)
    node.elect(with_own=False)
    node.refusal_of(N2, 3, (0, 0))
    assert appends(node, N2) == []


# Budgets --------------------------------------------------------------------------------------------


def test_uncommitted_bytes_are_bounded() -> None:
    node = Lone(uncommitted_bytes_max=100).elect()
    assert isinstance(node.propose(b"x" * 60)[1], int)
    assert node.propose(b"x" * 60) == Rejection(RejectReason.OVER_BUDGET, N1)
    node.persist()
    node.ack_of(N2, 2)
    assert isinstance(node.propose(b"x" * 60)[1], int)


def test_one_entry_larger_than_the_budget_is_taken_when_nothing_waits() -> None:
    node = Lone(uncommitted_bytes_max=100).elect()
    assert isinstance(node.propose(b"x" * 500)[1], int)


def test_budget_counts_what_earlier_leaders_left_uncommitted() -> None:
    log = tuple(entry(index, 1, b"x" * 60) for index in range(1, 4))
    node = Lone(log=log, uncommitted_bytes_max=100).elect(with_own=False)
    assert node.propose(b"x") == Rejection(RejectReason.OVER_BUDGET, N1)
    node.persist()
    node.ack_of(N2, 4)
    assert isinstance(node.propose(b"x")[1], int)


def test_proposal_on_a_follower_names_the_leader() -> None:
    node = Lone()
    node.append_from(N2, 1)
    assert node.propose() == Rejection(RejectReason.NOT_LEADER, N2)


# Log time -------------------------------------------------------------------------------------------


def test_log_time_never_goes_back() -> None:
    node = Lone(log=(entry(1, 1, time_ms=500),)).elect(with_own=False)
    node.propose(time_ms=400)
    node.propose(time_ms=600)
    node.propose(time_ms=100)
    times = [entry.time_ms for entry in node.core.log.entries(Index(2), Index(5), 1 << 20)]
    assert times == [500, 500, 600, 600]


# Heartbeats and appends on different links ----------------------------------------------------------


def test_heartbeat_that_overtakes_the_first_append_is_answered_and_commits_nothing() -> None:
    node = Lone()
    node.append_from(N2, 1, commit=0)
    node.append_from(N2, 1, entries(1, 1))
    node.persist()
    assert len(node.sent_of(HeartbeatResponse)) == 1
    assert [response.match_index for response in node.sent_of(AppendResponse)] == [1]


def test_late_heartbeat_of_an_older_match_changes_nothing() -> None:
    node = Lone()
    node.append_from(N2, 1, entries(1, 1, 1), commit=2)
    node.append_from(N2, 1)
    assert (node.core.last_index, node.core.commit_index) == (2, 2)
