"""Which segments may go, and when (P8); what becomes of them."""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any

import pytest

from raftdoc.ids import GroupId, Incarnation, Index, Term
from raftdoc.storage.log.log import LogRecord, SharedLog, log_record
from raftdoc.storage.log.memory_files import MemoryFiles

from .model import SEGMENT_BYTES, commit, entries, observe, open_log, voted

BUSY, IDLE = GroupId(1), GroupId(2)


def fill(log: SharedLog, segment_count: int, group: GroupId = BUSY) -> Index:
    """Append entries to a group until the log has so many segments; return the last index."""
    while log.segment_count < segment_count:
        append_one(log, group)
    return log.groups[group].last_index


def append_one(log: SharedLog, group: GroupId) -> None:
    last = log.groups[group].last_index if group in log.groups else 0
    commit(log, log_record(group, entries=entries(last + 1, last + 1, 1, b"x" * 600)))


def compact(log: SharedLog, group: GroupId, index: int) -> None:
    commit(log, log_record(group, compacted=(Index(index), Term(1))))


def names(files: MemoryFiles) -> list[str]:
    return sorted(name for name in files.names() if name.endswith(".log"))


def test_a_segment_with_a_live_entry_stays() -> None:
    log = open_log(MemoryFiles())
    last = fill(log, 4)
    compact(log, BUSY, 1)
    assert log.release() == []
    compact(log, BUSY, last)
    assert len(log.release()) == 3


def test_segments_go_oldest_first_up_to_the_first_live_entry() -> None:
    files = MemoryFiles()
    log = open_log(files)
    fill(log, 2)
    in_second = fill(log, 3) - 2
    fill(log, 4)
    compact(log, BUSY, in_second)
    assert [path.name for path in log.release()] == ["0000000000000001.log"]
    assert names(files)[0] == "0000000000000002.log"


def test_p8_nothing_goes_before_the_truncation_point_is_durable() -> None:
    log = open_log(MemoryFiles())
    last = fill(log, 3)
    pending = log.append([log_record(BUSY, compacted=(last, Term(1)))])
    assert log.release() == []
    log.write([pending])
    assert log.release() == []
    log.durable(pending)
    assert len(log.release()) == 2


def test_p8_a_dropped_group_keeps_its_segments_until_its_tombstone_is_durable() -> None:
    log = open_log(MemoryFiles())
    fill(log, 3)
    pending = log.append([log_record(BUSY, tombstone=True)])
    assert BUSY not in log.groups
    assert log.release() == []
    log.write([pending])
    log.durable(pending)
    assert len(log.release()) == 2


@pytest.mark.parametrize(
    "record",
    [log_record(BUSY, compacted=(Index(99), Term(1))), log_record(BUSY, tombstone=True)],
    ids=["compacted", "tombstone"],
)
def test_p8_nothing_goes_while_the_record_that_lets_go_is_taken_in(record: LogRecord) -> None:
    """Another thread releases: it may run between any two lines of the loop's."""
    log = open_log(MemoryFiles())
    fill(log, 3)
    released = []

    def release_here(frame: FrameType, event: str, argument: Any) -> Any:
        released.extend(log.release())
        return release_here

    before = sys.gettrace()
    sys.settrace(release_here)
    try:
        log.append([record])
    finally:
        sys.settrace(before)
    assert released == []


def test_an_idle_group_pins_nothing_because_each_segment_repeats_its_state() -> None:
    files = MemoryFiles()
    log = open_log(files)
    commit(log, log_record(IDLE, hard_state=voted(7, "n2")))
    for _ in range(5):
        compact(log, BUSY, fill(log, log.segment_count + 1))
        log.release()
    assert log.segment_count == 1
    assert observe(open_log(files, life=2)) == observe(log)
    assert open_log(files, life=3).groups[IDLE].hard_state == voted(7, "n2")


def test_an_idle_group_that_wakes_pins_only_where_it_wakes() -> None:
    log = open_log(MemoryFiles())
    append_one(log, IDLE)
    compact(log, IDLE, 1)
    last = fill(log, 4)
    append_one(log, IDLE)
    compact(log, BUSY, last)
    assert len(log.release()) == 3


