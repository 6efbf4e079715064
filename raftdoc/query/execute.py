"""Runs a plan: yields the rows that the filter matches, and None wherever the caller may give the loop back.

A row of an array index is given at the first of its entries that the ranges hold, in the direction of reading; which
that is follows from the document, so that no list of ids already given is kept, and a page can go on anywhere.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Final, NamedTuple, TypeAlias

import orjson

from raftdoc.document import decode_key
from raftdoc.document.path import MISSING
from raftdoc.document.value import JsonValue
from raftdoc.errors import InvalidCursor, QueryOverBudget
from raftdoc.limits import SCAN_SLICE_BYTES
from raftdoc.query.context import BURST_STEPS_MAX, Budget
from raftdoc.query.index_definition import IndexDefinition
from raftdoc.query.index_keys import IndexKeyMaker, decode_values
from raftdoc.query.plan import KeyRange, Plan
from raftdoc.query.position_token import Kind, Position
from raftdoc.query.reader import DocumentReader, IndexEntry

Document: TypeAlias = dict[str, JsonValue]
Predicate: TypeAlias = Callable[[Document], bool]

PAUSE_ROWS: Final = 16
CHUNK_FIRST: Final = 16
CHUNK_MAX: Final = 128
STRING_TAG: Final = 0x30
MAX_DOCUMENTS_EXCEEDED: Final = 50


@dataclass(slots=True)
class Counters:
    """What a query did so far. `documents_max` is its budget."""

    documents_examined: int = 0
    keys_examined: int = 0
    documents_max: int | None = None
    budget: Budget = field(default_factory=Budget)
    """What the filter, and whoever takes the rows, evaluate expressions with."""

    def examine(self) -> None:
        """Count a document.

        Raises:
            QueryOverBudget: it is one more than the query may examine.
        """
        self.documents_examined += 1
        if self.documents_max is not None and self.documents_examined > self.documents_max:
            raise QueryOverBudget(
                f"the query examines more than {self.documents_max} documents",
                pointer="/max_docs_examined",
                mongo_code=MAX_DOCUMENTS_EXCEEDED,
            )


class Row(NamedTuple):
    """One match. `document` is None where nobody had to look into the body; `body` where only an index was read."""

    position: Position
    body: bytes | None
    document: Document | None

    def decoded(self) -> Document:
        """Return the document."""
        if self.document is not None:
            return self.document
        assert self.body is not None, self.position
        loaded: Document = orjson.loads(self.body)
        return loaded


Rows: TypeAlias = Iterator[Row | None]


def run_plan(
    plan: Plan,
    reader: DocumentReader,
    predicate: Predicate | None,
    counters: Counters,
    after: Position | None = None,
) -> Rows:
    """Yield the rows of a plan behind a position; predicate None: every document matches.

    Raises:
        QueryOverBudget: too many documents.
        InvalidCursor: the position is not one of this plan.
    """
    if plan.is_exact:
        predicate = None
    if plan.index is None:
        return _by_id(plan, reader, predicate, counters, after)
    return _IndexRun(plan, plan.index, reader, predicate, counters).rows(after)


def _by_id(
    plan: Plan, reader: DocumentReader, predicate: Predicate | None, counters: Counters, after: Position | None
) -> Rows:
    kind: Kind = "q" if plan.reverse else "p"
    if after is not None and after.kind != kind:
        raise InvalidCursor("the cursor is of another order")
    byte_count, row_count, budget = 0, 0, counters.budget
    for start, stop in _remaining(plan, None if after is None else after.id_key):
        for key, body in reader.scan(start, stop, reverse=plan.reverse):
            counters.examine()
            if predicate is None:
                yield Row(Position(kind, 0, b"", key), body, None)
            elif predicate(document := orjson.loads(body)):
                yield Row(Position(kind, 0, b"", key), body, document)
            byte_count += len(body)
            row_count += 1
            if budget.burst_left < BURST_STEPS_MAX:
                row_count += PAUSE_ROWS * budget.rest()
            if row_count >= PAUSE_ROWS or byte_count >= SCAN_SLICE_BYTES:
                byte_count = row_count = 0
                yield None
        # A range may hold nothing, and there may be thousands.
        row_count += 1
        if row_count >= PAUSE_ROWS:
            byte_count = row_count = 0
            yield None


def _remaining(plan: Plan, after: bytes | None) -> Iterator[KeyRange]:
    """Yield the ranges in the direction of reading, without what lies before the key `after`, and the key itself."""
    ranges = reversed(plan.ranges) if plan.reverse else iter(plan.ranges)
    for start, stop in ranges:
        if after is None:
            yield start, stop
        elif plan.reverse:
            if start < after:
                yield start, after if stop is None else min(stop, after)
        elif stop is None or after < stop:
            yield max(start, after + b"\x00"), stop


class _IndexRun:
    """One run over an index."""

    def __init__(
        self,
        plan: Plan,
        index: IndexDefinition,
        reader: DocumentReader,
        predicate: Predicate | None,
        counters: Counters,
    ) -> None:
        self._plan = plan
        self._index = index
        self._reader = reader
        self._predicate = predicate
        self._counters = counters
        self._kind: Kind = "r" if plan.reverse else "i"
        self._maker = IndexKeyMaker(index) if index.is_multikey else None
        self._names = [path for path, _ in index.fields]
        self._starts = [start for start, _ in plan.ranges]

    def rows(self, after: Position | None) -> Rows:
        """Yield the rows behind a position."""
        if after is not None and (after.kind != self._kind or after.index_id != self._index.id):
            raise InvalidCursor("the cursor is of another order")
        size = CHUNK_FIRST
        for range_count, (start, stop, place) in enumerate(self._ranges(after), 1):
            entries = self._reader.scan_index(self._index, start, stop, after=place, reverse=self._plan.reverse)
            # Entries first, then their documents: both are read with one iterator, which moves less often so.
            while chunk := list(islice(entries, size)):
                yield from self._chunk(chunk)
                size = min(size * 2, CHUNK_MAX)
            if range_count % PAUSE_ROWS == 0:
                yield None

    def _ranges(self, after: Position | None) -> Iterator[tuple[bytes, bytes | None, tuple[bytes, bytes] | None]]:
        ranges = list(self._plan.ranges)
        if self._plan.reverse:
            ranges.reverse()
        for start, stop in ranges:
            if after is None:
                yield start, stop, None
                continue
            key = after.first
            if self._plan.reverse:
                if start <= key:
                    yield start, stop, (key, after.id_key) if stop is None or key < stop else None
            elif stop is None or key < stop:
                yield start, stop, (key, after.id_key) if start <= key else None

    def _chunk(self, entries: list[IndexEntry]) -> Rows:
        byte_count, budget = 0, self._counters.budget
        for count, entry in enumerate(entries, 1):
            self._counters.keys_examined += 1
            row = self._covered(entry) if self._plan.is_covered else None
            if row is None:
                row = self._fetched(entry)
                byte_count += len(row.body or b"")
            judged = self._judge(row, entry)
            if judged is not None:
                yield judged
            is_due = budget.burst_left < BURST_STEPS_MAX and budget.rest()
            if is_due or count % PAUSE_ROWS == 0 or byte_count >= SCAN_SLICE_BYTES:
                byte_count = 0
                yield None

    def _judge(self, row: Row, entry: IndexEntry) -> Row | None:
        """Return the row if it is wanted, and wanted at this entry."""
        document = row.document
        if document is None:
            return row
        if self._predicate is not None and not self._predicate(document):
            return None
        return row if self._maker is None or entry.value_key == self._first_key(document) else None

    def _fetched(self, entry: IndexEntry) -> Row:
        body = self._reader.get(entry.id_key)
        assert body is not None, (self._index.name, entry)
        self._counters.examine()
        document = orjson.loads(body) if self._predicate is not None or self._maker is not None else None
        return Row(Position(self._kind, self._index.id, entry.value_key, entry.id_key), body, document)

    def _covered(self, entry: IndexEntry) -> Row | None:
        """Return a row made of the entry alone; None where the id's key does not tell how the id is written."""
        if entry.id_key[0] != STRING_TAG:
            return None
        document: Document = {"_id": decode_key(entry.id_key)[0]}
        for name, value in zip(self._names, decode_values(entry.value_key, entry.exact), strict=True):
            if value is not MISSING and "." not in name:
                document[name] = value
        return Row(Position(self._kind, self._index.id, entry.value_key, entry.id_key), None, document)

    def _first_key(self, document: Document) -> bytes:
        assert self._maker is not None
        keys = [key for key in self._maker.entries(document).entries if self._is_in_ranges(key)]
        return max(keys) if self._plan.reverse else min(keys)

    def _is_in_ranges(self, key: bytes) -> bool:
        # Ranges are in order and without overlap.
        at = bisect_right(self._starts, key) - 1
        if at < 0:
            return False
        stop = self._plan.ranges[at][1]
        return stop is None or key < stop


def count_entries(plan: Plan, reader: DocumentReader, counters: Counters) -> Iterator[int | None]:
    """Yield None as pauses and at last how many entries the ranges of an exact plan hold."""
    assert plan.index is not None, plan.name
    assert plan.is_exact, plan.name
    total = 0
    for start, stop in plan.ranges:
        entries = reader.scan_index(plan.index, start, stop)
        while found := sum(1 for _ in islice(entries, CHUNK_MAX)):
            total += found
            counters.keys_examined += found
            yield None
    yield total
