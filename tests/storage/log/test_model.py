"""The shared log against a plain model: many groups, any order of turns, releases, restarts and crashes.

Seeded and weighted rather than left to hypothesis, whose machines crash too often to ever fill a segment.
"""

from __future__ import annotations

from random import Random

import pytest

from raftdoc.ids import GroupId, Incarnation, Index, NodeId, Term
from raftdoc.raft import Configuration
from raftdoc.storage.log.log import LogRecord, PendingWrite, log_record
from raftdoc.storage.log.memory_files import MemoryFiles

from .model import GroupModel, LogModel, entries, observe, open_log, voted

STEPS = 400


class SharedLogWorld:
    """A log on a disk that may crash, beside what it should hold."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.files = MemoryFiles(auto_settle=False)
        self.life = 0
        self.group_count = self.random.randint(1, 5)
        self.entry_bytes = self.random.choice([0, 40, 400, 1500])
        self.segments_seen = 0
        self.released_count = 0
        self.acknowledged = LogModel({})
        self.reopen([self.acknowledged])

    def reopen(self, possible: list[LogModel]) -> None:
        self.life += 1
        self.log = open_log(self.files, life=self.life)
        self.acknowledged = observe(self.log)
        assert self.acknowledged in possible
        self.newest = self.acknowledged
        self.waiting: list[tuple[PendingWrite, LogModel]] = []
        """Frames appended and not acknowledged, oldest first, and the log after each."""
        self.written_count = 0
        """How many of them were handed to the disk."""

    def step(self) -> None:
        actions = [self.turn] * 12 + [self.write] * 6 + [self.acknowledge] * 5 + [self.release] * 2
        self.random.choice([*actions, self.crash, self.kill, self.restart])()
        self.segments_seen = max(self.segments_seen, self.log.segment_count)

    def turn(self) -> None:
        records = [
            self.record(GroupId(self.random.randint(1, self.group_count))) for _ in range(self.random.randint(1, 3))
        ]
        self.waiting.append((self.log.append(records), self.newest))

    def record(self, group: GroupId) -> LogRecord:
        model = self.newest.groups.get(group, GroupModel())
        makers = [self.appended] * 10 + [self.replaced] * 2 + [self.compacted] * 4 + [self.voted] * 2 + [self.relocated]
        makers += [self.snapshot_installed, self.dropped] if self.random.random() < 0.2 else []
        record = self.random.choice(makers)(group, model)
        self.newest = self.newest.apply([record])
        return record

    def appended(self, group: GroupId, model: GroupModel) -> LogRecord:
        term = max(1, model.last_term) + (self.random.random() < 0.1)
        first, count = model.last_index + 1, self.random.randint(1, 4)
        made = entries(first, first + count - 1, term, self.random.randbytes(self.random.randint(0, self.entry_bytes)))
        return log_record(group, hard_state=voted(term) if self.random.random() < 0.5 else None, entries=made)

    def replaced(self, group: GroupId, model: GroupModel) -> LogRecord:
        first = max(model.compacted[0] + 1, model.last_index + 1 - self.random.randint(0, 6))
        made = entries(first, first + self.random.randint(-1, 4), model.last_term + 1, b"another")
        return log_record(group, truncate_from=Index(first), entries=made)

    def compacted(self, group: GroupId, model: GroupModel) -> LogRecord:
        gone = model.entries[: self.random.randint(0, len(model.entries))]
        return log_record(group, compacted=(gone[-1].index, gone[-1].term) if gone else model.compacted)

    def voted(self, group: GroupId, model: GroupModel) -> LogRecord:
        vote = self.random.choice([None, "n1", "n2"])
        configuration = Configuration((NodeId("n1"), NodeId("n3"))) if self.random.random() < 0.3 else None
        return log_record(group, hard_state=voted(self.random.randint(1, 99), vote), configuration=configuration)

    def relocated(self, group: GroupId, model: GroupModel) -> LogRecord:
        if not model.entries:
            return self.voted(group, model)
        start = self.random.randrange(len(model.entries))
        return log_record(group, relocated=True, entries=model.entries[start : start + self.random.randint(1, 5)])

    def snapshot_installed(self, group: GroupId, model: GroupModel) -> LogRecord:
        point = (Index(model.last_index + self.random.randint(0, 9)), Term(model.last_term + 1))
        return log_record(
            group,
            hard_state=voted(point[1]),
            compacted=point,
            configuration=Configuration((NodeId("n1"),), (), (NodeId("n2"),)),
            incarnation=Incarnation(model.incarnation + 1),
        )

    def dropped(self, group: GroupId, model: GroupModel) -> LogRecord:
        return log_record(group, tombstone=True)

    def write(self) -> None:
        self.log.write([pending for pending, _ in self.waiting[self.written_count :]])
        self.written_count = len(self.waiting)

    def acknowledge(self) -> None:
        """Some of what was written becomes durable; the rest may still be lost."""
        count = self.random.randint(0, self.written_count)
        if count == self.written_count:
            self.files.settle()
            for pending, model in self.waiting[:count]:
                self.log.durable(pending)
                self.acknowledged = model
            del self.waiting[:count]
            self.written_count = 0
        if not self.waiting:
            assert observe(self.log) == self.acknowledged

    def release(self) -> None:
        self.released_count += len(self.log.release())

    def crash(self) -> None:
        self.files.crash(self.random)
        self.reopen(self.possible())

    def kill(self) -> None:
        """The process dies and the page cache stays: what the next one finds there it takes for durable."""
        self.reopen(self.possible())

    def possible(self) -> list[LogModel]:
        return [self.acknowledged] + [model for _, model in self.waiting[: self.written_count]]

    def restart(self) -> None:
        self.write()
        self.files.settle()
        newest = self.newest
        self.log.close()
        self.files.settle()
        self.reopen([newest])


@pytest.mark.parametrize("seed", [*range(30), 1039, 1042, 1073, 1239])
def test_the_log_holds_what_the_model_holds_through_crashes_and_releases(seed: int) -> None:
    world = SharedLogWorld(seed)
    for _ in range(STEPS):
        world.step()


def test_the_random_runs_reach_rolls_and_releases() -> None:
    worlds = [SharedLogWorld(seed) for seed in range(12)]
    for world in worlds:
        for _ in range(STEPS):
            world.step()
    assert sum(world.segments_seen > 3 for world in worlds) > 5
    assert sum(world.released_count > 3 for world in worlds) > 5