def test_a_segment_that_is_not_durable_yet_does_not_let_its_predecessors_go() -> None:
    """The state of idle groups would be lost with them: only its table repeats it."""
    files = MemoryFiles()
    log = open_log(files)
    commit(log, log_record(IDLE, hard_state=voted(7, "n2")))
    for _ in range(5):
        log.append([log_record(IDLE, hard_state=voted(8))] * 80)
    assert log.segment_count > 1
    assert log.release() == []
    assert open_log(files, life=2).groups[IDLE].hard_state == voted(7, "n2")


def test_a_group_that_wakes_after_its_last_compaction_keeps_what_it_appended() -> None:
    files = MemoryFiles()
    log = open_log(files)
    append_one(log, IDLE)
    compaction = log.append([log_record(IDLE, compacted=(Index(1), Term(1)))])
    awakening = log.append([log_record(IDLE, entries=entries(2, 2))])
    log.write([compaction, awakening])
    log.durable(compaction)
    log.durable(awakening)
    compact(log, BUSY, fill(log, 3))
    assert log.release() == []
    assert observe(open_log(files, life=2)) == observe(log)


def test_a_released_segment_is_used_again_and_nothing_new_allocated() -> None:
    files = MemoryFiles()
    log = open_log(files)
    for _ in range(3):
        compact(log, BUSY, fill(log, log.segment_count + 1))
        log.release()
    taken = files.free_bytes()
    for _ in range(20):
        compact(log, BUSY, fill(log, log.segment_count + 1))
        log.release()
    assert files.free_bytes() == taken


def test_a_segment_of_odd_length_is_not_used_again() -> None:
    files = MemoryFiles()
    log = open_log(files)
    commit(log, log_record(BUSY, entries=entries(1, 1, 1, b"x" * 3 * SEGMENT_BYTES)))
    compact(log, BUSY, fill(log, 2))
    log.release()
    assert {files.open(name).size() for name in files.names() if name.startswith("spare")} == {SEGMENT_BYTES}


def test_a_crash_at_every_step_of_a_release_keeps_the_log() -> None:
    files = MemoryFiles(auto_settle=False)
    log = open_log(files)
    compact(log, BUSY, fill(log, 5) - 1)
    files.settle()
    log.release()
    expected = observe(log)
    assert len(files.unsettled) >= 4
    for done in range(len(files.unsettled) + 1):
        copy = MemoryFiles(auto_settle=False)
        again = open_log(copy)
        compact(again, BUSY, fill(again, 5) - 1)
        copy.settle()
        again.release()
        copy.crash_after(done, lambda sector: False)
        assert observe(open_log(copy, life=2)) == expected


def test_little_that_a_lagging_group_left_behind_is_copied_to_the_head_so_that_old_segments_go() -> None:
    files = MemoryFiles()
    log = open_log(files, log_bytes_max=4 * SEGMENT_BYTES)
    commit(log, log_record(IDLE, entries=entries(1, 3, 1, b"lagging")))
    for _ in range(12):
        compact(log, BUSY, fill(log, log.segment_count + 1))
        while (pending := log.relocate(10)) is not None:
            log.write([pending])
            log.durable(pending)
        log.release()
        assert log.segment_count <= 5
    expected = observe(log)
    assert expected.groups[IDLE].entries == entries(1, 3, 1, b"lagging")
    assert observe(open_log(files, life=2)) == expected


def lagging_log() -> SharedLog:
    """Return a log over its budget, whose oldest segment holds entries 1 to 3 of a group and nothing else of use."""
    log = open_log(MemoryFiles(), log_bytes_max=2 * SEGMENT_BYTES)
    commit(log, log_record(IDLE, entries=entries(1, 3, 1, b"lagging")))
    compact(log, BUSY, fill(log, 5))
    return log


