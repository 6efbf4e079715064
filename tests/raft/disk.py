"""A simulated disk of one group: what is durable, and the persist tasks that are on their way."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from raftdoc.ids import Incarnation, Index, Term
from raftdoc.raft import Configuration, PersistTask, Restored, decode_configuration
from raftdoc.raft.messages import Entry, EntryKind, HardState

NOBODY = Configuration(())


class Pending(NamedTuple):
    task: PersistTask
    submitted_ns: int


class Disk:
    """Tasks become durable in the order they were submitted. It is the core's EntryReader, too."""

    def __init__(self, configuration: Configuration = NOBODY) -> None:
        self.configuration = configuration
        """In force at compacted_index."""
        self.floor = (Term(0), Index(0))
        """Where the log of an earlier replica on this node ended."""
        self.incarnation = Incarnation(1)
        self.hard_state = HardState()
        self.compacted_index = Index(0)
        self.compacted_term = Term(0)
        self.entries: list[Entry] = []
        self.pending: deque[Pending] = deque()

    @property
    def last_index(self) -> Index:
        return Index(self.compacted_index + len(self.entries))

    @property
    def last_term(self) -> Term:
        return self.entries[-1].term if self.entries else self.compacted_term

    def holds(self, index: Index, term: Term) -> bool:
        if index <= self.compacted_index:
            return True
        return index <= self.last_index and self.entries[index - self.compacted_index - 1].term == term

    def submit(self, task: PersistTask, now_ns: int) -> None:
        self.pending.append(Pending(task, now_ns))

    def complete(self) -> PersistTask:
        """Make the oldest task durable."""
        task = self.pending.popleft().task
        if task.hard_state is not None:
            self.hard_state = task.hard_state
        if task.truncate_from is not None:
            # Only what the disk has seen is truncated there.
            assert self.compacted_index < task.truncate_from <= self.last_index, (task.truncate_from, self.last_index)
            del self.entries[task.truncate_from - self.compacted_index - 1 :]
        if task.reset is not None:
            # Only what is committed may be left under a snapshot, and all of that is below it.
            assert task.reset.index > self.last_index, (task.reset, self.last_index)
            assert task.hard_state is not None
            self.entries = []
            self.compacted_index, self.compacted_term = task.reset.index, task.reset.index_term
            self.configuration, self.incarnation = task.reset.configuration, task.reset.incarnation
        for entry in task.entries:
            assert entry.index == self.last_index + 1, (entry.index, self.last_index)
            # P5: nothing of a term is on the disk before the term.
            assert entry.term <= self.hard_state.term, (entry.term, self.hard_state.term)
            self.entries.append(entry)
        assert task.mark.last_index == self.last_index, (task.mark, self.last_index)
        return task

    def crash(self, kept_count: int) -> None:
        """Lose the tasks that are not durable, but for the first kept_count."""
        for _ in range(kept_count):
            self.complete()
        self.pending.clear()

    def compact(self, index: Index, term: Term, configuration: Configuration | None = None) -> None:
        self.configuration = configuration or self.configuration
        del self.entries[: index - self.compacted_index]
        self.compacted_index, self.compacted_term = index, term

    def read(self, first: Index, last: Index, bytes_max: int) -> list[Entry]:
        assert self.compacted_index < first <= last <= self.last_index, (first, last, self.last_index)
        found: list[Entry] = []
        total = 0
        for entry in self.entries[first - self.compacted_index - 1 : last - self.compacted_index]:
            total += len(entry.payload)
            if found and total > bytes_max:
                break
            found.append(entry)
        return found

    def restored(self, applied_index: Index) -> Restored:
        runs: list[tuple[Index, Term]] = []
        for entry in self.entries:
            if not runs or runs[-1][1] != entry.term:
                runs.append((entry.index, entry.term))
        return Restored(
            hard_state=self.hard_state,
            configuration=self.configuration,
            compacted_index=self.compacted_index,
            compacted_term=self.compacted_term,
            last_index=self.last_index,
            last_term=self.last_term,
            term_runs=tuple(runs),
            applied_index=applied_index,
            configurations=tuple(
                (entry.index, decode_configuration(entry.payload))
                for entry in self.entries
                if entry.kind == EntryKind.CONFIGURATION
            ),
            floor=self.floor,
        )
