"""A log that begins anew after a snapshot, the changes of membership it holds, and who has to go over the budget."""

from __future__ import annotations

from raftdoc.ids import GroupId, Incarnation, Index, NodeId, Term
from raftdoc.raft import Configuration
from raftdoc.raft.messages import Entry, EntryKind, HardState
from raftdoc.storage.log.log import SharedLog, log_record
from raftdoc.storage.log.memory_files import MemoryFiles

from .model import SEGMENT_BYTES, commit, entries, open_log

A, B = GroupId(1), GroupId(2)
TWO = Configuration((NodeId("n1"), NodeId("n2")))


def change(index: int) -> Entry:
    return Entry(Index(index), Term(1), EntryKind.CONFIGURATION, 0, b"who")


def fill(log: SharedLog, group: GroupId, segment_count: int, payload: bytes = b"x" * 600) -> None:
    while log.segment_count < segment_count:
        last = log.groups[group].last_index if group in log.groups else 0
        commit(log, log_record(group, entries=entries(last + 1, last + 1, 1, payload)))


def reset(index: int, term: int) -> SharedLog:
    """Return a log of 1..9 in term 1 that a snapshot at index reset, after a crash."""
    files = MemoryFiles()
    log = open_log(files)
    commit(log, log_record(A, entries=entries(1, 9, 1), incarnation=Incarnation(1)))
    record = log_record(
        A,
        compacted=(Index(index), Term(term)),
        configuration=TWO,
        incarnation=Incarnation(2),
        hard_state=HardState(Term(term)),
    )
    commit(log, record)
    assert log.groups[A] == open_log(files.copy()).groups[A]
    return open_log(files)


def test_install_beyond_the_log_empties_it() -> None:
    group = reset(40, 3).groups[A]
    assert (group.compacted_index, group.compacted_term, group.last_index, group.term_runs) == (40, 3, 40, ())
    assert (group.incarnation, group.configuration) == (2, TWO)


def test_install_inside_the_log_leaves_no_suffix_of_another_history() -> None:
    log = reset(5, 3)
    group = log.groups[A]
    assert (group.compacted_index, group.compacted_term, group.last_index, group.term_runs) == (5, 3, 5, ())
    commit(log, log_record(A, entries=entries(6, 7, 3)))
    assert [entry.term for entry in log.reader(A).read(Index(6), Index(7), 1 << 20)] == [3, 3]


def test_changes_of_membership_are_known_after_a_start_without_reading_the_log() -> None:
    files = MemoryFiles()
    log = open_log(files)
    commit(log, log_record(A, entries=(*entries(1, 2, 1), change(3), *entries(4, 4, 1), change(5))))
    last = 5
    while log.segment_count < 3:
        last += 1
        commit(log, log_record(A, entries=entries(last, last, 1, b"x" * 600)))
    commit(log, log_record(A, entries=(change(last + 1),)))
    assert open_log(files.copy()).groups[A].configuration_indexes == (3, 5, last + 1)
    commit(log, log_record(A, truncate_from=Index(last + 1), compacted=(Index(3), Term(1)), configuration=TWO))
    group = open_log(files).groups[A]
    assert (group.configuration_indexes, group.configuration) == ((5,), TWO)


def open_small(budget_segments: int) -> SharedLog:
    return open_log(MemoryFiles(), log_bytes_max=budget_segments * SEGMENT_BYTES)


def test_nobody_has_to_go_within_the_budget() -> None:
    log = open_small(4)
    fill(log, A, 4)
    assert log.groups_over_budget() == set()
    assert not log.is_over_budget()


def test_group_that_fills_the_surplus_has_to_go_and_one_that_holds_little_may_stay() -> None:
    log = open_small(3)
    commit(log, log_record(B, entries=entries(1, 1, 1, b"y")))
    fill(log, A, 6)
    assert log.groups_over_budget() == {A}
    assert log.relocate(1 << 20) is None
    commit(log, log_record(A, compacted=(log.groups[A].last_index, Term(1))))
    assert log.groups_over_budget() == set()
    pending = log.relocate(1 << 20)
    assert pending is not None
    log.write([pending])
    log.durable(pending)
    log.release()
    assert log.segment_count <= 3
    assert log.reader(B).read(Index(1), Index(1), 1)[0].payload == b"y"
