"""The log as the core sees it: the newest entries in memory, older ones on disk, the terms of all.

Source: dissertation 3.5, 5.1.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Protocol

from raftdoc.errors import Compacted
from raftdoc.ids import Index, Term
from raftdoc.raft.messages import Entry
from raftdoc.raft.settings import Restored

ENTRY_OVERHEAD_BYTES = 64


class EntryReader(Protocol):
    """Reads entries that are durable. The seam to the log on disk."""

    def read(self, first: Index, last: Index, bytes_max: int) -> list[Entry]:
        """Return a prefix of the entries first..last, at least one, no more than bytes_max of payload beyond it."""
        ...


class LogView:
    """Entries compacted_index + 1 .. last_index; those from `_offset` on are in memory."""

    __slots__ = (
        "_cache_bytes_max",
        "_entries",
        "_offset",
        "_reader",
        "_run_firsts",
        "_run_terms",
        "cached_bytes",
        "compacted_index",
        "compacted_term",
        "compacted_time_ms",
        "last_index",
        "last_term",
    )

    def __init__(self, restored: Restored, reader: EntryReader, cache_bytes_max: int) -> None:
        self._reader = reader
        self._cache_bytes_max = cache_bytes_max
        self.compacted_index = restored.compacted_index
        self.compacted_term = restored.compacted_term
        self.compacted_time_ms = 0
        """The log time at compacted_index, where a snapshot brought it in this life; else 0."""
        self.last_index = restored.last_index
        self.last_term = restored.last_term
        # Invariant: runs are by rising first index; the first begins at compacted_index + 1 where there is an entry.
        self._run_firsts = [first for first, _ in restored.term_runs]
        self._run_terms = [term for _, term in restored.term_runs]
        self._entries: list[Entry] = []
        self._offset = restored.last_index + 1
        self.cached_bytes = 0

    def term_at(self, index: Index) -> Term:
        """Return the term of the entry at index.

        Defined for compacted_index <= index <= last_index: the term of the last compacted entry is kept, because
        AppendEntries is matched against it.

        Raises:
            Compacted: index is below that range; the peer needs a snapshot.
        """
        if index == self.last_index:
            return self.last_term
        if index <= self.compacted_index:
            if index == self.compacted_index:
                return self.compacted_term
            raise Compacted(index, Index(self.compacted_index + 1))
        assert index < self.last_index, (index, self.last_index)
        return self._run_terms[bisect_right(self._run_firsts, index) - 1]

    def matches(self, index: Index, term: Term) -> bool:
        """Return whether this log has an entry of that term at index, as far as it still knows."""
        return self.compacted_index <= index <= self.last_index and self.term_at(index) == term

    def last_at_most(self, index: Index, term: Term) -> Index:
        """Return the last index not above index whose entry may agree with a log that ends there with that term.

        Between there and index all terms are higher, so a log whose terms are not cannot agree. What is compacted is
        not looked at, but for its last term: the result may lie below compacted_index.
        """
        index = min(index, self.last_index)
        run = bisect_right(self._run_firsts, index) - 1
        while run >= 0 and self._run_terms[run] > term:
            index = Index(self._run_firsts[run] - 1)
            run -= 1
        if index == self.compacted_index and self.compacted_term > term:
            return Index(index - 1)
        return index

    def last_time_ms(self) -> int:
        """Return the log time of the last entry.

        It may be 0 when that entry is compacted, which the state machine guards against.
        """
        if self.last_index == self.compacted_index:
            return self.compacted_time_ms
        return self.entries(self.last_index, self.last_index, 1)[0].time_ms

    def cached(self) -> list[Entry]:
        """Return the entries that are in memory: the newest, without a gap."""
        return self._entries

    def cached_at(self, index: Index) -> Entry | None:
        """Return an entry if it is in memory."""
        position = index - self._offset
        return self._entries[position] if 0 <= position < len(self._entries) else None

    def append(self, entry: Entry) -> None:
        """Add the entry that follows last_index."""
        assert entry.index == self.last_index + 1, (entry.index, self.last_index)
        assert entry.term >= self.last_term, (entry.term, self.last_term)
        if not self._run_terms or entry.term != self._run_terms[-1]:
            self._run_firsts.append(entry.index)
            self._run_terms.append(entry.term)
        self._entries.append(entry)
        self.cached_bytes += len(entry.payload) + ENTRY_OVERHEAD_BYTES
        self.last_index = entry.index
        self.last_term = entry.term

    def truncate(self, index: Index) -> None:
        """Discard the entries from index on."""
        assert self.compacted_index < index <= self.last_index, (self.compacted_index, index, self.last_index)
        kept = max(0, index - self._offset)
        self.cached_bytes -= sum(len(entry.payload) + ENTRY_OVERHEAD_BYTES for entry in self._entries[kept:])
        del self._entries[kept:]
        self._offset = min(self._offset, index)
        last_term = self.term_at(Index(index - 1))
        while self._run_firsts and self._run_firsts[-1] >= index:
            self._run_firsts.pop()
            self._run_terms.pop()
        self.last_index = Index(index - 1)
        self.last_term = last_term

    def entries(self, first: Index, last: Index, bytes_max: int) -> list[Entry]:
        """Return a prefix of the entries first..last, at least one, up to bytes_max of payload."""
        assert self.compacted_index < first <= last <= self.last_index, (first, last, self.last_index)
        if first < self._offset:
            return self._reader.read(first, min(last, Index(self._offset - 1)), bytes_max)
        start = first - self._offset
        found = self._entries[start : last - self._offset + 1]
        if len(found) == 1:
            return found
        total = 0
        for count, entry in enumerate(found):
            total += len(entry.payload)
            if total > bytes_max and count:
                return found[:count]
        return found

    def reset(self, index: Index, term: Term, time_ms: int) -> None:
        """Begin anew after the entry (index, term) of that log time, which a snapshot contains."""
        self._run_firsts.clear()
        self._run_terms.clear()
        self._entries.clear()
        self.cached_bytes = 0
        self._offset = index + 1
        self.compacted_index = self.last_index = index
        self.compacted_term = self.last_term = term
        self.compacted_time_ms = time_ms

    def evict(self, index: Index) -> None:
        """Let entries up to index, durable and committed, leave memory where it holds more than it should."""
        if self.cached_bytes > self._cache_bytes_max:
            self.shrink(index, self._cache_bytes_max // 2)

    def shrink(self, index: Index, bytes_max: int) -> None:
        """Let entries up to index, durable and committed, leave memory until it holds no more than bytes_max."""
        count = 0
        for entry in self._entries:
            if entry.index > index or self.cached_bytes <= bytes_max:
                break
            self.cached_bytes -= len(entry.payload) + ENTRY_OVERHEAD_BYTES
            count += 1
        del self._entries[:count]
        self._offset += count

    def compact(self, index: Index) -> None:
        """Let go of everything up to and including index, keeping its term."""
        assert self.compacted_index <= index <= self.last_index, (self.compacted_index, index, self.last_index)
        term = self.term_at(index)
        keep = bisect_right(self._run_firsts, index + 1) - 1
        if keep > 0:
            del self._run_firsts[:keep], self._run_terms[:keep]
        if index == self.last_index:
            self._run_firsts.clear()
            self._run_terms.clear()
        elif self._run_firsts:
            self._run_firsts[0] = max(self._run_firsts[0], Index(index + 1))
        if index > self.compacted_index:
            self.compacted_time_ms = 0
        self.compacted_index, self.compacted_term = index, term
        drop = min(len(self._entries), max(0, index + 1 - self._offset))
        self.cached_bytes -= sum(len(entry.payload) + ENTRY_OVERHEAD_BYTES for entry in self._entries[:drop])
        del self._entries[:drop]
        self._offset = max(self._offset, index + 1)
