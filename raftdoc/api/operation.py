"""What an operation of the HTTP API is, as data: the words of the table in `operations`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final, NamedTuple

JSON: Final = "application/json"
NDJSON: Final = "application/x-ndjson"
TEXT: Final = "text/plain"
MERGE_PATCH: Final = "application/merge-patch+json"
JSON_PATCH: Final = "application/json-patch+json"
UPDATE: Final = "application/vnd.raftdoc.update+json"
PATCH_MEDIA: Final = (MERGE_PATCH, JSON_PATCH, UPDATE)


class Access(Enum):
    """What an operation touches, which decides the headers that mean something to it."""

    LOCAL = "local"
    """This node only."""
    READ = "read"
    WRITE = "write"
    MEMBERSHIP = "membership"
    """A change of the cluster itself: it may be asked for twice without a key, because it names its end."""


class Body(Enum):
    """What an operation reads."""

    NONE = "none"
    OBJECT = "object"
    """A JSON object; none at all counts as `{}`."""
    OPTIONS = "options"
    """An OBJECT of OPTIONS_BYTES_MAX: it says something about other things than documents."""
    DOCUMENT = "document"
    DOCUMENTS = "documents"
    """One document, or NDJSON: read by the handler as it arrives."""
    PATCH = "patch"
    """A change of one document, in one of PATCH_MEDIA."""
    LINES = "lines"
    """NDJSON: read by the handler as it arrives."""


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
    Access.MEMBERSHIP: frozenset(_ALWAYS),
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
    request: str | None = None
    """Of an object: the name of what has to be sent, in `schemas.SCHEMAS`; None: options, which may be left out."""
    is_body_required: bool = True
    """Of an object with a name: whether there has to be one at all."""
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
MEMBERS = "/v1/cluster/members"
