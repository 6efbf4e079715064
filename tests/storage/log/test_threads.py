"""The log as a node uses it: one thread appends and reads, one writes, one releases, all at once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from queue import SimpleQueue
from random import Random
from threading import Thread

from raftdoc.ids import GroupId, Index
from raftdoc.storage.log.log import PendingWrite, SharedLog, log_record

from .model import LogModel, entries, observe

SEGMENT_BYTES = 64 * 1024
TURNS = 3000


class Threads:
    """The writer and the releaser, and their queues."""

    def __init__(self, log: SharedLog) -> None:
        self.to_write: SimpleQueue[PendingWrite | None] = SimpleQueue()
        self.written: SimpleQueue[PendingWrite] = SimpleQueue()
        self.to_release: SimpleQueue[bool] = SimpleQueue()
        self.failures: list[BaseException] = []
        self.released_count = 0
        self._log = log
        self._threads = [Thread(target=self._guarded, args=(work,)) for work in (self._write, self._release)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self.to_write.put(None)
        self.to_release.put(False)
        for thread in self._threads:
            thread.join()

    def _guarded(self, work: object) -> None:
        assert callable(work)
        try:
            work()
        except (OSError, AssertionError, RuntimeError) as error:
            self.failures.append(error)

    def _write(self) -> None:
        while (pending := self.to_write.get()) is not None:
            run: list[PendingWrite] = [pending]
            is_last = False
            while not self.to_write.empty() and not is_last:
                following = self.to_write.get()
                is_last = following is None
                run += [] if following is None else [following]
            self._log.write(run)
            for frame in run:
                self.written.put(frame)
            if is_last:
                return

    def _release(self) -> None:
        while self.to_release.get():
            self.released_count += len(self._log.release())


def test_appending_writing_and_releasing_at_once_loses_nothing(tmp_path: Path) -> None:
    log = SharedLog.open(tmp_path, segment_bytes=SEGMENT_BYTES)
    threads = Threads(log)
    random, model = Random(7), LogModel({})
    waiting = 0
    for turn in range(TURNS):
        group = GroupId(random.randint(1, 5))
        found = model.groups.get(group)
        first = found.last_index + 1 if found else 1
        records = [log_record(group, entries=entries(first, first, 1, random.randbytes(random.randint(0, 800))))]
        if found and found.entries and random.random() < 0.3:
            gone = random.choice(found.entries)
            records.append(log_record(group, compacted=(gone.index, gone.term)))
        model = model.apply(records)
        threads.to_write.put(log.append(records))
        waiting += 1
        waiting -= acknowledge(log, threads.written, must_wait=waiting > 50)
        if turn % 20 == 0:
            threads.to_release.put(True)
            read_some(log, model, group)
    threads.stop()
    acknowledge(log, threads.written, must_wait=False)
    assert threads.failures == []
    assert threads.released_count > 5
    log.close()
    assert observe(SharedLog.open(tmp_path, segment_bytes=SEGMENT_BYTES)) == model


def acknowledge(log: SharedLog, written: SimpleQueue[PendingWrite], *, must_wait: bool) -> int:
    """Take what the writer finished; return how much."""
    frames: list[PendingWrite] = [written.get()] if must_wait else []
    while not written.empty():
        frames.append(written.get())
    call_durable(log, frames)
    return len(frames)


def call_durable(log: SharedLog, frames: Sequence[PendingWrite]) -> None:
    for frame in frames:
        log.durable(frame)


def read_some(log: SharedLog, model: LogModel, group: GroupId) -> None:
    """Read the oldest live entry of a group, if it is durable already, which the oldest of several is."""
    found = model.groups[group]
    if len(found.entries) > 100:
        index = Index(found.entries[0].index)
        assert log.reader(group).read(index, index, 1) == [found.entries[0]]
