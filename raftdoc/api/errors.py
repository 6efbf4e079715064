"""Every error as an answer: RFC 9457 problem details, with one table from class to status."""

from __future__ import annotations

from typing import Any, Final

import orjson

from raftdoc import errors
from raftdoc.api.exchange import Response
from raftdoc.errors import RaftdocError
from raftdoc.ids import NodeId

STATUS: Final[dict[type[RaftdocError], int]] = {
    RaftdocError: 500,
    errors.InvalidRequest: 400,
    errors.InvalidDocument: 422,
    errors.UpdateRefused: 422,
    errors.TooLarge: 413,
    errors.HeadersTooLarge: 431,
    errors.MethodNotAllowed: 405,
    errors.NotAcceptable: 406,
    errors.UnsupportedMediaType: 415,
    errors.UnsupportedExpectation: 417,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.PreconditionFailed: 412,
    errors.KeyReused: 422,
    errors.KeyExpired: 422,
    errors.Unavailable: 503,
    errors.DeadlineExceeded: 504,
    errors.OutcomeUnknown: 503,
    errors.DiskFull: 507,
    errors.Compacted: 410,
    errors.Fatal: 500,
}
"""A class that is not here has the status of the nearest above it that is."""

PROBLEM_JSON: Final = "Content-Type: application/problem+json\r\n"
RETRY_AFTER_MS: Final = 1000
RETRIED_STATUSES: Final = frozenset({429, 503, 507})


def status_of(cls: type[RaftdocError]) -> int:
    """Return the HTTP status of an error class."""
    return next(STATUS[above] for above in cls.__mro__ if above in STATUS)


def status_of_code(code: str) -> int:
    """Return the HTTP status of an error's code; that of a code that no class has is 500."""
    if code.endswith("_not_found"):
        return status_of(errors.NotFound)
    return status_of(errors.CATALOGUE.get(code, RaftdocError))


def title_of_code(code: str) -> str:
    return errors.NotFound.title if code.endswith("_not_found") else errors.CATALOGUE.get(code, RaftdocError).title


def describe(error: RaftdocError) -> dict[str, Any]:
    """Return the members of a problem that the error itself decides."""
    problem: dict[str, Any] = {
        "type": urn(error.code),
        "title": error.title,
        "status": status_of(type(error)),
        "detail": error.detail,
        "code": error.code,
        "retryable": error.retryable,
        "outcome": error.outcome,
    }
    places = _places(error)
    if places:
        problem["errors"] = places
    return problem | _data(error)


def urn(code: str) -> str:
    """Return the problem type of a code."""
    return "urn:raftdoc:problem:" + code.replace("_", "-")


def _places(error: RaftdocError) -> list[dict[str, Any]]:
    if isinstance(error, errors.InvalidLine):
        place: dict[str, Any] = {"line": error.line, "code": error.cause.code, "detail": error.cause.detail}
        return [place if error.pointer is None else place | {"pointer": error.pointer}]
    if isinstance(error, errors.NotReady):
        return [{"detail": what} for what in error.missing]
    if error.pointer is not None:
        return [{"pointer": error.pointer, "detail": error.detail}]
    return []


def _data(error: RaftdocError) -> dict[str, Any]:
    """Return the attributes that a program may act on."""
    if isinstance(error, errors.TooLarge):
        return {"limit": error.limit}
    if isinstance(error, errors.NotLeader):
        return {"leader": error.leader}
    if isinstance(error, errors.Compacted):
        return {"first": error.first}
    if isinstance(error, errors.InvalidQuery):
        return {"mongo_code": error.mongo_code}
    if isinstance(error, errors.NotIndexable):
        return {"mongo_code": error.mongo_code, "index": error.index}
    if isinstance(error, errors.DuplicateKey):
        key = {} if error.key is None else {"key": error.key}
        return {"mongo_code": error.mongo_code, "index": error.index} | key
    return {}


def problem_response(error: RaftdocError, *, node: NodeId, request_id: str) -> Response:
    """Return the whole answer for an error."""
    body = describe(error) | {"node": node, "request_id": request_id}
    return Response(body["status"], _fields(error), orjson.dumps(body))


def _fields(error: RaftdocError) -> str:
    fields = PROBLEM_JSON
    if isinstance(error, errors.MethodNotAllowed):
        fields += f"Allow: {', '.join(error.allowed)}\r\n"
    if isinstance(error, errors.UnsupportedMediaType) and error.accept_patch:
        fields += f"Accept-Patch: {', '.join(error.accept_patch)}\r\n"
    if error.replayed:
        fields += "Idempotency-Replayed: true\r\n"
    if status_of(type(error)) in RETRIED_STATUSES:
        wait_ms = error.retry_after_ms if isinstance(error, errors.Unavailable) else RETRY_AFTER_MS
        fields += f"Retry-After: {max(1, -(-wait_ms // 1000))}\r\n"
    return fields
