"""What a node keeps of messages for groups that it does not have yet."""

from __future__ import annotations

from raftdoc.ids import BootId, GroupId, Index, NodeId, Term
from raftdoc.node.early import EARLY_BYTES_MAX, EARLY_ITEMS_MAX, EarlyMessages
from raftdoc.raft.messages import AppendEntries, Entry, EntryKind, TimeoutNow

PEER, A, B = NodeId("n2"), GroupId(7), GroupId(8)


def order(number: int) -> TimeoutNow:
    return TimeoutNow(Term(number), BootId(1))


def append(byte_count: int) -> AppendEntries:
    entry = Entry(Index(1), Term(1), EntryKind.COMMANDS, 0, b"x" * byte_count)
    return AppendEntries(Term(1), Index(0), Term(0), Index(0), (entry,), 0, 0, BootId(1))


def test_messages_of_a_group_are_handed_out_once_and_in_order() -> None:
    early = EarlyMessages()
    for number, group in enumerate((A, B, A)):
        early.keep(PEER, group, order(number))
    assert early.take(A) == [(PEER, order(0)), (PEER, order(2))]
    assert early.take(A) == []
    assert early.take(B) == [(PEER, order(1))]


def test_the_oldest_go_when_there_are_too_many_so_that_dead_groups_keep_out_nobody() -> None:
    early = EarlyMessages()
    for number in range(EARLY_ITEMS_MAX):
        early.keep(PEER, A, order(number))
    early.keep(PEER, B, order(1))
    assert len(early.take(A)) == EARLY_ITEMS_MAX - 1
    assert len(early.take(B)) == 1


def test_entries_are_kept_within_a_bound_of_bytes() -> None:
    early = EarlyMessages()
    for _ in range(20):
        early.keep(PEER, A, append(EARLY_BYTES_MAX // 4))
    assert len(early.take(A)) == 4
    early.keep(PEER, A, append(EARLY_BYTES_MAX))
    assert len(early.take(A)) == 1
