"""What leaves before the disk, what after, and what counts only then: rules P1-P11 of docs/consensus.md."""

from __future__ import annotations

import pytest

from raftdoc.ids import Index, Term
from raftdoc.raft import Role
from raftdoc.raft.messages import (
    AppendEntries,
    AppendResponse,
    Entry,
    EntryKind,
    HardState,
    HeartbeatResponse,
    VoteRequest,
    VoteResponse,
)
from raftdoc.raft.ready import LogMark

from .lone import HEARTBEAT_MS, N1, N2, N3, Lone, entries, entry


def test_p1_vote_is_granted_only_after_it_is_durable() -> None:
    node = Lone()
    node.ask_vote(N2, 1)
    assert node.core.vote == N2
    assert node.sent_of(VoteResponse) == []
    node.persist()
    assert [response.granted for response in node.sent_of(VoteResponse)] == [True]
    assert (node.disk.hard_state.term, node.disk.hard_state.vote) == (1, N2)


def test_p1_vote_in_a_term_that_is_durable_already_is_persisted_too() -> None:
    node = Lone(hard_state=HardState(Term(1)))
    node.ask_vote(N2, 1)
    assert node.sent_of(VoteResponse) == []
    node.persist()
    node.restart()
    assert node.core.vote == N2


def test_p1_append_is_acknowledged_only_after_it_is_durable() -> None:
    node = Lone()
    node.append_from(N2, 1)
    node.persist()
    node.append_from(N2, 1, entries(1, 1, 1))
    assert node.sent_of(AppendResponse) == []
    node.persist()
    assert [response.match_index for response in node.sent_of(AppendResponse)] == [2]


def test_p1_repeated_append_is_acknowledged_with_the_first_ones_fsync_not_before() -> None:
    node = Lone()
    node.append_from(N2, 1, entries(1, 1))
    node.append_from(N2, 1, entries(1, 1))
    assert node.sent_of(AppendResponse) == []
    node.persist(1)
    assert [response.match_index for response in node.sent_of(AppendResponse)] == [1]
    node.persist()
    assert [response.match_index for response in node.sent_of(AppendResponse)] == [1]


def test_p1_append_that_is_durable_already_is_acknowledged_at_once() -> None:
    node = Lone()
    node.append_from(N2, 1, entries(1, 1))
    node.persist()
    node.sent.clear()
    node.append_from(N2, 1, entries(1, 1))
    assert [response.match_index for response in node.sent_of(AppendResponse)] == [1]


def test_p1_heartbeat_of_a_new_term_is_answered_only_after_the_term_is_durable() -> None:
    node = Lone()
    node.append_from(N2, 3)
    assert node.sent_of(HeartbeatResponse) == []
    node.persist()
    assert len(node.sent_of(HeartbeatResponse)) == 1
    node.append_from(N2, 3)
    assert len(node.sent_of(HeartbeatResponse)) == 1


def test_p1_no_message_speaks_of_a_term_that_a_crash_could_take_back() -> None:
    node = Lone()
    node.ask_vote(N2, 5)
    # Before vote and term are durable, others are refused; the refusal would tell the term.
    node.ask_vote(N3, 5)
    node.ask_vote(N3, 5, pre=True)
    node.append_from(N3, 4)
    assert node.sent == []
    node.persist()
    assert len(node.sent) == 4


def test_p2_own_vote_counts_only_after_its_fsync() -> None:
    node = Lone()
    node.time_out()
    node.vote_of(N2, pre=True)
    assert node.role is Role.CANDIDATE
    node.vote_of(N2)
    assert node.role is Role.CANDIDATE
    node.persist()
    assert node.is_leader


def test_p2_leaders_own_log_counts_only_after_its_fsync() -> None:
    node = Lone().elect()
    _, index = node.propose()
    node.ack_of(N2, index)
    assert node.core.commit_index == index - 1
    node.persist()
    assert node.core.commit_index == index


def test_p2_quorum_of_followers_commits_without_the_leaders_disk() -> None:
    node = Lone().elect()
    _, index = node.propose()
    node.ack_of(N2, index)
    node.ack_of(N3, index)
    assert node.core.commit_index == index


def test_p2_single_voter_never_commits_before_its_fsync() -> None:
    node = Lone(voters=(N1,))
    node.tick(3000)
    assert node.role is Role.CANDIDATE
    node.persist()
    assert node.is_leader
    assert node.core.commit_index == 0
    node.persist()
    assert node.core.commit_index == 1
    node.propose()
    assert node.core.commit_index == 1


def test_p3_vote_request_waits_until_term_and_own_vote_are_durable() -> None:
    node = Lone()
    node.time_out()
    node.sent.clear()
    node.vote_of(N2, pre=True)
    assert node.sent_of(VoteRequest) == []
    node.persist()
    assert (node.disk.hard_state.term, node.disk.hard_state.vote) == (1, N1)
    assert [request.term for request in node.sent_of(VoteRequest)] == [1, 1]


