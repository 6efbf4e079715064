"""What the loop writes itself and what the thread does; always in order, told once, never after a failure."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from errno import EIO

import pytest

from raftdoc.limits import (
    LOG_LOOP_WRITE_BYTES_MAX,
    LOG_LOOP_WRITE_MEAN_US_MAX,
    LOG_LOOP_WRITE_PAUSE,
    LOG_LOOP_WRITE_US_MAX,
    NS_PER_US,
)
from raftdoc.node.log_writer import LogWriter, Ticket
from raftdoc.storage.log.log import PendingWrite
from raftdoc.storage.log.writing import Roll

QUICK_NS = LOG_LOOP_WRITE_US_MAX * NS_PER_US // 4
SLOW_NS = LOG_LOOP_WRITE_US_MAX * NS_PER_US + 1
PAUSE_NS = SLOW_NS * LOG_LOOP_WRITE_PAUSE


class ScriptedLog:
    """Says that writes took what the test wants, and in which thread they were made."""

    def __init__(self) -> None:
        self.fsync_ns_total = 0
        self.write_ns = QUICK_NS
        self.written: list[tuple[int, bool]] = []
        """(offset, whether the loop's thread wrote it)"""
        self.error: OSError | None = None
        self.gate = threading.Event()
        self.gate.set()
        self._loop_thread = threading.get_ident()

    def write(self, pending: Sequence[PendingWrite]) -> None:
        assert self.gate.wait(10)
        if self.error is not None:
            raise self.error
        self.fsync_ns_total += self.write_ns
        is_loop = threading.get_ident() == self._loop_thread
        self.written += [(frame.offset, is_loop) for frame in pending]


class Bench:
    def __init__(self) -> None:
        self.log = ScriptedLog()
        self.done: list[int] = []
        self.errors: list[OSError] = []
        self.changed = asyncio.Event()
        self.writer = LogWriter(self.log, asyncio.get_running_loop(), on_done=self._on_done, on_failed=self._on_failed)

    def submit(self, offset: int, *, at_ns: int = 0, size: int = 100, roll: Roll | None = None) -> None:
        if self.writer.submit(Ticket(PendingWrite(1, offset, [bytes(size)], roll), [], at_ns)):
            self.done.append(offset)

    async def until_done(self, count: int) -> None:
        async with asyncio.timeout(10):
            while len(self.done) < count:
                self.changed.clear()
                await self.changed.wait()

    def _on_done(self, tickets: list[Ticket]) -> None:
        self.done += [ticket.pending.offset for ticket in tickets]
        self.changed.set()

    def _on_failed(self, error: OSError) -> None:
        self.errors.append(error)
        self.changed.set()


async def test_small_frame_on_a_quick_disk_is_durable_when_submit_returns() -> None:
    bench = Bench()
    bench.submit(0)
    assert bench.done == [0]
    assert bench.log.written == [(0, True)]
    assert bench.writer.oldest_submitted_ns() is None
    bench.writer.close()


@pytest.mark.parametrize(
    ("size", "roll"),
    [(LOG_LOOP_WRITE_BYTES_MAX + 1, None), (100, Roll(2, b"", 0, None, 0))],
    ids=["large", "first_of_a_segment"],
)
async def test_frame_that_takes_its_time_is_the_threads(size: int, roll: Roll | None) -> None:
    bench = Bench()
    bench.submit(0, size=size, roll=roll)
    await bench.until_done(1)
    assert bench.log.written == [(0, False)]
    bench.writer.close()


async def test_frame_behind_an_unfinished_one_waits_its_turn() -> None:
    bench = Bench()
    bench.log.gate.clear()
    bench.submit(0, at_ns=7, size=LOG_LOOP_WRITE_BYTES_MAX + 1)
    bench.submit(1, at_ns=9)
    assert bench.writer.oldest_submitted_ns() == 7
    bench.log.gate.set()
    await bench.until_done(2)
    assert bench.done == [0, 1]
    assert [offset for offset, _ in bench.log.written] == [0, 1]
    bench.writer.close()


async def test_slow_write_gives_the_next_ones_to_the_thread_for_a_while() -> None:
    bench = Bench()
    bench.log.write_ns = SLOW_NS
    bench.submit(0, at_ns=0)
    bench.log.write_ns = QUICK_NS
    bench.submit(1, at_ns=PAUSE_NS - 1)
    await bench.until_done(2)
    bench.submit(2, at_ns=PAUSE_NS)
    assert bench.log.written == [(0, True), (1, False), (2, True)]
    bench.writer.close()


async def test_slow_write_does_not_end_the_pause_after_a_slower_one() -> None:
    bench = Bench()
    bench.log.write_ns = 10 * SLOW_NS
    bench.submit(0)
    bench.log.write_ns = SLOW_NS
    bench.submit(1, at_ns=1)
    await bench.until_done(2)
    bench.submit(2, at_ns=2 * PAUSE_NS)
    await bench.until_done(3)
    assert bench.log.written == [(0, True), (1, False), (2, False)]
    bench.writer.close()


async def test_disk_that_stays_slow_never_holds_the_loop_again() -> None:
    bench = Bench()
    bench.log.write_ns = SLOW_NS
    for count in range(5):
        bench.submit(count, at_ns=count * (PAUSE_NS - 1))
        await bench.until_done(count + 1)
    assert [is_loop for _, is_loop in bench.log.written] == [True, False, False, False, False]
    bench.writer.close()


async def test_disk_whose_writes_are_slow_in_the_mean_is_the_threads_until_they_are_quick_again() -> None:
    bench = Bench()
    bench.log.write_ns = (LOG_LOOP_WRITE_MEAN_US_MAX + 500) * NS_PER_US
    assert bench.log.write_ns < SLOW_NS, "none of them is slow by itself"
    for offset in range(100):
        bench.submit(offset)
        await bench.until_done(offset + 1)
    by_loop = [is_loop for _, is_loop in bench.log.written]
    assert by_loop == sorted(by_loop, reverse=True), "the loop first, then the thread"
    assert 0 < sum(by_loop) < 50
    bench.log.write_ns = QUICK_NS
    for offset in range(100, 120):
        bench.submit(offset)
        await bench.until_done(offset + 1)
    assert bench.log.written[-1] == (119, True)


async def test_large_writes_do_not_count_for_the_mean_of_small_ones() -> None:
    bench = Bench()
    bench.log.write_ns = SLOW_NS - 1
    for offset in range(50):
        bench.submit(offset, size=LOG_LOOP_WRITE_BYTES_MAX + 1)
        await bench.until_done(offset + 1)
    bench.submit(50)
    assert bench.log.written[-1] == (50, True)


@pytest.mark.parametrize("size", [100, LOG_LOOP_WRITE_BYTES_MAX + 1], ids=["loop", "thread"])
async def test_p9_after_a_failed_write_nothing_is_written_and_it_is_told_once(size: int) -> None:
    bench = Bench()
    bench.log.error = OSError(EIO, "broken")
    bench.submit(0, at_ns=5, size=size)
    bench.submit(1)
    async with asyncio.timeout(10):
        await bench.changed.wait()
    bench.submit(2)
    bench.log.error = None
    bench.writer.close()
    await asyncio.sleep(0)
    assert [str(error) for error in bench.errors] == ["[Errno 5] broken"]
    assert (bench.done, bench.log.written) == ([], [])
    assert bench.writer.oldest_submitted_ns() == 5