def test_copies_are_not_read_before_they_are_durable() -> None:
    """Seed 20139 of nodes: who was sent such an entry from disk stopped, because its frame was not written yet."""
    log = lagging_log()
    pending = log.relocate(1000)
    assert pending is not None
    reader = log.reader(IDLE)
    assert tuple(reader.read(Index(1), Index(3), 1000)) == entries(1, 3, 1, b"lagging")
    log.write([pending])
    log.durable(pending)
    assert log.release() != []
    assert tuple(reader.read(Index(1), Index(3), 1000)) == entries(1, 3, 1, b"lagging")


def test_entries_that_replace_what_is_being_copied_are_the_ones_that_are_read() -> None:
    log = lagging_log()
    pending = log.relocate(1000)
    assert pending is not None
    later = log.append([log_record(IDLE, truncate_from=Index(3), entries=entries(3, 3, 2, b"new"))])
    log.write([pending, later])
    log.durable(pending)
    log.durable(later)
    assert tuple(log.reader(IDLE).read(Index(3), Index(3), 1000)) == entries(3, 3, 2, b"new")


def test_a_group_that_fills_the_log_itself_is_not_copied() -> None:
    log = open_log(MemoryFiles(), log_bytes_max=2 * SEGMENT_BYTES)
    fill(log, 6)
    assert log.relocate(1 << 20) is None


def test_nothing_is_copied_below_the_budget() -> None:
    log = open_log(MemoryFiles(), log_bytes_max=8 * SEGMENT_BYTES)
    commit(log, log_record(IDLE, entries=entries(1, 3)))
    compact(log, BUSY, fill(log, 6))
    assert log.relocate(1 << 20) is None


def test_recovery_tells_positions_apart_while_older_entries_are_missing() -> None:
    """Seed 1042: the table speaks of entries whose segment is gone, until records further on say where they went."""
    files = MemoryFiles()
    log = open_log(files)
    commit(log, log_record(IDLE, entries=entries(1, 4)))
    compact(log, BUSY, fill(log, 2))
    commit(log, log_record(IDLE, relocated=True, entries=entries(3, 3)))
    commit(log, log_record(IDLE, compacted=(Index(2), Term(1)), entries=entries(5, 5)))
    commit(log, log_record(IDLE, relocated=True, entries=entries(4, 4)))
    assert len(log.release()) == 1
    assert observe(open_log(files, life=2)) == observe(log)


def test_what_a_replica_promised_outlives_its_log_its_segments_and_restarts() -> None:
    files = MemoryFiles()
    log = open_log(files)
    last = fill(log, 3)
    commit(log, log_record(BUSY, tombstone=True, hard_state=voted(7, "n2")))
    assert BUSY not in log.groups
    assert len(log.release()) == 2
    for life in (2, 3):
        fill(log, log.segment_count + 2, IDLE)
        log = open_log(files.copy(), life=life)
        left = log.left_groups[BUSY]
        assert (left.hard_state, left.floor) == (voted(7, "n2"), (Term(1), last))
        assert (left.last_index, left.incarnation) == (0, 0)


def test_a_group_that_comes_back_begins_at_its_first_entry_above_what_was_promised() -> None:
    files = MemoryFiles()
    log = open_log(files)
    last = fill(log, 2)
    commit(log, log_record(BUSY, tombstone=True, hard_state=voted(7)))
    commit(log, log_record(BUSY, hard_state=voted(8), incarnation=Incarnation(2), entries=entries(1, 3)))
    for found in (log, open_log(files.copy(), life=2)):
        assert found.left_groups == {}
        group = found.groups[BUSY]
        assert (group.last_index, group.floor, group.hard_state.term) == (3, (Term(1), last), 8)


def test_a_group_that_is_gone_everywhere_leaves_nothing() -> None:
    files = MemoryFiles()
    log = open_log(files)
    fill(log, 2)
    commit(log, log_record(BUSY, tombstone=True, hard_state=voted(7)))
    commit(log, log_record(BUSY, tombstone=True))
    for found in (log, open_log(files.copy(), life=2)):
        assert found.group(BUSY) is None