def test_p3_vote_request_waits_for_the_log_that_it_advertises() -> None:
    node = Lone()
    node.append_from(N2, 1, entries(1, 1))
    node.persist()
    node.append_from(N2, 1, entries(2, 1, 1), prev=(1, 1))
    node.tick(3000)
    assert node.role is Role.PRE_CANDIDATE
    assert node.sent_of(VoteRequest) == []
    node.persist()
    assert [request.last_index for request in node.sent_of(VoteRequest)] == [3, 3]


def test_p4_append_leaves_before_the_leaders_own_fsync() -> None:
    node = Lone().elect()
    node.propose()
    assert len(node.sent_of(AppendEntries)) == 2
    assert len(node.disk.pending) == 1


def test_p5_new_term_is_in_the_record_of_its_first_entry() -> None:
    node = Lone()
    node.append_from(N2, 4, entries(1, 4))
    task = node.disk.pending[0].task
    assert task.hard_state is not None
    assert task.hard_state.term == 4
    assert task.entries == entries(1, 4)


def test_p6_truncation_and_the_entries_that_replace_are_one_task() -> None:
    node = Lone(log=entries(1, 1, 1, 1))
    node.append_from(N2, 2, entries(2, 2), prev=(1, 1))
    (pending,) = node.disk.pending
    assert pending.task.truncate_from == 2
    assert pending.task.entries == entries(2, 2)
    node.persist()
    assert node.disk.entries == [entry(1, 1), entry(2, 2)]


def test_p7_committed_entry_is_applied_only_when_durable_here() -> None:
    node = Lone()
    node.append_from(N2, 1, entries(1, 1), commit=1)
    assert node.core.commit_index == 1
    assert node.applied == []
    node.persist()
    assert node.applied == list(entries(1, 1))


def test_p7_leader_applies_what_followers_committed_only_after_its_own_fsync() -> None:
    node = Lone().elect()
    node.applied.clear()
    _, index = node.propose()
    node.ack_of(N2, index)
    node.ack_of(N3, index)
    assert node.core.commit_index == index
    assert node.applied == []
    node.persist()
    assert [applied.index for applied in node.applied] == [index]


def slow_follower(count: int, **changes: object) -> tuple[Lone, list[Entry]]:
    """Return a follower whose state machine applies nothing of what is committed, and what it was handed out."""
    node = Lone(**changes)  # type: ignore[arg-type]
    handed: list[Entry] = []
    for index in range(1, count + 1):
        new = (entry(index, 1, b"x" * (1 << 18)),)
        node.core.step(N2, node.heartbeat(1, new=new, prev=(index - 1, min(index - 1, 1)), commit=index), node.now_ns)
        while node.core.has_ready():
            ready = node.core.ready()
            if ready.persist is not None:
                node.disk.submit(ready.persist, node.now_ns)
                node.core.on_persisted(node.disk.complete().mark, node.now_ns)
            handed += ready.entries
    assert node.core.commit_index == node.core.durable_index == count
    return node, handed


def test_what_is_handed_out_to_be_applied_is_bounded_while_nothing_is_applied() -> None:
    node, handed = slow_follower(40)
    assert sum(len(entry.payload) for entry in handed) <= 1 << 21
    while handed[-1].index < 40:
        node.core.on_applied(handed[-1].index, node.now_ns)
        assert node.core.has_ready()
        handed += node.core.ready().entries
    assert [entry.index for entry in handed] == list(range(1, 41))


def test_what_is_committed_and_durable_leaves_memory_though_it_is_not_applied() -> None:
    node, _ = slow_follower(40, cache_bytes_max=1 << 20)
    assert node.core.log.cached_bytes <= (1 << 20) + (1 << 18) + 64


def test_p9_failed_fsync_ends_leadership_and_says_nothing_more() -> None:
    node = Lone().elect()
    _, index = node.propose()
    node.read(7)
    assert node.lease_valid
    node.sent.clear()
    node.core.on_persist_failed()
    node.take()
    assert not node.is_leader
    assert not node.lease_valid
    node.ack_of(N2, index)
    node.ack_of(N3, index)
    node.append_from(N2, 9, entries(1, 9))
    node.tick(10_000)
    assert node.core.commit_index == index - 1
    assert node.sent == []


def test_p9_messages_that_waited_in_the_core_do_not_leave_after_a_failed_fsync() -> None:
    node = Lone()
    node.core.step(N2, VoteRequest(Term(1), Index(0), Term(0), Index(0), Term(0), False, False, 7), node.now_ns)  # type: ignore[arg-type]
    node.core.on_persist_failed()
    node.take()
    assert node.sent == []
    assert not node.disk.pending


