"""The bodies of the read requests, parsed: every member is known and checked, or it is refused with its pointer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final, Generic, TypeVar

from raftdoc.document import DocumentId, check_id, id_key
from raftdoc.document.path import Path, split_path
from raftdoc.document.value import JsonValue
from raftdoc.errors import InvalidId, InvalidQuery, UnknownOption
from raftdoc.limits import GET_MANY_IDS_MAX, LIST_LIMIT_DEFAULT, LIST_LIMIT_MAX, REQUEST_TIMEOUT_MS_MAX, SKIP_MAX
from raftdoc.query.aggregate import Pipeline, parse_pipeline
from raftdoc.query.filter import Filter, parse_filter
from raftdoc.query.find import FindQuery, Selection
from raftdoc.query.literals import child_pointer
from raftdoc.query.position_token import Position
from raftdoc.query.projection import Projection, parse_projection
from raftdoc.query.sort import Sort, parse_sort

Body = dict[str, Any]
Query = TypeVar("Query")
BAD_VALUE: Final = 2
TYPE_MISMATCH: Final = 14

BUDGETS: Final = ("hint", "max_time_ms", "max_docs_examined", "require_index")
FIND_MEMBERS: Final = ("filter", "sort", "projection", "limit", "skip", "cursor", *BUDGETS)
COUNT_MEMBERS: Final = ("filter", *BUDGETS)
DISTINCT_MEMBERS: Final = ("field", "filter", *BUDGETS)
AGGREGATE_MEMBERS: Final = ("pipeline", *BUDGETS)
EXPLAIN_MEMBERS: Final = ("filter", "sort", "projection", "limit", "skip", "pipeline", *BUDGETS)
GET_MANY_MEMBERS: Final = ("ids", "projection", "max_time_ms")


@dataclass(frozen=True, slots=True)
class ReadRequest(Generic[Query]):
    """A query, and what of the request is about the time it may take and where it goes on."""

    query: Query
    max_time_ms: int | None = None
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class DistinctQuery:
    selection: Selection
    path: Path


@dataclass(frozen=True, slots=True)
class AggregateQuery:
    selection: Selection
    """What the pipeline is given: with a leading `$match`, only what it matches."""
    pipeline: Pipeline


@dataclass(frozen=True, slots=True)
class GetManyQuery:
    ids: tuple[DocumentId, ...]
    keys: tuple[bytes, ...]
    projection: Projection | None


def check_members(body: Body, known: tuple[str, ...]) -> None:
    """Check that a body has no member but the known ones.

    Raises:
        UnknownOption: points to the first that nothing reads.
    """
    for name in body:
        if name not in known:
            raise UnknownOption(f"there is no member {name[:100]!r} here", pointer=child_pointer("", name))


def parse_find(body: Body) -> ReadRequest[FindQuery]:
    """Return the request of `C/query`.

    Raises:
        UnknownOption, InvalidQuery: with a pointer into the body.
    """
    check_members(body, FIND_MEMBERS)
    cursor = body.get("cursor")
    if cursor is not None and not isinstance(cursor, str):
        raise _wrong("a cursor is a string", "/cursor")
    return ReadRequest(_find_query(body), _time(body), cursor)


def _find_query(body: Body) -> FindQuery:
    selection = _selection(body, _filter(body))
    projection: Projection | None = None
    if body.get("projection") is not None:
        projection = parse_projection(body["projection"], "/projection")
        projection.check_filter(selection.filter)
    return FindQuery(
        filter=selection.filter,
        hint=selection.hint,
        require_index=selection.require_index,
        documents_max=selection.documents_max,
        sort=_sort(body),
        projection=projection,
        limit=_integer(body, "limit", 1, LIST_LIMIT_MAX) or LIST_LIMIT_DEFAULT,
        skip=_integer(body, "skip", 0, SKIP_MAX) or 0,
    )


def go_on(query: FindQuery, after: Position, *, limit: int | None = None) -> FindQuery:
    """Return the query that goes on behind a position, for so many rows; None: as many as before."""
    return replace(query, after=after, limit=query.limit if limit is None else limit)


def with_page_bytes(query: FindQuery, bytes_max: int) -> FindQuery:
    """Return the query with pages of about so many bytes."""
    return replace(query, bytes_max=bytes_max)


def parse_count(body: Body) -> ReadRequest[Selection]:
    """Return the request of `C/count`. Raises as `parse_find`."""
    check_members(body, COUNT_MEMBERS)
    return ReadRequest(_selection(body, _filter(body)), _time(body))


def parse_distinct(body: Body) -> ReadRequest[DistinctQuery]:
    """Return the request of `C/distinct`. Raises as `parse_find`."""
    check_members(body, DISTINCT_MEMBERS)
    field = body.get("field")
    if not isinstance(field, str) or not field:
        raise _wrong("field is a path", "/field", TYPE_MISMATCH)
    path = split_path(field, "/field")
    return ReadRequest(DistinctQuery(_selection(body, _filter(body)), path), _time(body))


def parse_aggregate(body: Body) -> ReadRequest[AggregateQuery]:
    """Return the request of `C/aggregate`. Raises as `parse_find`."""
    check_members(body, AGGREGATE_MEMBERS)
    if "pipeline" not in body:
        raise _wrong("a pipeline is needed", "/pipeline", TYPE_MISMATCH)
    pipeline = parse_pipeline(body["pipeline"], "/pipeline")
    selection = _selection(body, pipeline.filter or parse_filter({}))
    return ReadRequest(AggregateQuery(selection, pipeline), _time(body))


def parse_explain(body: Body) -> ReadRequest[FindQuery | AggregateQuery]:
    """Return the request of `C/explain`: that of a query, or of an aggregation where it has a pipeline."""
    check_members(body, EXPLAIN_MEMBERS)
    if "pipeline" in body:
        check_members(body, AGGREGATE_MEMBERS)
        aggregation = parse_aggregate(body)
        return ReadRequest(aggregation.query, aggregation.max_time_ms)
    return ReadRequest(_find_query(body), _time(body))


def parse_get_many(body: Body) -> ReadRequest[GetManyQuery]:
    """Return the request of `C/get-many`. Raises as `parse_find`, and InvalidId."""
    check_members(body, GET_MANY_MEMBERS)
    ids = body.get("ids")
    if not isinstance(ids, list) or len(ids) > GET_MANY_IDS_MAX:
        raise _wrong(f"ids is an array of at most {GET_MANY_IDS_MAX}", "/ids", TYPE_MISMATCH)
    projection = parse_projection(body["projection"], "/projection") if body.get("projection") is not None else None
    if projection is not None:
        projection.check_filter(parse_filter({}))
    known = tuple([_id(value, f"/ids/{place}") for place, value in enumerate(ids)])
    return ReadRequest(GetManyQuery(known, tuple([id_key(id) for id in known]), projection), _time(body))


def _id(value: JsonValue, pointer: str) -> DocumentId:
    try:
        return check_id(value)
    except InvalidId as error:
        error.pointer = pointer
        raise


def _selection(body: Body, filter: Filter) -> Selection:
    return Selection(
        filter=filter,
        hint=_hint(body.get("hint")),
        require_index=_flag(body, "require_index"),
        documents_max=_integer(body, "max_docs_examined", 1, (1 << 63) - 1),
    )


def _filter(body: Body) -> Filter:
    spec = body.get("filter")
    return parse_filter({} if spec is None else spec, "/filter")


def _sort(body: Body) -> Sort | None:
    spec = body.get("sort")
    if spec is None:
        return None
    sort = parse_sort(spec, "/sort")
    return sort if sort.fields else None


def _hint(value: object) -> str | None:
    if value is not None and not isinstance(value, str):
        raise _wrong("a hint is the name of an index", "/hint")
    return value


def _flag(body: Body, name: str) -> bool:
    value = body.get(name, False)
    if not isinstance(value, bool):
        raise _wrong(f"{name} is true or false", f"/{name}", TYPE_MISMATCH)
    return value


def _time(body: Body) -> int | None:
    return _integer(body, "max_time_ms", 1, REQUEST_TIMEOUT_MS_MAX)


def _integer(body: Body, name: str, least: int, most: int) -> int | None:
    value = body.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise _wrong(f"{name} is an integer from {least} to {most}", f"/{name}")
    return value


def _wrong(detail: str, pointer: str, mongo_code: int = BAD_VALUE) -> InvalidQuery:
    return InvalidQuery(detail, pointer=pointer, mongo_code=mongo_code)
