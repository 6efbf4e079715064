"""P10: what the log makes of damage, at every byte of a small log."""

from __future__ import annotations

from copy import deepcopy
from typing import NamedTuple

import pytest

from raftdoc.errors import LogCorrupt
from raftdoc.ids import GroupId, Index
from raftdoc.storage.log.log import LogRecord, SharedLog, log_record
from raftdoc.storage.log.memory_files import MemoryFiles

from .model import LogModel, commit, entries, observe, open_log, voted

NAME = "0000000000000001.log"
FIRST, SECOND = GroupId(1), GroupId(2)


class SmallLog(NamedTuple):
    files: MemoryFiles
    frames: list[tuple[int, int]]
    """(start, stop) of each frame in the segment."""
    states: list[LogModel]
    """states[n] is the log after n frames."""

    @property
    def stop(self) -> int:
        return self.frames[-1][1]


TURNS = [
    [log_record(FIRST, hard_state=voted(1, "n1")), log_record(SECOND, hard_state=voted(1, "n2"))],
    [log_record(FIRST, entries=entries(1, 2))],
    [log_record(SECOND, entries=entries(1, 1)), log_record(FIRST, entries=entries(3, 3))],
    [log_record(FIRST, hard_state=voted(2), truncate_from=Index(3), entries=entries(3, 4, term=2))],
    [log_record(SECOND, entries=entries(2, 3))],
]


def frame_starts(files: MemoryFiles, turns: list[list[LogRecord]], *, together: int = 0) -> SmallLog:
    """Write turns as frames, the last `together` of them in one write, none of these known durable to another."""
    log = open_log(files)
    frames, states, pending = [], [LogModel({})], []
    for number, turn in enumerate(turns):
        frame = log.append(turn)
        frames.append((frame.offset, frame.stop))
        states.append(states[-1].apply(turn))
        pending.append(frame)
        if number < len(turns) - together:
            log.write(pending)
            log.durable(frame)
            pending = []
    log.write(pending)
    return SmallLog(files, frames, states)


def small_log(*, together: int = 0) -> SmallLog:
    return frame_starts(MemoryFiles(), TURNS, together=together)


def reopen(files: MemoryFiles) -> LogModel:
    return observe(open_log(files, life=2))


def frame_at(log: SmallLog, offset: int) -> int:
    """Return the number of the frame that holds the byte at offset."""
    return next(number for number, (start, stop) in enumerate(log.frames) if start <= offset < stop)


def test_p10_every_flip_in_a_frame_known_durable_is_refused_naming_file_and_offset() -> None:
    log = small_log()
    for offset in range(log.frames[0][0], log.frames[-1][0]):
        files = log.files.copy()
        files.flip(NAME, offset, offset % 8)
        with pytest.raises(LogCorrupt) as caught:
            open_log(files)
        assert caught.value.file.endswith(NAME)
        assert caught.value.offset == log.frames[frame_at(log, offset)][0]


def test_p10_every_flip_in_the_last_frame_cuts_it_and_nothing_else() -> None:
    log = small_log()
    start, stop = log.frames[-1]
    for offset in range(start, stop):
        files = log.files.copy()
        files.flip(NAME, offset, offset % 8)
        assert reopen(files) == log.states[-2]


def test_p10_every_flip_in_frames_written_together_cuts_from_there_on() -> None:
    together = 3
    log = small_log(together=together)
    for offset in range(log.frames[-together][0], log.stop):
        files = log.files.copy()
        files.flip(NAME, offset, offset % 8)
        assert reopen(files) == log.states[frame_at(log, offset)]


def test_p10_every_flip_in_the_segment_header_is_refused() -> None:
    log = small_log()
    for offset in range(log.frames[0][0]):
        files = log.files.copy()
        files.flip(NAME, offset, offset % 8)
        with pytest.raises(LogCorrupt) as caught:
            open_log(files)
        assert caught.value.offset == 0


def test_p10_flips_behind_the_last_frame_change_nothing() -> None:
    log = small_log()
    for offset in range(log.stop, log.stop + 200):
        files = log.files.copy()
        files.flip(NAME, offset, offset % 8)
        assert reopen(files) == log.states[-1]


def test_p10_a_tail_lost_at_any_byte_gives_the_frames_before_it() -> None:
    log = small_log()
    for cut in range(log.frames[0][0], log.stop + 1):
        files = log.files.copy()
        files.zero(NAME, cut)
        intact = sum(stop <= cut for _, stop in log.frames)
        assert reopen(files) == log.states[intact]


def test_p10_a_hole_in_durable_frames_is_refused() -> None:
    log = small_log()
    for cut in range(log.frames[0][0], log.frames[-2][0]):
        files = log.files.copy()
        files.zero(NAME, cut, log.frames[-1][0])
        with pytest.raises(LogCorrupt) as caught:
            open_log(files)
        assert caught.value.offset == log.frames[frame_at(log, cut)][0]


