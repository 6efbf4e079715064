"""The caller's fault: requests that are refused as they stand, whatever the state of the cluster."""

from __future__ import annotations

from raftdoc.errors.root import OutcomeKind, RaftdocError


class InvalidRequest(RaftdocError):
    code = "invalid_request"
    title = "The request is not valid"


class MalformedJson(InvalidRequest):
    code = "malformed_json"
    title = "The body is not valid JSON"


class InvalidDocument(InvalidRequest):
    code = "invalid_document"
    title = "The body is JSON but not a document"


class NotIndexable(InvalidDocument):
    """The document cannot be in `index`: a key over its limit, too many entries, or arrays in parallel."""

    code = "not_indexable"
    title = "An index of the collection cannot take the document"

    def __init__(self, detail: str, *, index: str = "", mongo_code: int = 0) -> None:
        super().__init__(detail)
        self.index = index
        self.mongo_code = mongo_code


class InvalidId(InvalidRequest):
    code = "invalid_id"
    title = "The document id is not valid"


class InvalidName(InvalidRequest):
    code = "invalid_name"
    title = "The name is not valid"


class UnknownOption(InvalidRequest):
    code = "unknown_option"
    title = "The request has an option that nothing reads"


class InvalidCursor(InvalidRequest):
    code = "invalid_cursor"
    title = "The cursor was not made by this query of this cluster"

    def __init__(self, detail: str, *, pointer: str | None = "/cursor", outcome: OutcomeKind = "not_applied") -> None:
        super().__init__(detail, pointer=pointer, outcome=outcome)


class InvalidQuery(InvalidRequest):
    """A fault in a filter, projection, update, pipeline or expression, or a value that an operator cannot take.

    `pointer` is where it stands in the request; `mongo_code` is the number that the dialect gives this fault.
    """

    code = "invalid_query"
    title = "The query is not valid"

    def __init__(self, detail: str, *, pointer: str, mongo_code: int) -> None:
        super().__init__(detail, pointer=pointer)
        self.mongo_code = mongo_code


class UpdateRefused(InvalidQuery):
    code = "update_refused"
    title = "The update cannot be done to this document"


class InvalidPatch(InvalidRequest):
    code = "invalid_patch"
    title = "The body is no patch"


class QueryOverBudget(InvalidQuery):
    """The query would do more than its own bounds or those of the system allow: narrow it, or give it an index."""

    code = "query_over_budget"
    title = "The query does more than it may"


class IndexRequired(InvalidQuery):
    """The query asked to be refused rather than to read the whole collection."""

    code = "index_required"
    title = "No index can answer the query"


class KeyAhead(InvalidRequest):
    code = "key_ahead"
    title = "The time in the idempotency key is too far ahead"


class UnsupportedMediaType(InvalidRequest):
    code = "unsupported_media_type"
    title = "The media type is not supported here"
    accept_patch: tuple[str, ...] = ()


class TooLarge(InvalidRequest):
    code = "too_large"
    title = "The request is over a limit"

    def __init__(self, what: str, *, limit: int, unit: str = "bytes") -> None:
        super().__init__(f"{what} is over the limit of {limit} {unit}")
        self.limit = limit


class HeadersTooLarge(TooLarge):
    code = "headers_too_large"
    title = "The request line or the header fields are over a limit"


class InvalidLine(InvalidRequest):
    """Line `line`, counted from 1, of an NDJSON body has the fault `cause`; no line was applied."""

    code = "invalid_line"
    title = "A line of the body is not valid"

    def __init__(self, line: int, cause: RaftdocError) -> None:
        super().__init__(f"line {line}: {cause.detail}", pointer=cause.pointer)
        self.line = line
        self.cause = cause


class MalformedHttp(InvalidRequest):
    code = "malformed_http"
    title = "This is not a valid HTTP/1.1 request"


class MethodNotAllowed(InvalidRequest):
    code = "method_not_allowed"
    title = "The resource does not have this method"

    def __init__(self, method: str, allowed: tuple[str, ...]) -> None:
        super().__init__(f"{method} is not one of {', '.join(allowed)}")
        self.allowed = allowed


class NotAcceptable(InvalidRequest):
    code = "not_acceptable"
    title = "The resource has no representation that the request accepts"

    def __init__(self, available: tuple[str, ...]) -> None:
        super().__init__(f"Accept has to allow one of {', '.join(available)}")
        self.available = available


class UnsupportedExpectation(InvalidRequest):
    code = "unsupported_expectation"
    title = "The expectation cannot be met"
