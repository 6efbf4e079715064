"""`find` and `aggregate` of the recorded cases."""

from __future__ import annotations

from itertools import islice
from typing import Any

from raftdoc.query.aggregate import parse_pipeline
from raftdoc.query.context import Context
from raftdoc.query.expression import evaluate, parse_expression
from raftdoc.query.expressions.compile import check_bindable
from raftdoc.query.filter import parse_filter
from raftdoc.query.projection import parse_projection
from raftdoc.query.sort import parse_sort

from .database import NOW, Database

Answer = dict[str, Any]

SEED = 7


def find(database: Database, command: Answer) -> Answer:
    """Answer `{"find": c, "filter": f, "projection": p, "sort": s, "skip": n, "limit": n}`."""
    context = Context(now=NOW, seed=SEED)
    filter_ = parse_filter(command.get("filter", {}), "/filter")
    projection = parse_projection(command.get("projection") or {}, "/projection")
    sort = parse_sort(command.get("sort") or {}, "/sort")
    found = [document for document in database.documents(command["find"]) if filter_.matches(document, context)]
    if sort.fields:
        found.sort(key=sort.key)
    start = command.get("skip", 0)
    stop = start + command["limit"] if command.get("limit") else None
    return _batch([projection.apply(document, filter_, context) for document in islice(found, start, stop)])


def aggregate(database: Database, command: Answer) -> Answer:
    """Answer `{"aggregate": c, "pipeline": [...], "let": {...}}`; c is 1 where no collection is read."""
    values = outer_values(command.get("let", {}))
    pipeline = parse_pipeline(command["pipeline"], "/pipeline", variables=frozenset(values))
    context = Context(now=NOW, variables=values, seed=SEED, reader=database)
    source = [] if pipeline.is_source else database.documents(command["aggregate"])
    return _batch([document for document in pipeline.run(source, context) if document is not None])


def outer_values(let: dict[str, Any]) -> dict[str, Any]:
    """Return the values of the variables that a request defines for its expressions."""
    names = [check_bindable(name, f"/let/{name}") for name in let]
    context = Context(now=NOW, seed=SEED)
    return {name: evaluate(parse_expression(let[name], f"/let/{name}"), {}, context) for name in names}


def _batch(documents: list[Any]) -> Answer:
    return {"cursor": {"firstBatch": documents}}
