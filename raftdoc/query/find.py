"""The read requests over one collection: find, count, distinct; each in steps, None wherever the loop may go on.

query = parse_find(body, "")                                # of C/query
for step in find(query, reader, context): ...               # None: a pause; at last a FoundPage
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final, NamedTuple

import orjson

from raftdoc.document.path import MISSING, Path, values_at
from raftdoc.document.value import JsonValue, sort_key
from raftdoc.errors import IndexRequired, InvalidCursor, QueryOverBudget
from raftdoc.limits import DISTINCT_BYTES_MAX, LIST_BYTES_MAX
from raftdoc.query.context import Context
from raftdoc.query.execute import PAUSE_ROWS, Counters, Document, Row, Rows, count_entries, run_plan
from raftdoc.query.filter import Filter
from raftdoc.query.plan import Plan
from raftdoc.query.planner import Wanted, candidates
from raftdoc.query.position_token import Position
from raftdoc.query.projection import Projection
from raftdoc.query.reader import DocumentReader
from raftdoc.query.sort import Sort
from raftdoc.query.sorter import Sorter

NO_PLAN: Final = 291
EXCEEDED_MEMORY: Final = 292
RUN_KEYS: Final = 256
LOOK_AHEAD_STEPS: Final = 4
"""Pauses after a page is full, in which the end of the rows may show."""
ROW_BYTES: Final = 200
"""What a row takes beside its body, about."""
VALUE_BYTES: Final = 32
"""What a different value is counted with beside its JSON: it takes some hundred bytes more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which documents a request means, and how it may be answered."""

    filter: Filter
    hint: str | None = None
    require_index: bool = False
    documents_max: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FindQuery(Selection):
    """`limit` rows of an order, behind `skip` rows or behind a position."""

    sort: Sort | None = None
    projection: Projection | None = None
    limit: int
    skip: int = 0
    after: Position | None = None
    bytes_max: int = LIST_BYTES_MAX
    """Of the documents of a page, about."""


class FoundPage(NamedTuple):
    documents: list[bytes]
    """Their JSON, projected."""
    after: Position | None
    """Where to go on; None at the end."""
    plan: Plan
    counters: Counters


class Plans(NamedTuple):
    chosen: Plan
    rejected: tuple[Plan, ...]


def choose(query: Selection, reader: DocumentReader, paths: tuple[Path, ...] | None = None) -> Plans:
    """Return the plan of a request and those that were dearer.

    `paths` is what is read of each row beside the filter; None: the whole document, or what the projection says.

    Raises:
        IndexRequired: it would read the whole collection, and asked to be refused then.
        InvalidCursor: no plan goes on where its cursor stands.
        InvalidQuery: the hint names no index that can answer.
    """
    plans = candidates(_wanted(query, paths), reader)
    if isinstance(query, FindQuery) and query.after is not None:
        plans = [plan for plan in plans if _goes_on(plan, query.after)]
        if not plans:
            raise InvalidCursor("the index that the cursor is of cannot answer the query any more")
    chosen, *rejected = plans
    if query.require_index and chosen.is_full_scan and not query.filter.is_everything:
        raise IndexRequired(
            "no index narrows the query, and it requires one", pointer="/require_index", mongo_code=NO_PLAN
        )
    return Plans(chosen, tuple(rejected))


def _wanted(query: Selection, paths: tuple[Path, ...] | None) -> Wanted:
    if not isinstance(query, FindQuery):
        return Wanted(query.filter, paths=paths, hint=query.hint)
    if query.projection is not None:
        paths = query.projection.included_paths()
    return Wanted(query.filter, query.sort, query.limit + query.skip, paths, query.hint)


def _goes_on(plan: Plan, after: Position) -> bool:
    if plan.sort == "memory" or after.kind == "s":
        return plan.sort == "memory" and after.kind == "s"
    if plan.index is None:
        return after.kind == ("q" if plan.reverse else "p")
    return after.kind == ("r" if plan.reverse else "i") and after.index_id == plan.index.id


def find(query: FindQuery, reader: DocumentReader, context: Context) -> Iterator[FoundPage | None]:
    """Yield None as pauses and at last the page. Raises as `choose` does, and what filter and projection raise."""
    plan = choose(query, reader).chosen
    counters = Counters(documents_max=query.documents_max, budget=context.budget)
    in_memory = plan.sort == "memory"
    predicate = None if query.filter.is_everything else query.filter.bind(context)
    rows = run_plan(plan, reader, predicate, counters, None if in_memory else query.after)
    if in_memory:
        rows = _sorted_rows(rows, query)
    documents: list[bytes] = []
    byte_count = 0
    to_skip = 0 if query.after is not None else query.skip
    last: Position | None = None
    for row in rows:
        if row is None:
            yield None
        elif to_skip:
            to_skip -= 1
        else:
            documents.append(_projected(row, query, context))
            byte_count += len(documents[-1])
            last = row.position
            if query.projection is not None and context.budget.rest():
                yield None
            if len(documents) >= query.limit or byte_count >= query.bytes_max:
                # What is looked at from here on is not what the query asked for.
                counters.documents_max = None
                yield FoundPage(documents, last if _may_go_on(rows) else None, plan, counters)
                return
    yield FoundPage(documents, None, plan, counters)


def _may_go_on(rows: Rows) -> bool:
    """Return False where a short look ahead comes to the end: a long one could read the whole collection."""
    step_count = 0
    for row in islice(rows, LOOK_AHEAD_STEPS):
        if row is not None:
            return True
        step_count += 1
    return step_count == LOOK_AHEAD_STEPS


def _projected(row: Row, query: FindQuery, context: Context) -> bytes:
    projection = query.projection
    if projection is None or projection.is_everything:
        return row.body if row.body is not None else orjson.dumps(row.document)
    return orjson.dumps(projection.apply(row.decoded(), query.filter, context))


def _sorted_rows(rows: Rows, query: FindQuery) -> Rows:
    """Yield the rows in the order that is asked for, those behind the cursor's position only."""
    assert query.sort is not None
    after = None if query.after is None else (query.after.first, query.after.id_key)
    # One row more than the page holds tells whether there is another page.
    sorter = Sorter(query.limit + 1 + (query.skip if after is None else 0))
    for row in rows:
        if row is None:
            yield from sorter.settle()
            yield None
            continue
        key, id_key = query.sort.key(row.decoded()), row.position.id_key
        if sorter.takes(key + id_key) and (after is None or (key, id_key) > after):
            size = len(row.body or b"") + ROW_BYTES
            sorter.add(key + id_key, row._replace(position=Position("s", 0, key, id_key), document=None), size)
    for count, (_, row) in enumerate(sorter.rows(), 1):
        yield row
        if count % PAUSE_ROWS == 0:
            yield None