def test_p9_waiting_reads_fail_with_the_disk() -> None:
    node = Lone(leases_enabled=False).elect()
    node.read(7)
    node.core.on_persist_failed()
    node.take()
    assert node.failed_reads == [7]


def test_p11_commit_index_of_the_disk_is_clamped_to_the_log() -> None:
    node = Lone(log=entries(1, 1, 1), hard_state=HardState(Term(1), None, Index(9)))
    assert node.core.commit_index == 2


def test_p11_commit_index_of_the_disk_is_not_below_what_was_applied() -> None:
    node = Lone(log=entries(1, 1, 1), hard_state=HardState(Term(1), None, Index(0)))
    node.restart(applied_index=2)
    assert node.core.commit_index == 2


def test_tasks_are_pipelined_and_each_vouches_for_its_own_entries() -> None:
    node = Lone()
    node.append_from(N2, 1, entries(1, 1))
    node.append_from(N2, 1, entries(2, 1), prev=(1, 1))
    assert len(node.disk.pending) == 2
    node.persist(1)
    assert node.core.durable_index == 1
    node.persist(1)
    assert node.core.durable_index == 2


def test_completion_out_of_order_is_refused() -> None:
    node = Lone()
    node.append_from(N2, 1, entries(1, 1))
    node.append_from(N2, 1, entries(2, 1), prev=(1, 1))
    with pytest.raises(AssertionError):
        node.core.on_persisted(LogMark(Term(1), Index(2)), node.now_ns)


def test_completion_for_a_replaced_suffix_vouches_for_nothing() -> None:
    """The ABA race: entry 2 of term 1 is on its way to the disk when term 2 puts another at its place."""
    node = Lone()
    node.append_from(N2, 1, entries(1, 1))
    node.persist()
    node.append_from(N2, 1, entries(2, 1), prev=(1, 1))
    node.append_from(N3, 2, entries(2, 2), prev=(1, 1), commit=2)
    node.sent.clear()
    node.persist(1)
    assert node.core.durable_index == 1
    assert [response.match_index for response in node.sent_of(AppendResponse)] == [2]
    # What is said for term 1 is true of term 1; entry 2 of term 2 is committed, and not durable here.
    assert [applied.term for applied in node.applied] == [1]
    node.persist(1)
    assert node.core.durable_index == 2
    assert [applied.term for applied in node.applied] == [1, 2]


def test_completion_of_an_older_term_counts_again_with_the_new_terms_mark() -> None:
    """A term change alone writes a hard state, whose mark covers the log that survived: durable cannot wedge."""
    node = Lone()
    node.append_from(N2, 1, entries(1, 1, 1))
    node.ask_vote(N3, 2, last=(2, 1), forced=True)
    node.persist(1)
    assert node.core.durable_index == 0
    node.persist()
    assert node.core.durable_index == 2


def test_new_term_while_appending_keeps_what_is_on_its_way() -> None:
    node = Lone()
    node.append_from(N2, 1, entries(1, 1, 1))
    node.append_from(N3, 2, entries(3, 2), prev=(2, 1))
    assert [len(pending.task.entries) for pending in node.disk.pending] == [2, 1]
    node.persist()
    assert node.core.durable_index == 3


def test_crash_between_the_term_and_its_entries_keeps_the_term_and_the_vote() -> None:
    node = Lone()
    node.ask_vote(N2, 3)
    node.append_from(N2, 3, entries(1, 3))
    node.restart(kept_count=1)
    assert (node.core.term, node.core.vote, node.core.last_index) == (3, N2, 0)
    node.tick(2100)
    node.ask_vote(N3, 3)
    node.persist()
    assert [response.granted for response in node.sent_of(VoteResponse)] == [False]


def test_no_op_of_a_term_is_the_leaders_first_entry() -> None:
    node = Lone().elect()
    assert [(applied.kind, applied.payload) for applied in node.applied] == [(EntryKind.NOOP, b"")]
    assert node.core.term_start_index == 1


def test_leader_that_waits_for_its_disk_still_sends_heartbeats() -> None:
    node = Lone().elect()
    node.propose()
    node.sent.clear()
    node.tick(HEARTBEAT_MS)
    assert len(node.sent_of(AppendEntries)) == 2


def test_tasks_of_a_leader_count_one_by_one() -> None:
    node = Lone().elect()
    _, first = node.propose()
    _, second = node.propose()
    node.ack_of(N2, second)
    node.persist(1)
    assert node.core.commit_index == first


def test_hard_state_task_does_not_vouch_for_a_suffix_replaced_after_it() -> None:
    node = Lone(log=entries(1, 1, 1, 1))
    node.append_from(N2, 2)
    node.append_from(N2, 2, entries(2, 2), prev=(1, 1))
    assert [pending.task.mark for pending in node.disk.pending] == [(2, 3), (2, 2)]
    node.persist(1)
    assert node.core.durable_index == 1
