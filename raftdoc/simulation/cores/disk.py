"""One node's disk: the real log over files in memory, an engine in memory, and what of both is durable.

The invariants ask what a node would find if it crashed now. `Durable` answers that for the log without reading it;
after a crash the log's own recovery is compared with it: it has to find what was durable, and of what was being
written a prefix, whole records only.
"""

from __future__ import annotations

from collections import deque
from pathlib import Path
from random import Random
from typing import NamedTuple

from raftdoc.ids import GroupId, Incarnation, Index, NodeId, Term
from raftdoc.raft import Configuration, Restored
from raftdoc.raft.invariants import require
from raftdoc.raft.membership import decode_configuration
from raftdoc.raft.messages import Entry, EntryKind, HardState, Message
from raftdoc.raft.ready import LogMark
from raftdoc.storage.log.log import LogRecord, PendingWrite, RecoveredGroup, SharedLog, log_record
from raftdoc.storage.log.memory_files import MemoryFiles
from raftdoc.storage.memory import MemoryEngine

GROUP = GroupId(1)
FIRST_INCARNATION = Incarnation(1)
DIRECTORY = Path("/memory")
RESERVE_BYTES = 1
READ_BYTES = 1 << 20
CAPACITY_BYTES = 1 << 30


class Pending(NamedTuple):
    """A record on its way to the disk, and what is to happen once it is there."""

    record: LogRecord
    write: PendingWrite
    mark: LogMark | None
    """Of the core's task; None: the host's own record."""
    messages_after: list[tuple[NodeId, Message]]
    submitted_ns: int


class Durable:
    """The log of the group as the disk holds it. Implements `raft.invariants.DurableLog`."""

    __slots__ = ("compacted_index", "compacted_term", "hard_state", "terms")

    def __init__(self) -> None:
        self.hard_state = HardState()
        self.compacted_index = Index(0)
        self.compacted_term = Term(0)
        self.terms: list[Term] = []
        """Of the entries from compacted_index + 1 on."""

    @property
    def last_index(self) -> Index:
        return Index(self.compacted_index + len(self.terms))

    @property
    def last_term(self) -> Term:
        return self.terms[-1] if self.terms else self.compacted_term

    def holds(self, index: Index, term: Term) -> bool:
        """Return whether an entry of that term is at index, or was there and is compacted."""
        place = index - self.compacted_index - 1
        if place < 0:
            return True
        return place < len(self.terms) and self.terms[place] == term

    def take(self, record: LogRecord) -> None:
        """Take in a record that is durable now."""
        if record.truncate_from is not None:
            del self.terms[record.truncate_from - self.compacted_index - 1 :]
        if record.compacted is not None and record.compacted[0] > self.compacted_index:
            del self.terms[: record.compacted[0] - self.compacted_index]
            self.compacted_index, self.compacted_term = record.compacted
        self.terms.extend(entry.term for entry in record.entries)
        if record.hard_state is not None:
            self.hard_state = record.hard_state

    def copy(self) -> Durable:
        other = Durable()
        other.hard_state = self.hard_state
        other.compacted_index, other.compacted_term = self.compacted_index, self.compacted_term
        other.terms = self.terms.copy()
        return other

    def is_like(self, recovered: RecoveredGroup) -> bool:
        """Return whether recovery found just this."""
        runs: list[tuple[Index, Term]] = []
        for place, term in enumerate(self.terms):
            if not runs or runs[-1][1] != term:
                runs.append((Index(self.compacted_index + 1 + place), term))
        mine = self.hard_state.term, self.hard_state.vote, self.compacted_index, self.compacted_term, self.last_index
        hard_state = recovered.hard_state
        found = hard_state.term, hard_state.vote, recovered.compacted_index, recovered.compacted_term
        return mine == (*found, recovered.last_index) and tuple(runs) == tuple(recovered.term_runs)


