"""`find`, `aggregate`, `count` and `distinct` of the recorded cases, as read requests of the API."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, TypeVar

import orjson

from raftdoc.errors import InvalidQuery
from raftdoc.limits import LIST_LIMIT_MAX
from raftdoc.query.aggregate import parse_pipeline
from raftdoc.query.answers import aggregate_work, count_work, distinct_work, find_work
from raftdoc.query.context import Context
from raftdoc.query.expression import evaluate, parse_expression
from raftdoc.query.expressions.compile import check_bindable
from raftdoc.query.requests import go_on, parse_aggregate, parse_count, parse_distinct, parse_find

from .database import NOW, Database

Answer = dict[str, Any]
Result = TypeVar("Result")

SEED = 7
INVALID_NAMESPACE = 73
NOTHING = "nothing"
"""The collection that a pipeline without one is run over."""


def find(database: Database, command: Answer) -> Answer:
    """Answer `{"find": c, "filter": f, "projection": p, "sort": s, "skip": n, "limit": n}`."""
    body = {name: command[name] for name in ("filter", "projection", "sort", "skip") if command.get(name)}
    query = parse_find({**body, "limit": min(command.get("limit") or LIST_LIMIT_MAX, LIST_LIMIT_MAX)}).query
    found: list[Any] = []
    while True:
        page = _run(find_work(query), database, command["find"], _context())
        found += map(orjson.loads, page.documents)
        if page.after is None or command.get("limit"):
            return {"cursor": {"firstBatch": found}}
        query = go_on(query, page.after)


def aggregate(database: Database, command: Answer) -> Answer:
    """Answer `{"aggregate": c, "pipeline": [...], "let": {...}}`; c is 1 where no collection is read."""
    values = _outer_values(command.get("let", {}))
    if values:
        pipeline = parse_pipeline(command["pipeline"], "/pipeline", variables=frozenset(values))
        query = replace(parse_aggregate({"pipeline": []}).query, pipeline=pipeline)
    else:
        query = parse_aggregate({"pipeline": command["pipeline"]}).query
    collection = command["aggregate"]
    if not isinstance(collection, str):
        if not query.pipeline.is_source:
            raise InvalidQuery(
                "the first stage gives no documents", pointer="/pipeline/0", mongo_code=INVALID_NAMESPACE
            )
        collection = NOTHING
    answer = _run(aggregate_work(query), database, collection, _context(values))
    return {"cursor": {"firstBatch": [orjson.loads(document) for document in answer.documents]}}


def count(database: Database, command: Answer) -> Answer:
    """Answer `{"count": c, "query": f}`."""
    query = parse_count({"filter": command.get("query") or {}}).query
    return {"n": _run(count_work(query), database, command["count"], _context()).members["count"]}


def distinct(database: Database, command: Answer) -> Answer:
    """Answer `{"distinct": c, "key": field, "query": f}`."""
    query = parse_distinct({"field": command["key"], "filter": command.get("query") or {}}).query
    return {"values": _run(distinct_work(query), database, command["distinct"], _context()).members["values"]}


def _context(values: dict[str, Any] | None = None) -> Context:
    return Context(now=NOW, variables=values or {}, seed=SEED)


def _run(work: Any, database: Database, collection: str, context: Context) -> Any:
    """Do the steps of some work over a collection, which exists as soon as somebody speaks of it."""
    database.create_collection(collection)
    reader = database.machine.reader()
    try:
        return _last(work(reader.collection(collection), replace(context, reader=reader)))
    finally:
        reader.close()


def _last(steps: Iterator[Result | None]) -> Result:
    *_, answer = steps
    assert answer is not None
    return answer


def _outer_values(let: dict[str, Any]) -> dict[str, Any]:
    """Return the values of the variables that a request defines for its expressions."""
    names = [check_bindable(name, f"/let/{name}") for name in let]
    return {name: evaluate(parse_expression(let[name], f"/let/{name}"), {}, _context()) for name in names}
