"""What the shared log does when nothing breaks, and when the disk says no."""

from __future__ import annotations

from errno import EIO, ENOSPC
from itertools import pairwise
from pathlib import Path

import pytest

from raftdoc.errors import LogCorrupt
from raftdoc.ids import GroupId, Incarnation, Index, NodeId, Term
from raftdoc.raft import Configuration
from raftdoc.raft.messages import HardState
from raftdoc.storage.log.log import SharedLog, log_record
from raftdoc.storage.log.memory_files import MemoryFiles

from .model import SEGMENT_BYTES, commit, entries, entry, observe, open_log, voted

FIRST, SECOND = GroupId(1), GroupId(2)


def test_an_empty_directory_is_an_empty_log(tmp_path: Path) -> None:
    log = SharedLog.open(tmp_path, segment_bytes=SEGMENT_BYTES)
    assert (log.groups, log.segment_count) == ({}, 0)
    log.close()
    assert SharedLog.open(tmp_path, segment_bytes=SEGMENT_BYTES).groups == {}


def test_everything_of_a_group_comes_back(tmp_path: Path) -> None:
    configuration = Configuration((NodeId("n1"), NodeId("n2")), (NodeId("n1"),), (NodeId("n3"),))
    log = SharedLog.open(tmp_path, segment_bytes=1 << 20)
    commit(
        log,
        log_record(
            FIRST,
            hard_state=HardState(Term(3), NodeId("n2"), Index(4)),
            compacted=(Index(2), Term(1)),
            entries=(*entries(3, 4, 2), *entries(5, 5, 3)),
            configuration=configuration,
            incarnation=Incarnation(9),
        ),
    )
    log.close()
    found = SharedLog.open(tmp_path, segment_bytes=1 << 20).groups[FIRST]
    assert found.hard_state == HardState(Term(3), NodeId("n2"), Index(4))
    assert (found.configuration, found.incarnation) == (configuration, Incarnation(9))
    assert (found.compacted_index, found.compacted_term) == (2, 1)
    assert (found.last_index, found.last_term, found.term_runs) == (5, 3, ((3, 2), (5, 3)))


def test_groups_share_segments_and_are_told_apart() -> None:
    files = MemoryFiles()
    log = open_log(files)
    for index in range(1, 60):
        records = [log_record(GroupId(group), entries=entries(index, index, 1, b"%d" % group)) for group in range(8)]
        commit(log, *records)
    again = open_log(files, life=2)
    assert observe(again) == observe(log)
    for group in range(8):
        found = again.reader(GroupId(group)).read(Index(1), Index(59), 1 << 20)
        assert {found_entry.payload for found_entry in found} == {b"%d" % group}


def test_read_returns_at_least_one_entry_and_no_more_than_asked_for() -> None:
    log = open_log(MemoryFiles())
    commit(log, log_record(FIRST, entries=entries(1, 10, 1, b"x" * 100)))
    read = log.reader(FIRST).read
    assert [found.index for found in read(Index(3), Index(10), 1)] == [3]
    assert [found.index for found in read(Index(3), Index(10), 350)] == [3, 4, 5]
    assert [found.index for found in read(Index(3), Index(4), 1 << 20)] == [3, 4]


def test_read_takes_the_newest_where_one_frame_replaces_what_it_appended() -> None:
    log = open_log(MemoryFiles())
    commit(
        log,
        log_record(FIRST, entries=entries(1, 3, 1, b"old")),
        log_record(FIRST, truncate_from=Index(2), entries=entries(2, 3, 2, b"new")),
    )
    found = log.reader(FIRST).read(Index(1), Index(3), 1 << 20)
    assert [found_entry.payload for found_entry in found] == [b"old", b"new", b"new"]