class Disk:
    """Outlives the crashes of its node."""

    def __init__(self, segment_bytes: int, configuration: Configuration) -> None:
        self.files = MemoryFiles(capacity_bytes=CAPACITY_BYTES, auto_settle=False)
        self.engine = MemoryEngine()
        self.durable = Durable()
        self.pending: deque[Pending] = deque()
        self.log: SharedLog
        self._segment_bytes = segment_bytes
        self._written_count = 0
        """Of pending: those that were handed to the file, and may be there after a crash."""
        self._life = 0
        self._incarnation = FIRST_INCARNATION
        self._lost: list[Pending] = []
        self._create(configuration)

    def open(self) -> RecoveredGroup:
        """Start on what is there."""
        self._life += 1
        self.log = SharedLog.open(
            DIRECTORY,
            segment_bytes=self._segment_bytes,
            reserve_bytes=RESERVE_BYTES,
            log_bytes_max=8 * self._segment_bytes,
            files=self.files,
            life=self._life,
        )
        recovered = self.log.groups[GROUP]
        self._recognise(recovered)
        # What recovery itself did - cutting a tear, making spares - is durable before anything rests on it.
        self.files.settle()
        return recovered

    def submit(self, record: LogRecord, now_ns: int, mark: LogMark | None, after: list[tuple[NodeId, Message]]) -> None:
        """Give a record its place in the log; nothing is written yet."""
        self.pending.append(Pending(record, self.log.append([record]), mark, after, now_ns))

    def write(self) -> int:
        """Hand all that waits to the file, where a crash may leave any prefix of it; return how many records.

        Raises:
            OSError: as a real disk would.
        """
        fresh = list(self.pending)[self._written_count :]
        self._written_count = len(self.pending)
        self.log.write([pending.write for pending in fresh])
        return len(fresh)

    def settle(self) -> None:
        """Make durable what was written."""
        self.files.settle()

    def complete(self) -> Pending:
        """Take the oldest record for durable."""
        pending = self.pending.popleft()
        self._written_count -= 1
        self.log.durable(pending.write)
        self.durable.take(pending.record)
        return pending

    def fresh_incarnation(self) -> Incarnation:
        """Return an incarnation that was never used on this disk."""
        self._incarnation = Incarnation(self._incarnation + 1)
        return self._incarnation

    @property
    def is_filled(self) -> bool:
        return self.files.capacity_bytes < CAPACITY_BYTES

    def fill(self, is_filled: bool) -> None:
        """Leave no space on the disk, or all of it again."""
        used = CAPACITY_BYTES - self.files.free_bytes() if not self.is_filled else 0
        self.files.capacity_bytes = used if is_filled else CAPACITY_BYTES

    def is_full(self) -> bool:
        """Return what the log says of the space; asked only while there is reason to."""
        return self.is_filled and self.log.is_disk_full()

    def heal(self) -> None:
        """End what is wrong with the disk, but for what it did to those who used it."""
        self.fill(False)
        self.engine.busy_writes = 0

    def crash(self, random: Random) -> None:
        """Lose power."""
        self._lost = list(self.pending)[: self._written_count]
        self.pending.clear()
        self._written_count = 0
        self.files.crash(random)
        self.engine.crash(random)

    def restored(self, recovered: RecoveredGroup, applied_index: Index) -> Restored:
        """Return what a core begins from."""
        return Restored(
            hard_state=recovered.hard_state,
            configuration=recovered.configuration,
            compacted_index=recovered.compacted_index,
            compacted_term=recovered.compacted_term,
            last_index=recovered.last_index,
            last_term=recovered.last_term,
            term_runs=tuple(recovered.term_runs),
            applied_index=applied_index,
            configurations=self._configurations(recovered),
        )

    def _configurations(self, recovered: RecoveredGroup) -> tuple[tuple[Index, Configuration], ...]:
        found = []
        reader, index = self.log.reader(GROUP), Index(recovered.compacted_index + 1)
        while index <= recovered.last_index:
            entries: list[Entry] = reader.read(index, recovered.last_index, READ_BYTES)
            found += [
                (entry.index, decode_configuration(entry.payload))
                for entry in entries
                if entry.kind == EntryKind.CONFIGURATION
            ]
            index = Index(entries[-1].index + 1)
        return tuple(found)

    def _create(self, configuration: Configuration) -> None:
        """Make the group durable before anything begins, as bootstrap does."""
        log = SharedLog.open(
            DIRECTORY,
            segment_bytes=self._segment_bytes,
            reserve_bytes=RESERVE_BYTES,
            files=self.files,
            life=0,
        )
        record = log_record(GROUP, hard_state=HardState(), configuration=configuration, incarnation=FIRST_INCARNATION)
        log.write([log.append([record])])
        self.files.settle()

    def _recognise(self, recovered: RecoveredGroup) -> None:
        """Compare what recovery found with what was durable, and with each prefix of what was being written."""
        state = self.durable.copy()
        lost, self._lost = self._lost, []
        for pending in lost:
            if state.is_like(recovered):
                break
            state.take(pending.record)
        require(
            state.is_like(recovered), "P10: recovery found what was never there", recovered, self.durable.hard_state
        )
        self.durable = state
