"""What the read requests answer, as work in steps: None is a pause, the last step the answer.

The costs of an answer are in its Stats; the time is added by who ran the steps, for nothing here has a clock.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from typing import Any, Final, NamedTuple, TypeAlias, TypeVar

import orjson

from raftdoc.errors import QueryOverBudget
from raftdoc.limits import LIST_BYTES_MAX, SCAN_SLICE_BYTES
from raftdoc.query.context import Context
from raftdoc.query.execute import Counters, Document, Rows
from raftdoc.query.filter import parse_filter
from raftdoc.query.find import FindQuery, Selection, choose, count, distinct, find, rows_of
from raftdoc.query.plan import Plan
from raftdoc.query.position_token import Position
from raftdoc.query.reader import DocumentReader
from raftdoc.query.requests import AggregateQuery, DistinctQuery, GetManyQuery

Answer = TypeVar("Answer")
Steps: TypeAlias = Generator[Answer | None, None, None]
Work: TypeAlias = Callable[[DocumentReader, Context], Steps[Answer]]
"""Who gives up before the answer closes the steps."""

EXCEEDED_MEMORY: Final = 292


class Stats(NamedTuple):
    """What an answer cost."""

    documents_examined: int
    keys_examined: int
    index_name: str | None
    """That was read; None: the documents themselves."""

    @classmethod
    def of(cls, plan: Plan, counters: Counters) -> Stats:
        return cls(counters.documents_examined, counters.keys_examined, None if plan.index is None else plan.index.name)


class FindAnswer(NamedTuple):
    documents: list[bytes]
    after: Position | None
    stats: Stats


class ValuesAnswer(NamedTuple):
    """Of count, distinct and explain: members of the answer."""

    members: dict[str, Any]
    stats: Stats


def find_work(query: FindQuery) -> Work[FindAnswer]:
    """Return the work of one page."""

    def work(reader: DocumentReader, context: Context) -> Steps[FindAnswer]:
        for page in find(query, reader, context):
            if page is None:
                yield None
            else:
                yield FindAnswer(page.documents, page.after, Stats.of(page.plan, page.counters))

    return work


def count_work(query: Selection) -> Work[ValuesAnswer]:
    """Return the work of a count."""

    def work(reader: DocumentReader, context: Context) -> Steps[ValuesAnswer]:
        for step in count(query, reader, context):
            yield None if step is None else ValuesAnswer({"count": step[0]}, Stats.of(step[1], step[2]))

    return work


def distinct_work(query: DistinctQuery) -> Work[ValuesAnswer]:
    """Return the work of the different values at a path."""

    def work(reader: DocumentReader, context: Context) -> Steps[ValuesAnswer]:
        for step in distinct(query.selection, query.path, reader, context):
            yield None if step is None else ValuesAnswer({"values": step[0]}, Stats.of(step[1], step[2]))

    return work


def get_many_work(query: GetManyQuery) -> Work[FindAnswer]:
    """Return the work of reading documents by their ids, in that order; those that are not there are left out."""

    def work(reader: DocumentReader, context: Context) -> Steps[FindAnswer]:
        everything = parse_filter({})
        documents: list[bytes] = []
        examined = byte_count = slice_bytes = 0
        for place, key in enumerate(query.keys):
            if place % 16 == 15 or slice_bytes >= SCAN_SLICE_BYTES:
                slice_bytes = 0
                yield None
            body = reader.get(key)
            if body is None:
                continue
            examined += 1
            slice_bytes += len(body)
            if query.projection is not None:
                body = orjson.dumps(query.projection.apply(orjson.loads(body), everything, context))
                if context.budget.rest():
                    yield None
            documents.append(body)
            byte_count += len(body)
            _check_size(byte_count, "/ids")
        yield FindAnswer(documents, None, Stats(examined, 0, None))

    return work


def aggregate_work(query: AggregateQuery) -> Work[FindAnswer]:
    """Return the work of a pipeline, whose whole result is the answer."""

    def work(reader: DocumentReader, context: Context) -> Steps[FindAnswer]:
        counters = Counters(documents_max=query.selection.documents_max, budget=context.budget)
        documents: list[bytes] = []
        byte_count = 0
        source, stats = _source(query, reader, context, counters)
        for document in query.pipeline.run(source, context):
            if document is None:
                yield None
                continue
            documents.append(orjson.dumps(document))
            byte_count += len(documents[-1])
            _check_size(byte_count, "/pipeline")
        yield FindAnswer(documents, None, stats())

    return work


def _check_size(byte_count: int, pointer: str) -> None:
    if byte_count > LIST_BYTES_MAX:
        raise QueryOverBudget(
            f"the answer is more than {LIST_BYTES_MAX} bytes", pointer=pointer, mongo_code=EXCEEDED_MEMORY
        )


def _source(
    query: AggregateQuery, reader: DocumentReader, context: Context, counters: Counters
) -> tuple[Iterator[Document | None], Callable[[], Stats]]:
    """Return what goes into the pipeline, and what tells its cost afterwards."""
    if query.pipeline.is_source:
        return iter(()), lambda: Stats(0, 0, None)
    plan, rows = rows_of(query.selection, reader, context, counters)
    return _documents(rows), lambda: Stats.of(plan, counters)


def _documents(rows: Rows) -> Iterator[Document | None]:
    for row in rows:
        yield None if row is None else row.decoded()


def explain_work(query: FindQuery | AggregateQuery) -> Work[ValuesAnswer]:
    """Return the work of telling the plans of a request, and of running it for its actual cost."""
    run = find_work(query) if isinstance(query, FindQuery) else aggregate_work(query)
    selection = query if isinstance(query, FindQuery) else query.selection

    def work(reader: DocumentReader, context: Context) -> Steps[ValuesAnswer]:
        plans = choose(selection, reader)
        for step in run(reader, context):
            if step is None:
                yield None
                continue
            members = {
                "plan": plans.chosen.describe(),
                "rejected": [plan.describe() for plan in plans.rejected],
                "returned": len(step.documents),
            }
            yield ValuesAnswer(members, step.stats)

    return work
