"""A crash at every step: what was acknowledged is there, nothing is that was never appended."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from raftdoc.ids import GroupId, Index, Term
from raftdoc.storage.log.log import LogRecord, log_record
from raftdoc.storage.log.memory_files import MemoryFiles, Operation

from .model import LogModel, entries, observe, open_log, voted

FIRST, SECOND = GroupId(1), GroupId(2)
SURVIVAL: dict[str, Callable[[int], bool]] = {
    "nothing": lambda sector: False,
    "all": lambda sector: True,
    "even sectors": lambda sector: sector % 2 == 0,
    "odd sectors": lambda sector: sector % 2 == 1,
}


def turns() -> list[list[LogRecord]]:
    """Return turns that roll segments, replace a tail, compact and drop a group."""
    made: list[list[LogRecord]] = [[log_record(SECOND, hard_state=voted(1, "n1"), entries=entries(1, 3))]]
    for index in range(1, 24):
        made.append(
            [log_record(FIRST, hard_state=voted(1, "n1", index - 1), entries=entries(index, index, 1, b"x" * 400))]
        )
    made.append([log_record(FIRST, hard_state=voted(2), truncate_from=Index(20), entries=entries(20, 22, 2))])
    made.append([log_record(FIRST, compacted=(Index(18), Term(1))), log_record(SECOND, compacted=(Index(2), Term(1)))])
    made.append([log_record(FIRST, entries=entries(23, 23, 2, b"y" * 900)), log_record(SECOND, tombstone=True)])
    made.append([log_record(FIRST, entries=entries(24, 24, 2, b"z" * 3000))])
    return made


def run(files: MemoryFiles) -> tuple[list[LogModel], list[int]]:
    """Write all turns; return the states after each, and how many operations each needed to be durable."""
    log = open_log(files)
    states, needed = [LogModel({})], [0]
    for turn in turns():
        pending = log.append(turn)
        log.write([pending])
        needed.append(len(files.unsettled))
        log.durable(pending)
        log.release()
        states.append(states[-1].apply(turn))
    return states, needed


def states_after_crash(done: int, states: list[LogModel], needed: list[int]) -> list[LogModel]:
    """Return what may be found when `done` operations survived whole: what was acknowledged, or one frame more."""
    acknowledged = max(number for number, operations in enumerate(needed) if operations <= done)
    return states[acknowledged : acknowledged + 2]


@pytest.mark.parametrize("survival", SURVIVAL)
def test_p6_crash_at_every_operation_keeps_all_acknowledged_frames_whole(survival: str) -> None:
    files = MemoryFiles(auto_settle=False)
    states, needed = run(files)
    operation_count = len(files.unsettled)
    for done in range(operation_count + 1):
        files = MemoryFiles(auto_settle=False)
        run(files)
        files.crash_after(done, SURVIVAL[survival])
        assert observe(open_log(files, life=2)) in states_after_crash(done, states, needed), done


def test_a_log_recovered_from_a_crash_goes_on_and_is_recovered_again() -> None:
    for seed in range(60):
        random = Random(seed)
        files = MemoryFiles(auto_settle=False)
        run(files)
        files.crash(random)
        log = open_log(files, life=2)
        expected = observe(log)
        for _ in range(random.randint(1, 8)):
            last = log.groups[FIRST].last_index if FIRST in log.groups else Index(0)
            record = log_record(FIRST, entries=entries(last + 1, last + 1, 9, b"n" * random.randint(1, 900)))
            pending = log.append([record])
            log.write([pending])
            log.durable(pending)
            expected = expected.apply([record])
        files.crash_after(len(files.unsettled), SURVIVAL["nothing"])
        assert observe(open_log(files, life=3)) == expected, seed


def test_a_segment_is_sealed_before_the_next_has_its_name_and_has_its_header_before_its_own() -> None:
    files = MemoryFiles(auto_settle=False)
    run(files)
    operations = files.unsettled
    names = [n for n, operation in enumerate(operations) if operation.target.endswith(".log")]
    assert len(names) >= 3
    for number in names:
        header = operations[number - 1]
        assert (header.kind, header.name, header.offset) == ("write", operations[number].name, 0)
    for number in names[1:]:
        assert _is_footer(operations[number - 2])


def _is_footer(operation: Operation) -> bool:
    return operation.kind == "write" and b"rdlogend" in operation.new
