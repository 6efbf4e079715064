"""What reviews and runs have found, each as the smallest scenario that shows it."""

from __future__ import annotations

from raftdoc.ids import BootId, Index, Term
from raftdoc.raft.messages import AppendEntries, AppendResponse, HardState

from .lone import HEARTBEAT_MS, N1, N2, N3, Lone, entries


def test_link_that_breaks_during_a_probe_does_not_throw_the_probe_back() -> None:
    """A peer cut off before the election lost its place when its link broke only after it, and with a compacted log
    was never sent anything again, although it held all of it."""
    node = Lone(log=entries(1, 1, 1, 1, 1)).elect()
    node.persist()
    node.ack_of(N2, 5)
    node.core.on_applied(node.core.commit_index, node.now_ns)
    node.core.compact(node.core.log.last_index)
    node.core.on_unreachable(N3, node.now_ns)
    node.take()
    node.sent.clear()
    node.tick(HEARTBEAT_MS)
    node.beat_of(N3, sent_ns=node.now_ns)
    node.tick(HEARTBEAT_MS)
    node.beat_of(N3, sent_ns=node.now_ns)
    node.ack_of(N3, 5)
    node.propose()
    sent = [message for message in node.sent_to(N3) if isinstance(message, AppendEntries) and message.entries]
    assert sent, "entries flow again"


def test_entries_that_were_never_handed_to_the_disk_are_not_truncated_there() -> None:
    """Appends of two leaders in one turn made a task that truncated what the log on disk had never seen."""
    node = Lone()
    node.append_from(N2, 1, entries(1, 1, 1))
    node.persist()
    core = node.core
    first, second = entries(3, 1, 1), entries(4, 2)
    core.step(N2, append(1, 2, 1, first), node.now_ns)
    core.step(N3, append(2, 3, 1, second), node.now_ns)
    node.take()
    (pending,) = node.disk.pending
    assert pending.task.truncate_from is None
    node.persist()
    assert [entry.term for entry in node.disk.entries] == [1, 1, 1, 2]


def test_acknowledgement_of_entries_that_never_reach_the_disk_never_leaves() -> None:
    """Both appends of the test above came in one turn: the older leader must not count this node for its entries."""
    node = Lone()
    node.append_from(N2, 1, entries(1, 1, 1))
    node.persist()
    node.sent.clear()
    node.core.step(N2, append(1, 2, 1, entries(3, 1, 1)), node.now_ns)
    node.core.step(N3, append(2, 3, 1, entries(4, 2)), node.now_ns)
    node.take()
    node.persist()
    acknowledged = [(peer, m.match_index) for peer, m in node.sent if isinstance(m, AppendResponse) and m.success]
    assert acknowledged == [(N3, 4)]


def test_l4_answer_to_a_round_sent_before_the_clock_was_set_back_renews_no_lease() -> None:
    node = Lone().elect()
    node.persist()
    node.ack_of(N2, 1)
    before_ns, before_round = node.now_ns, 0
    node.now_ms -= 3000
    node.core.on_clock_suspect(node.now_ns)
    node.beat_of(N2, sent_ns=before_ns, read_round=before_round)
    assert not node.lease_valid
    node.tick(HEARTBEAT_MS)
    node.beat_of(N2, sent_ns=node.now_ns, read_round=node.sent_of(AppendEntries)[-1].read_round)
    assert node.lease_valid


def test_refusal_of_an_older_term_confirms_no_round_and_no_lease_of_the_present_one() -> None:
    """Random world 7652: n1 led terms 1 and 2; the refusal of a late append of term 1 bore term 2 and round 11."""
    follower = Lone(hard_state=HardState(Term(2)))
    late = AppendEntries(Term(1), Index(4), Term(1), Index(4), (), 123, 11, BootId(7))
    follower.step(N2, late)
    (refusal,) = follower.sent_of(AppendResponse)
    assert (refusal.term, refusal.success) == (2, False)
    assert (refusal.prev_index, refusal.sent_ns, refusal.read_round) == (0, 0, 0)


def test_refusal_of_an_older_term_does_not_move_a_probe() -> None:
    """With a compacted log a probe that was thrown back to the beginning could only wait for a snapshot."""
    node = Lone().elect(with_own=False)
    node.sent.clear()
    node.refusal_of(N2, 0, (0, 0))
    assert node.sent == []
    node.ack_of(N2, 1)
    node.propose()
    assert [len(message.entries) for message in node.sent_to(N2) if isinstance(message, AppendEntries)] == [1]


def test_single_voter_leads_again_at_once_after_a_restart() -> None:
    node = Lone(voters=(N1,)).elect(with_own=False)
    node.persist()
    node.restart()
    node.tick()
    node.persist()
    assert node.is_leader


def append(term: int, prev_index: int, prev_term: int, new: tuple[object, ...]) -> AppendEntries:
    return AppendEntries(term, prev_index, prev_term, 0, new, 1, 0, 9)  # type: ignore[arg-type]


def test_window_of_a_stream_that_begins_anew_is_empty() -> None:
    """What was on the way when a link broke is lost: it takes no place in the next stream."""
    node = Lone(inflight_messages_max=2, append_bytes_max=1).elect()
    for _ in range(3):
        node.propose()
    node.core.on_unreachable(N2, node.now_ns)
    node.take()
    node.beat_of(N2, sent_ns=node.now_ns)
    node.sent.clear()
    node.ack_of(N2, 2)
    sent = [message for message in node.sent_to(N2) if isinstance(message, AppendEntries) and message.entries]
    assert [message.entries[0].index for message in sent] == [3, 4]