def test_p10_a_file_cut_short_at_any_byte_is_refused_because_segments_are_made_whole() -> None:
    log = small_log()
    for size in range(0, log.stop + 100, 7):
        files = log.files.copy()
        files.truncate(NAME, size)
        with pytest.raises(LogCorrupt) as caught:
            open_log(files)
        assert caught.value.file.endswith(NAME)


def test_p10_after_a_clean_shutdown_damage_to_the_last_frame_is_refused() -> None:
    log = small_log()
    open_log(log.files, life=2).close()
    for offset in range(*log.frames[-1]):
        files = log.files.copy()
        files.flip(NAME, offset, offset % 8)
        with pytest.raises(LogCorrupt) as caught:
            open_log(files)
        assert caught.value.offset == log.frames[-1][0]


def test_p10_damage_to_the_closing_frame_loses_nothing() -> None:
    log = small_log()
    open_log(log.files, life=2).close()
    for offset in range(log.stop, log.stop + 60):
        files = log.files.copy()
        files.flip(NAME, offset, offset % 8)
        assert reopen(files) == log.states[-1]


def test_p10_what_follows_a_cut_is_never_taken_up_again() -> None:
    """An un-synced frame behind a torn one must not reappear once a new frame fills the gap exactly."""
    log = small_log(together=2)
    torn, _ = log.frames[-2]
    log.files.zero(NAME, torn, torn + 8)
    second_life = open_log(log.files, life=2)
    assert observe(second_life) == log.states[-3]
    commit(second_life, *TURNS[-2])
    assert second_life.append([]).offset == log.frames[-1][0], "the gap is filled exactly"
    assert reopen(log.files) == log.states[-2]


def test_p10_a_reused_file_shows_nothing_of_its_former_life() -> None:
    files = MemoryFiles()
    log = open_log(files)
    index = 0
    while not log.release():
        index += 1
        commit(log, log_record(FIRST, entries=entries(index, index, payload=b"x" * 500)))
        commit(log, log_record(FIRST, compacted=(Index(index), entries(index, index)[0].term)))
    while log.segment_count < 3:
        index += 1
        commit(log, log_record(FIRST, entries=entries(index, index, payload=b"x" * 500)))
    assert observe(open_log(files, life=2)) == observe(log)


def test_p10_a_reused_file_shows_nothing_of_its_former_life_after_any_frame() -> None:
    """Frames of one size stand at the same offsets in every segment: what follows the last one was a frame, too."""
    files = MemoryFiles()
    log = open_log(files)
    for index in range(1, 320):
        commit(log, log_record(FIRST, entries=entries(index, index, payload=b"x" * 500)))
        commit(log, log_record(FIRST, compacted=(Index(index), entries(index, index)[0].term)))
        log.release()
        if index > 256:
            assert observe(open_log(deepcopy(files), life=2)) == observe(log), index


def test_p10_damage_is_found_before_an_entry_is_sent_from_disk() -> None:
    log = small_log()
    opened = open_log(log.files, life=2)
    start, _ = log.frames[1]
    log.files.flip(NAME, start + 60)
    with pytest.raises(LogCorrupt) as caught:
        opened.reader(FIRST).read(Index(1), Index(1), 1000)
    assert (caught.value.file.endswith(NAME), caught.value.offset) == (True, start)


def rolled_log() -> tuple[MemoryFiles, SharedLog]:
    """Return a log of three segments, two of them sealed."""
    files = MemoryFiles()
    log = open_log(files)
    commit(log, *TURNS[0])
    index = 0
    while log.segment_count < 3:
        index += 1
        commit(log, log_record(FIRST, entries=entries(index, index, payload=b"x" * 300)))
    return files, log


def test_p10_every_flip_in_the_footer_of_a_sealed_segment_is_refused() -> None:
    files, log = rolled_log()
    whole = files.open(NAME).read(0, 1 << 20)
    footer = len(whole.rstrip(b"\0")) - 150
    assert footer > 0
    refused = 0
    for offset in range(footer, len(whole)):
        damaged = files.copy()
        damaged.flip(NAME, offset, offset % 8)
        try:
            reopened = open_log(damaged, life=2)
        except LogCorrupt:
            refused += 1
        else:
            assert observe(reopened) == observe(log)
    assert refused > 100


def test_p10_a_missing_segment_is_refused_by_name() -> None:
    files, _ = rolled_log()
    for name in (NAME, "0000000000000002.log"):
        damaged = files.copy()
        damaged.delete(name)
        with pytest.raises(LogCorrupt) as caught:
            open_log(damaged)
        assert "0000000000000002.log" in str(caught.value) or "in no segment" in str(caught.value)
