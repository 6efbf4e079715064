"""Every operation of the HTTP API, as data: the router, the checks of a request, OpenAPI and the tests read this table.

An operation that is not here does not exist; a query parameter or a header that it does not list is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final, NamedTuple

JSON: Final = "application/json"
NDJSON: Final = "application/x-ndjson"
TEXT: Final = "text/plain"


class Access(Enum):
    """What an operation touches, which decides the headers that mean something to it."""

    LOCAL = "local"
    """This node only."""
    READ = "read"
    WRITE = "write"


class Body(Enum):
    """What an operation reads."""

    NONE = "none"
    OBJECT = "object"
    """A JSON object; none at all counts as `{}`."""
    DOCUMENT = "document"
    DOCUMENTS = "documents"
    """One document, or NDJSON: read by the handler as it arrives."""


_ALWAYS = {
    b"accept",
    b"content-encoding",
    b"content-length",
    b"content-type",
    b"expect",
    b"if-modified-since",
    b"raftdoc-timeout",
    b"x-request-id",
}
_FIELDS: Final = {
    Access.LOCAL: frozenset(_ALWAYS | {b"if-none-match"}),
    Access.READ: frozenset(
        _ALWAYS | {b"if-none-match", b"raftdoc-consistency", b"raftdoc-max-staleness", b"raftdoc-min-index"}
    ),
    Access.WRITE: frozenset(_ALWAYS | {b"idempotency-key", b"raftdoc-consistency"}),
}


class Answer(NamedTuple):
    status: int
    text: str
    schema: str | None = None
    """A name in `schemas.SCHEMAS`; None: no body."""
    media: tuple[str, ...] = (JSON,)
    headers: tuple[str, ...] = ()
    """Names in `openapi.RESPONSE_HEADERS`, beside those that every answer of its access has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    id: str
    method: str
    path: str
    """With `{name}` where a segment is a parameter."""
    summary: str
    access: Access
    query: tuple[str, ...] = ()
    """Names in `openapi.QUERY_PARAMETERS`."""
    preconditions: tuple[bytes, ...] = ()
    body: Body = Body.NONE
    answers: tuple[Answer, ...]
    errors: tuple[int, ...] = ()
    """Statuses of refusals, beside those that every operation of its access or with a body may answer."""

    @property
    def fields(self) -> frozenset[bytes]:
        """The header fields that may be sent, of those that raftdoc reads."""
        return _FIELDS[self.access] | frozenset(self.preconditions)

    @property
    def media(self) -> tuple[str, ...]:
        """What the operation can answer with when it succeeds; the first is the default."""
        return next((answer.media for answer in self.answers if answer.schema is not None), ())


DATABASES = "/v1/dbs"
DATABASE = "/v1/dbs/{db}"
COLLECTIONS = DATABASE + "/collections"
COLLECTION = COLLECTIONS + "/{collection}"
DOCUMENTS = COLLECTION + "/docs"
DOCUMENT = DOCUMENTS + "/{id}"

_TAG = ("ETag", "Last-Modified")
_LOCATED = ("Location",)
_REPLAY = ("Idempotency-Replayed", "Idempotency-Expires")