def test_p5_and_p6_a_term_with_its_first_entry_and_a_truncation_with_its_append_are_one_frame() -> None:
    files = MemoryFiles(auto_settle=False)
    log = open_log(files)
    commit(log, log_record(FIRST, hard_state=voted(1), entries=entries(1, 5, 1)))
    files.settle()
    before = observe(log)
    commit(log, log_record(FIRST, hard_state=voted(2), truncate_from=Index(3), entries=entries(3, 6, 2)))
    after = observe(log)
    (operation,) = files.unsettled
    for sector_count in range(operation.size // 512 + 2):
        copy = MemoryFiles(auto_settle=False)
        again = open_log(copy)
        commit(again, log_record(FIRST, hard_state=voted(1), entries=entries(1, 5, 1)))
        copy.settle()
        commit(again, log_record(FIRST, hard_state=voted(2), truncate_from=Index(3), entries=entries(3, 6, 2)))
        copy.crash_after(0, lambda sector, count=sector_count: sector < count)  # type: ignore[misc]
        assert observe(open_log(copy, life=2)) in (before, after)


@pytest.mark.parametrize(("hint", "clamped"), [(0, 2), (1, 2), (3, 3), (5, 5), (99, 5)])
def test_p11_the_commit_index_is_a_hint_clamped_to_what_is_there(hint: int, clamped: int) -> None:
    files = MemoryFiles()
    log = open_log(files)
    commit(
        log,
        log_record(FIRST, compacted=(Index(2), Term(1)), entries=entries(3, 5), hard_state=voted(1, None, hint)),
    )
    assert open_log(files, life=2).groups[FIRST].hard_state.commit == clamped


def test_segments_roll_and_their_frames_lie_within_the_file() -> None:
    files = MemoryFiles()
    log = open_log(files)
    for index in range(1, 200):
        commit(log, log_record(FIRST, entries=entries(index, index, 1, b"x" * (index * 37 % 500))))
    names = sorted(name for name in files.names() if name.endswith(".log"))
    assert log.segment_count == len(names) > 8
    assert {files.open(name).size() for name in names} == {SEGMENT_BYTES}
    assert observe(open_log(files, life=2)) == observe(log)


def test_a_frame_larger_than_a_segment_has_one_of_its_own() -> None:
    files = MemoryFiles()
    log = open_log(files)
    commit(log, log_record(FIRST, entries=entries(1, 1)))
    commit(log, log_record(FIRST, entries=entries(2, 2, 1, b"x" * 5 * SEGMENT_BYTES)))
    commit(log, log_record(FIRST, entries=entries(3, 3)))
    assert log.segment_count == 3
    assert observe(open_log(files, life=2)) == observe(log)


def test_recovery_reads_no_frame_of_a_sealed_segment() -> None:
    files = MemoryFiles()
    log = open_log(files)
    while log.segment_count < 3:
        index = log.groups[FIRST].last_index + 1 if log.groups else 1
        commit(log, log_record(FIRST, entries=entries(index, index, 1, b"x" * 300)))
    files.flip("0000000000000001.log", 1000)
    opened = open_log(files, life=2)
    assert opened.groups == log.groups
    with pytest.raises(LogCorrupt, match="0000000000000001"):
        observe(opened)


def test_many_terms_come_back_as_runs() -> None:
    files = MemoryFiles()
    log = open_log(files)
    for index in range(1, 40):
        commit(log, log_record(FIRST, entries=(entry(index, 1 + index // 3),)))
    runs = open_log(files, life=2).groups[FIRST].term_runs
    assert runs == log.groups[FIRST].term_runs
    assert all(before[1] < after[1] for before, after in pairwise(runs))


def test_a_clean_shutdown_is_told_by_its_closing_frame_even_if_nobody_called_durable() -> None:
    files = MemoryFiles()
    log = open_log(files)
    commit(log, log_record(FIRST, entries=entries(1, 2)))
    pending = log.append([log_record(FIRST, entries=entries(3, 3))])
    log.write([pending])
    log.close()
    files.flip("0000000000000001.log", pending.offset + 10)
    with pytest.raises(LogCorrupt) as caught:
        open_log(files, life=2)
    assert caught.value.offset == pending.offset


def test_closing_with_frames_that_were_never_written_leaves_no_hole() -> None:
    files = MemoryFiles()
    log = open_log(files)
    commit(log, log_record(FIRST, entries=entries(1, 2)))
    expected = observe(log)
    log.append([log_record(FIRST, entries=entries(3, 3))])
    log.close()
    assert observe(open_log(files, life=2)) == expected


def test_restarts_without_writes_take_no_space() -> None:
    files = MemoryFiles()
    log = open_log(files)
    commit(log, log_record(FIRST, entries=entries(1, 2)))
    log.close()
    taken = files.free_bytes()
    for life in range(2, 12):
        log = open_log(files, life=life)
        log.close()
    assert (files.free_bytes(), log.segment_count) == (taken, 1)


def test_p9_a_failed_write_goes_up_and_nothing_is_written_after_it() -> None:
    files = MemoryFiles()
    log = open_log(files)
    commit(log, log_record(FIRST, entries=entries(1, 2)))
    expected = observe(log)
    files.fail()
    failed = log.append([log_record(FIRST, entries=entries(3, 3))])
    with pytest.raises(OSError, match="failed") as caught:
        log.write([failed])
    assert caught.value.errno == EIO
    write_count = files.write_count
    with pytest.raises(OSError, match="failed"):
        log.write([log.append([log_record(FIRST, entries=entries(4, 4))])])
    log.close()
    assert files.write_count == write_count
    files.crash_after(0, lambda sector: False)
    assert open_log(files, life=2).groups[FIRST].last_index in (2, 3)
    assert expected.groups[FIRST].last_index == 2


def test_a_full_disk_is_seen_before_the_log_runs_into_it_and_is_over_when_there_is_clearly_space() -> None:
    reserve = 4 * SEGMENT_BYTES
    files = MemoryFiles(capacity_bytes=2 * SEGMENT_BYTES + reserve + 100)
    log = open_log(files, reserve_bytes=reserve)
    assert log.disk_state()[1:] == (2, False)
    files.capacity_bytes -= 200
    assert log.is_disk_full()
    files.capacity_bytes += 200
    assert log.is_disk_full(), "a node at the watermark must not swing"
    files.capacity_bytes += reserve
    assert not log.is_disk_full()


def test_votes_are_written_into_the_reserve_when_nothing_can_be_allocated() -> None:
    files = MemoryFiles(capacity_bytes=2 * SEGMENT_BYTES)
    log = open_log(files, reserve_bytes=SEGMENT_BYTES)
    assert log.is_disk_full()
    term = 0
    while log.segment_count < 2:
        term += 1
        commit(log, log_record(FIRST, hard_state=voted(term, "n1")))
    assert open_log(files, life=2).groups[FIRST].hard_state == voted(term, "n1")


def test_a_missing_reserve_counts_as_owed_and_is_made_again_once_there_is_space() -> None:
    files = MemoryFiles(capacity_bytes=2 * SEGMENT_BYTES)
    log = open_log(files, reserve_bytes=SEGMENT_BYTES)
    while log.segment_count < 2:
        commit(log, log_record(FIRST, hard_state=voted(1, "n1")))
    log.release()
    log.release()
    commit(log, log_record(FIRST, hard_state=voted(2, "n1")))
    files.capacity_bytes = 4 * SEGMENT_BYTES
    log.release()
    assert log.disk_state().spare_count >= 1


def test_enospc_for_a_new_segment_without_reserve_is_a_failed_write() -> None:
    files = MemoryFiles(capacity_bytes=SEGMENT_BYTES)
    log = open_log(files)
    pending = [log.append([log_record(FIRST, entries=entries(index, index, 1, b"x" * 600))]) for index in range(1, 20)]
    with pytest.raises(OSError, match="full") as caught:
        log.write(pending)
    assert caught.value.errno == ENOSPC
    assert open_log(files, life=2).groups[FIRST].last_index >= 4


def test_numbers_for_metrics_count_what_happened() -> None:
    log = open_log(MemoryFiles())
    commit(log, log_record(FIRST, entries=entries(1, 1)))
    commit(log, log_record(FIRST, entries=entries(2, 2)))
    assert (log.fsync_count, log.segment_count, log.bytes_total) == (2, 1, SEGMENT_BYTES)
    assert log.fsync_ns_total > 0