def count(query: Selection, reader: DocumentReader, context: Context) -> Iterator[tuple[int, Plan, Counters] | None]:
    """Yield None as pauses and at last how many documents are meant, without reading them where an index tells."""
    counters = Counters(documents_max=query.documents_max, budget=context.budget)
    plan = choose(query, reader, ()).chosen
    if query.filter.is_everything:
        yield reader.document_count, plan, counters
        return
    if plan.is_covered and plan.is_exact:
        for found in count_entries(plan, reader, counters):
            yield None if found is None else (found, plan, counters)
        return
    total = 0
    for row in run_plan(plan, reader, query.filter.bind(context), counters):
        if row is None:
            yield None
        else:
            total += 1
    yield total, plan, counters


def distinct(
    query: Selection, path: Path, reader: DocumentReader, context: Context
) -> Iterator[tuple[list[JsonValue], Plan, Counters] | None]:
    """Yield None as pauses and at last the different values at a path, elements of arrays one by one.

    Raises:
        QueryOverBudget: they are more than DISTINCT_BYTES_MAX.
    """
    plan = choose(query, reader, (path,)).chosen
    counters = Counters(documents_max=query.documents_max, budget=context.budget)
    values: dict[tuple[object, ...], JsonValue] = {}
    byte_count = 0
    predicate = None if query.filter.is_everything else query.filter.bind(context)
    for row in run_plan(plan, reader, predicate, counters):
        if row is None:
            yield None
            continue
        for value in _elements(row.decoded(), path):
            key = sort_key(value)
            if key not in values:
                values[key] = value
                byte_count += len(orjson.dumps(value)) + VALUE_BYTES
        if byte_count > DISTINCT_BYTES_MAX:
            raise QueryOverBudget(
                f"the values are more than {DISTINCT_BYTES_MAX} bytes", pointer="/field", mongo_code=EXCEEDED_MEMORY
            )
    ordered: list[JsonValue] = []
    for found in _in_order(values):
        if found is None:
            yield None
        else:
            ordered.append(values[found])
    yield ordered, plan, counters


def _in_order(keys: Iterable[tuple[object, ...]]) -> Iterator[tuple[object, ...] | None]:
    """Yield the keys in their order, and None as pauses; never sort many at once."""
    runs, left = [], iter(keys)
    while run := sorted(islice(left, RUN_KEYS)):
        runs.append(run)
        yield None
    for count, key in enumerate(heapq.merge(*runs), 1):
        yield key
        if count % RUN_KEYS == 0:
            yield None


def _elements(document: Document, path: Path) -> Iterator[JsonValue]:
    for reached in values_at(document, path, expand_leaf=False):
        if isinstance(reached, list):
            yield from reached
        elif reached is not MISSING:
            yield reached


def rows_of(query: Selection, reader: DocumentReader, context: Context, counters: Counters) -> tuple[Plan, Rows]:
    """Return the plan of a request and its rows, for what reads whole documents: pipelines, updates by filter."""
    plan = choose(query, reader).chosen
    predicate = None if query.filter.is_everything else query.filter.bind(context)
    return plan, run_plan(plan, reader, predicate, counters)