OPERATIONS: Final[tuple[Operation, ...]] = (
    Operation(
        id="list_databases",
        method="GET",
        path=DATABASES,
        summary="List the databases, by name.",
        access=Access.READ,
        answers=(Answer(200, "All of them.", "Databases"),),
    ),
    Operation(
        id="create_database",
        method="PUT",
        path=DATABASE,
        summary="Create a database. Answers when it accepts writes.",
        access=Access.WRITE,
        body=Body.OBJECT,
        answers=(
            Answer(201, "It was created.", "Database", headers=(*_LOCATED, *_REPLAY)),
            Answer(200, "It was there, with the same options.", "Database", headers=_REPLAY),
        ),
        errors=(409,),
    ),
    Operation(
        id="get_database",
        method="GET",
        path=DATABASE,
        summary="Show a database.",
        access=Access.READ,
        answers=(Answer(200, "What it is.", "Database"),),
    ),
    Operation(
        id="delete_database",
        method="DELETE",
        path=DATABASE,
        summary="Delete a database with all its collections.",
        access=Access.WRITE,
        answers=(Answer(204, "It is gone.", headers=_REPLAY),),
    ),
    Operation(
        id="list_collections",
        method="GET",
        path=COLLECTIONS,
        summary="List the collections of a database, by name, with their sizes.",
        access=Access.READ,
        answers=(Answer(200, "All of them.", "Collections"),),
    ),
    Operation(
        id="create_collection",
        method="PUT",
        path=COLLECTION,
        summary="Create a collection with options. Its first write would create it as well.",
        access=Access.WRITE,
        body=Body.OBJECT,
        answers=(
            Answer(201, "It was created.", "Collection", headers=(*_LOCATED, *_REPLAY)),
            Answer(200, "It was there, with the same options.", "Collection", headers=_REPLAY),
        ),
        errors=(409,),
    ),
    Operation(
        id="get_collection",
        method="GET",
        path=COLLECTION,
        summary="Show a collection: its options, how many documents and bytes it has.",
        access=Access.READ,
        answers=(Answer(200, "What it is.", "Collection"),),
    ),
    Operation(
        id="delete_collection",
        method="DELETE",
        path=COLLECTION,
        summary="Delete a collection with its documents. A later write creates it anew.",
        access=Access.WRITE,
        answers=(Answer(204, "It is gone.", headers=_REPLAY),),
    ),
    Operation(
        id="list_documents",
        method="GET",
        path=DOCUMENTS,
        summary="List documents in the order of their ids.",
        access=Access.READ,
        query=("limit", "cursor"),
        answers=(Answer(200, "One page.", "Page", media=(JSON, NDJSON)),),
    ),
    Operation(
        id="create_documents",
        method="POST",
        path=DOCUMENTS,
        summary="Create one document (JSON) or many (NDJSON). A document without `_id` gets one.",
        access=Access.WRITE,
        query=("atomic",),
        body=Body.DOCUMENTS,
        answers=(
            Answer(201, "The one document was created.", "Written", headers=(*_LOCATED, "ETag", *_REPLAY)),
            Answer(200, "All documents were created; one line for each.", "Results", (NDJSON,), _REPLAY),
            Answer(207, "Some were not; one line for each.", "Results", (NDJSON,), _REPLAY),
        ),
        errors=(409, 422),
    ),
    Operation(
        id="get_document",
        method="GET",
        path=DOCUMENT,
        summary="Get a document.",
        access=Access.READ,
        query=("id_type",),
        preconditions=(b"if-match",),
        answers=(
            Answer(200, "The document, `_id` first.", "Document", headers=_TAG),
            Answer(304, "It still has the entity tag of If-None-Match.", headers=_TAG),
        ),
        errors=(412,),
    ),
    Operation(
        id="put_document",
        method="PUT",
        path=DOCUMENT,
        summary="Create or replace a document.",
        access=Access.WRITE,
        query=("id_type",),
        preconditions=(b"if-match", b"if-none-match"),
        body=Body.DOCUMENT,
        answers=(
            Answer(201, "It was created.", "Written", headers=(*_LOCATED, "ETag", *_REPLAY)),
            Answer(200, "It was replaced.", "Written", headers=("ETag", *_REPLAY)),
        ),
        errors=(412, 422),
    ),
    Operation(
        id="delete_document",
        method="DELETE",
        path=DOCUMENT,
        summary="Delete a document.",
        access=Access.WRITE,
        query=("id_type",),
        preconditions=(b"if-match",),
        answers=(Answer(204, "It is gone.", headers=_REPLAY),),
        errors=(412,),
    ),
    Operation(
        id="get_request",
        method="GET",
        path=DATABASE + "/requests/{key}",
        summary="Tell what became of the write with this idempotency key.",
        access=Access.READ,
        answers=(Answer(200, "It was decided.", "RequestRecord"),),
    ),
    Operation(
        id="get_catalog_request",
        method="GET",
        path="/v1/requests/{key}",
        summary="Tell what became of the creation or deletion of a database with this idempotency key.",
        access=Access.READ,
        answers=(Answer(200, "It was decided.", "RequestRecord"),),
    ),
    Operation(
        id="get_cluster",
        method="GET",
        path="/v1/cluster",
        summary="Show the cluster as this node sees it.",
        access=Access.LOCAL,
        answers=(Answer(200, "Members, groups and limits.", "Cluster"),),
    ),
    Operation(
        id="list_groups",
        method="GET",
        path="/v1/cluster/groups",
        summary="List the Raft groups as this node sees them.",
        access=Access.LOCAL,
        answers=(Answer(200, "Those that have a replica here.", "Groups"),),
    ),
    Operation(
        id="transfer_leader",
        method="POST",
        path="/v1/cluster/transfer-leader",
        summary="Ask this node to hand the leadership of a group over.",
        access=Access.LOCAL,
        body=Body.OBJECT,
        answers=(Answer(202, "The hand-over has begun.", "Transfer"),),
        errors=(404,),
    ),
    Operation(
        id="livez",
        method="GET",
        path="/livez",
        summary="Answer while the process serves at all.",
        access=Access.LOCAL,
        answers=(Answer(200, "It does.", "Status"),),
    ),
    Operation(
        id="readyz",
        method="GET",
        path="/readyz",
        summary="Answer 200 when this node can serve, else 503 with what is missing.",
        access=Access.LOCAL,
        answers=(Answer(200, "It can.", "Status"),),
    ),
    Operation(
        id="metrics",
        method="GET",
        path="/metrics",
        summary="Show the metrics of this node in Prometheus' text format.",
        access=Access.LOCAL,
        answers=(Answer(200, "All of them.", "Text", (TEXT,)),),
    ),
    Operation(
        id="openapi",
        method="GET",
        path="/openapi.json",
        summary="Show this description.",
        access=Access.LOCAL,
        answers=(Answer(200, "OpenAPI 3.1.", "Object"),),
    ),
)
