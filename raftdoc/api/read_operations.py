"""The operations that read many documents: lists and queries."""

from __future__ import annotations

from typing import Final

from raftdoc.api.operation import JSON, NDJSON, Access, Answer, Body, Operation

COLLECTION: Final = "/v1/dbs/{db}/collections/{collection}"


def _query(id: str, name: str, summary: str, request: str, answer: str, *, streams: bool = False) -> Operation:
    return Operation(
        id=id,
        method="POST",
        path=f"{COLLECTION}/{name}",
        summary=summary,
        access=Access.READ,
        body=Body.OBJECT,
        request=request,
        answers=(Answer(200, "What was found.", answer, media=(JSON, NDJSON) if streams else (JSON,)),),
    )


READ_OPERATIONS: Final[tuple[Operation, ...]] = (
    Operation(
        id="list_documents",
        method="GET",
        path=f"{COLLECTION}/docs",
        summary="List documents: in the order of their ids, or those that a filter matches in the order of a sort.",
        access=Access.READ,
        query=("filter", "sort", "fields", "limit", "cursor", "skip"),
        answers=(Answer(200, "One page.", "Page", media=(JSON, NDJSON)),),
    ),
    _query("query_documents", "query", "Find documents.", "QueryRequest", "Page", streams=True),
    _query("count_documents", "count", "Count documents.", "CountRequest", "Count"),
    _query("distinct_values", "distinct", "List the different values at a path.", "DistinctRequest", "Values"),
    _query("aggregate_documents", "aggregate", "Run a pipeline of stages.", "AggregateRequest", "Page", streams=True),
    _query(
        "explain_query",
        "explain",
        "Tell how a query or a pipeline is run, and what it costs.",
        "ExplainRequest",
        "Plans",
    ),
    _query("get_documents", "get-many", "Get documents by their ids.", "GetManyRequest", "Page", streams=True),
)
