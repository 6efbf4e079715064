"""What the log knows of one group, in memory: its newest small state, and where each live entry stands.

Entry positions are arrays of 4-byte offsets, one array per group and segment (`Span`): a million entries take 4 MB.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from raftdoc.ids import GroupId, Incarnation, Index, Term
from raftdoc.raft import Configuration
from raftdoc.raft.messages import EntryKind, HardState
from raftdoc.storage.log.records import LogRecord

NO_INCARNATION = Incarnation(0)
NO_INDEX = Index(0)
NO_TERM = Term(0)
NO_MEMBERS = Configuration(())


@dataclass(slots=True)
class Span:
    """Entries first, first + 1, ... of a group in one segment; offsets[i] is where the frame of first + i stands."""

    segment: int
    first: Index
    offsets: array[int]
    payload_bytes: int
    """Of all its entries; an estimate once some of them went."""

    @property
    def stop(self) -> Index:
        return Index(self.first + len(self.offsets))


@dataclass(slots=True, eq=False)
class Places:
    """Where entries stand whose copies are on their way to the disk."""

    spans: list[Span]


class RecoveredGroup(NamedTuple):
    """What a group starts from."""

    hard_state: HardState
    configuration: Configuration
    """In force at `compacted_index`."""
    incarnation: Incarnation
    compacted_index: Index
    compacted_term: Term
    last_index: Index
    last_term: Term
    term_runs: tuple[tuple[Index, Term], ...]
    """(first index, term) of each run of entries after compacted_index."""
    configuration_indexes: tuple[Index, ...]
    """Of the CONFIGURATION entries after compacted_index, rising."""
    floor: tuple[Term, Index]
    """Of an earlier replica of the group on this node: see `Restored.floor`."""


@dataclass(slots=True, eq=False)
class GroupLog:
    """Changed by `apply` alone, on the loop thread, or by recovery."""

    group: GroupId
    hard_state: HardState = field(default_factory=HardState)
    configuration: Configuration = NO_MEMBERS
    incarnation: Incarnation = NO_INCARNATION
    compacted_index: Index = NO_INDEX
    compacted_term: Term = NO_TERM
    last_index: Index = NO_INDEX
    term_runs: list[tuple[Index, Term]] = field(default_factory=list)
    configuration_indexes: list[Index] = field(default_factory=list)
    """Of live CONFIGURATION entries, rising."""
    floor: tuple[Term, Index] = (NO_TERM, NO_INDEX)
    has_left: bool = False
    """There is no replica of the group here; what the last one promised and acknowledged is in hard_state and floor."""
    # Invariant: the spans cover compacted_index + 1 .. last_index, in order, without gap or overlap; during recovery
    # there may be gaps, of entries in segments that are gone, until the record that compacts them is met.
    spans: list[Span] = field(default_factory=list)
    former: list[Places] = field(default_factory=list)
    """Of entries that `spans` says to be where they are not durable yet, oldest first."""
    pinned_segment: int = 0
    """No segment from this one on may be deleted for this group's sake; moves up only when what moved it is durable."""
    unsettled_count: int = 0
    """Frames under way that will move pinned_segment."""

    @property
    def needs_segments(self) -> bool:
        """Whether it has entries, or had them in the last durable state."""
        return bool(self.spans) or self.unsettled_count > 0

    @property
    def last_term(self) -> Term:
        return self.term_runs[-1][1] if self.term_runs else self.compacted_term

    def recovered(self) -> RecoveredGroup:
        """Return what the group starts from. The commit index is a hint, clamped to what is there (P11)."""
        commit = max(self.compacted_index, min(self.hard_state.commit, self.last_index))
        return RecoveredGroup(
            hard_state=self.hard_state._replace(commit=commit),
            configuration=self.configuration,
            incarnation=self.incarnation,
            compacted_index=self.compacted_index,
            compacted_term=self.compacted_term,
            last_index=self.last_index,
            last_term=self.last_term,
            term_runs=tuple(self.term_runs),
            configuration_indexes=tuple(self.configuration_indexes),
            floor=self.floor,
        )

    def departed(self, record: LogRecord) -> GroupLog | None:
        """Return what a tombstone leaves of this group: nothing, or the memory of a replica that was here."""
        if record.hard_state is None:
            return None
        floor = max(self.floor, (self.last_term, self.last_index))
        return GroupLog(self.group, hard_state=record.hard_state, floor=floor, has_left=True)

    def apply(self, record: LogRecord, segment: int, offset: int) -> bool:
        """Take in a record that stands at (segment, offset).

        Returns:
            Whether entries went, so that an older segment may no longer be needed once this is durable.
        """
        self.has_left = False
        is_reset = record.compacted is not None and record.incarnation is not None
        if record.truncate_from is not None:
            self._truncate(record.truncate_from)
        if is_reset:
            # What stands behind the point is of another history than the state that was installed.
            self._truncate(Index(self.compacted_index + 1))
        if record.compacted is not None:
            self._compact(*record.compacted)
        if record.relocated:
            offsets = array("I", [offset]) * len(record.entries)
            self.place(Span(segment, record.entries[0][0], offsets, _payload_bytes(record.entries)))
        elif record.entries:
            self._append(record.entries, segment, offset)
        if record.hard_state is not None:
            self.hard_state = record.hard_state
        if record.configuration is not None:
            self.configuration = record.configuration
        if record.incarnation is not None:
            self.incarnation = record.incarnation
        return record.truncate_from is not None or record.compacted is not None or record.relocated

    def _append(self, entries: Sequence[tuple[object, ...]], segment: int, offset: int) -> None:
        first = Index(self.last_index + 1)
        assert entries[0][0] == first, (self.group, entries[0][0], first)
        assert entries[-1][0] == first + len(entries) - 1, (self.group, entries[-1][0], first, len(entries))
        spans = self.spans
        # The last span may end before the last entry: a gap of recovery, see `spans`.
        if not spans or spans[-1].segment != segment or spans[-1].stop != first:
            spans.append(Span(segment, first, array("I"), 0))
        spans[-1].offsets.extend([offset] * len(entries))
        spans[-1].payload_bytes += _payload_bytes(entries)
        self._run_terms(entries)
        self.configuration_indexes += [entry[0] for entry in entries if entry[2] == EntryKind.CONFIGURATION]  # type: ignore[misc]
        self.last_index = Index(self.last_index + len(entries))

    def _run_terms(self, entries: Iterable[tuple[object, ...]]) -> None:
        runs = self.term_runs
        term = runs[-1][1] if runs else None
        for entry in entries:
            if entry[1] != term:
                assert term is None or entry[1] > term, (self.group, entry[:2], term)  # type: ignore[operator]
                term = entry[1]  # type: ignore[assignment]
                runs.append((entry[0], term))  # type: ignore[arg-type]

    def _truncate(self, index: Index) -> None:
        assert self.compacted_index < index <= self.last_index + 1, (self.group, index, self.last_index)
        self.spans = _parts(self.spans, Index(self.compacted_index + 1), index)
        for places in self.former:
            places.spans = _parts(places.spans, NO_INDEX, index)
        while self.term_runs and self.term_runs[-1][0] >= index:
            self.term_runs.pop()
        while self.configuration_indexes and self.configuration_indexes[-1] >= index:
            self.configuration_indexes.pop()
        self.last_index = Index(index - 1)

    def _compact(self, index: Index, term: Term) -> None:
        if index <= self.compacted_index:
            return
        self.compacted_index, self.compacted_term = index, term
        self.configuration_indexes = [found for found in self.configuration_indexes if found > index]
        if index >= self.last_index:
            self.spans, self.term_runs, self.last_index = [], [], index
            return
        start = Index(index + 1)
        self.spans = _parts(self.spans, start, Index(self.last_index + 1))
        run = bisect_right(self.term_runs, start, key=_first_of_run) - 1
        self.term_runs = [(start, self.term_runs[run][1]), *self.term_runs[run + 1 :]]

    def keep_places(self, first: Index, stop: Index) -> Places:
        """Remember where entries stand now, for as long as their copies may not be read: until `drop_places`."""
        places = Places(_parts(self.spans, first, stop))
        self.former.append(places)
        return places

    def drop_places(self, places: Places) -> None:
        """Take that the copies are durable."""
        self.former.remove(places)

    def place(self, placed: Span) -> None:
        """Say where entries stand, whatever was said before."""
        spans = self.spans
        before = _parts(spans, spans[0].first, placed.first) if spans else []
        after = _parts(spans, placed.stop, spans[-1].stop) if spans else []
        self.spans = [*before, placed, *after]

    def clamp(self) -> None:
        """Drop positions outside the live entries."""
        self.spans = _parts(self.spans, Index(self.compacted_index + 1), Index(self.last_index + 1))

    def first_missing(self) -> Index | None:
        """Return the first live entry that has no position."""
        index = Index(self.compacted_index + 1)
        for span in self.spans:
            if span.first != index:
                return index
            index = span.stop
        return None if index > self.last_index else index

    def locate(self, index: Index) -> tuple[int, int]:
        """Return (segment, offset) of the frame that holds a live entry, and can be read."""
        assert self.compacted_index < index <= self.last_index, (self.group, index)
        for places in self.former:
            for span in places.spans:
                if span.first <= index < span.stop:
                    return span.segment, span.offsets[index - span.first]
        span = self.spans[bisect_right(self.spans, index, key=_first_of_span) - 1]
        return span.segment, span.offsets[index - span.first]

    def payload_bytes_before(self, segment: int) -> int:
        """Return how many bytes of payload it holds in segments before this one."""
        return sum([span.payload_bytes for span in self.spans if span.segment < segment])

    def oldest_segment(self, otherwise: int) -> int:
        """Return the oldest segment with a live entry."""
        return min((span.segment for span in self.spans), default=otherwise)


def bury(groups: dict[GroupId, GroupLog], record: LogRecord) -> GroupLog | None:
    """Take in a tombstone; return the log that is gone, if there was one."""
    gone = groups.pop(record.group, None)
    left = None if gone is None else gone.departed(record)
    if left is not None:
        groups[record.group] = left
    return gone


def _parts(spans: Iterable[Span], start: Index, stop: Index) -> list[Span]:
    """Return what of the spans is in start <= index < stop."""
    return [_part(span, start, stop) for span in spans if span.first < stop and span.stop > start]


def _part(span: Span, start: Index, stop: Index) -> Span:
    first, stop = max(span.first, start), min(span.stop, stop)
    if first == span.first and stop == span.stop:
        return span
    payload_bytes = span.payload_bytes * (stop - first) // len(span.offsets)
    return Span(span.segment, first, span.offsets[first - span.first : stop - span.first], payload_bytes)


def _payload_bytes(entries: Iterable[tuple[Any, ...]]) -> int:
    """Return the bytes of the payloads of entries, or of the rows that they are packed as."""
    return sum([len(entry[4]) for entry in entries])


def _first_of_run(run: tuple[Index, Term]) -> Index:
    return run[0]


def _first_of_span(span: Span) -> Index:
    return span.first
