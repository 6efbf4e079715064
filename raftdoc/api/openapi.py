"""The OpenAPI 3.1 description, made from the table of operations that the server itself works by."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Any, Final

import raftdoc
from raftdoc import limits
from raftdoc.api.operation import JSON, NDJSON, PATCH_MEDIA, Access, Answer, Body, Operation
from raftdoc.api.operations import OPERATIONS
from raftdoc.api.schemas import NDJSON_LINES, PARAMETERS, SCHEMAS, Schema

PROBLEM: Final = "application/problem+json"
NAME_PATTERN: Final = rf"^[A-Za-z0-9_][A-Za-z0-9_.-]{{0,{limits.NAME_LENGTH_MAX - 1}}}$"
DURATION: Final[Schema] = {"type": "string", "pattern": "^[0-9]{1,9}(ms|s)$"}

_ANY_ERRORS: Final = frozenset({400, 405, 406, 417, 431, 500, 503})
ERRORS: Final = {
    Access.LOCAL: _ANY_ERRORS,
    Access.READ: _ANY_ERRORS | {404, 504},
    Access.WRITE: _ANY_ERRORS | {404, 422, 504, 507},
    Access.MEMBERSHIP: _ANY_ERRORS | {404, 409, 504, 507},
}
"""The refusals that any operation of its access may answer."""
BODY_ERRORS: Final = frozenset({413, 415, 504})
"""Those of an operation that reads a body."""

QUERY_PARAMETERS: Final = {
    "filter": "Which documents: a filter as JSON.",
    "sort": "In which order: names with commas between them, `-` before what descends; or a JSON object.",
    "fields": "Which fields of each document: names with commas between them, or a projection as JSON.",
    "limit": "How many documents at most.",
    "cursor": "Where to go on: a cursor of the same list.",
    "skip": "How many documents are left out at the start.",
    "atomic": "Whether all documents are written, or none.",
    "ordered": "Whether the lines of a bulk are done one after the other, up to the first that fails.",
    "id_type": "Whether the id in the path is the string itself, or the JSON text of any id.",
}

REQUEST_HEADERS: Final[dict[str, tuple[str, Schema]]] = {
    "Raftdoc-Timeout": ("The one deadline for the request and all its hops: `500ms`, `2s`.", DURATION),
    "Raftdoc-Consistency": (
        "The level of a read. A write is always linearizable.",
        {"enum": ["linearizable", "stale"], "default": "linearizable"},
    ),
    "Raftdoc-Max-Staleness": ("With `stale`: the oldest state that will do; else 503.", DURATION),
    "Raftdoc-Min-Index": (
        "A `Raftdoc-Index` of an earlier answer: the read includes at least that state.",
        {"type": "string", "pattern": "^[0-9]+:[0-9]+(,[0-9]+:[0-9]+)*$"},
    ),
    "Idempotency-Key": (
        "The caller's name for this write: the same key is never executed twice.",
        {"type": "string", "minLength": 1, "maxLength": limits.IDEMPOTENCY_KEY_BYTES_MAX},
    ),
    "If-Match": ("Only if the document has this entity tag.", {"type": "string"}),
    "If-None-Match": ("On a read: 304 if it still has this tag. On a PUT: `*`, create only.", {"type": "string"}),
    "X-Request-Id": ("The caller's name for this request in answers and logs.", {"type": "string"}),
}

RESPONSE_HEADERS: Final[dict[str, tuple[str, Schema]]] = {
    "Raftdoc-Node": ("The node that answered.", {"type": "string"}),
    "X-Request-Id": ("The name of this request in the log: the caller's, or a new one.", {"type": "string"}),
    "Raftdoc-Index": (
        "Which state this answer includes: a token for Raftdoc-Min-Index, on any node.",
        {"type": "string", "pattern": "^[0-9]+:[0-9]+(,[0-9]+:[0-9]+)*$"},
    ),
    "Raftdoc-Leader": ("The leader of the group that answered.", {"type": "string"}),
    "Raftdoc-Staleness": ("How old the state of a stale read may be at most.", {"type": "string"}),
    "ETag": ("The revision of the document: strong and opaque.", {"type": "string"}),
    "Last-Modified": ("The leader's time of the write.", {"type": "string"}),
    "Location": ("Where the created resource is.", {"type": "string"}),
    "Idempotency-Replayed": ("This is the answer of an earlier request with the same key.", {"enum": ["true"]}),
    "Idempotency-Expires": ("When the key may be forgotten.", {"type": "string"}),
    "Accept-Patch": ("With 415: the media types of a PATCH.", {"type": "string"}),
    "Allow": ("The methods that the resource has.", {"type": "string"}),
    "Retry-After": ("Seconds after which the same request may succeed.", {"type": "integer", "minimum": 1}),
}

_EVERY_ANSWER: Final = ("Raftdoc-Node", "X-Request-Id")
_STATE: Final = ("Raftdoc-Index", "Raftdoc-Leader")
_SENT_WITH: Final = {
    Access.LOCAL: ("Raftdoc-Timeout", "X-Request-Id"),
    Access.READ: (
        "Raftdoc-Timeout",
        "Raftdoc-Consistency",
        "Raftdoc-Max-Staleness",
        "Raftdoc-Min-Index",
        "X-Request-Id",
    ),
    Access.WRITE: ("Raftdoc-Timeout", "Raftdoc-Consistency", "Idempotency-Key", "X-Request-Id"),
    Access.MEMBERSHIP: ("Raftdoc-Timeout", "X-Request-Id"),
}
_ERROR_HEADERS: Final = {
    405: ("Allow",),
    415: ("Accept-Patch",),
    503: ("Retry-After",),
    507: ("Retry-After",),
    409: ("Idempotency-Replayed",),
    404: ("Idempotency-Replayed",),
    412: ("Idempotency-Replayed",),
    422: ("Idempotency-Replayed",),
}


def describe_api() -> dict[str, Any]:
    """Return the whole description."""
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        path = paths.setdefault(operation.path, {"parameters": _path_parameters(operation.path)})
        path[operation.method.lower()] = _operation(operation)
        if operation.method == "GET":
            path["head"] = _head(operation)
    return {
        "openapi": "3.1.0",
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "info": {
            "title": "raftdoc",
            "version": raftdoc.__version__,
            "summary": "JSON documents; every write goes through Raft.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {"schemas": SCHEMAS, "headers": {name: _header(name) for name in RESPONSE_HEADERS}},
    }


def _operation(operation: Operation) -> dict[str, Any]:
    described: dict[str, Any] = {"operationId": operation.id, "summary": operation.summary}
    parameters = [_query(name) for name in operation.query] + [_request_header(name) for name in _headers_of(operation)]
    described["parameters"] = parameters
    if operation.body is not Body.NONE:
        described["requestBody"] = _request_body(operation)
    responses = {str(answer.status): _response(answer, operation) for answer in operation.answers}
    for status in sorted(_errors(operation)):
        responses[str(status)] = _problem(status)
    described["responses"] = responses
    return described


def _errors(operation: Operation) -> frozenset[int]:
    errors = ERRORS[operation.access] | frozenset(operation.errors)
    return errors if operation.body is Body.NONE else errors | BODY_ERRORS


def _head(operation: Operation) -> dict[str, Any]:
    """Return GET without bodies."""
    described = _operation(operation)
    described["operationId"] = operation.id + "_head"
    described["summary"] = f"The headers of: {operation.summary}"
    for response in described["responses"].values():
        response.pop("content", None)
    return described


def _headers_of(operation: Operation) -> list[str]:
    names = list(_SENT_WITH[operation.access])
    return names + [name for name in ("If-Match", "If-None-Match") if _is_condition(operation, name)]


def _is_condition(operation: Operation, name: str) -> bool:
    is_tagged = operation.id == "get_document" and name == "If-None-Match"
    return is_tagged or name.lower().encode() in operation.preconditions


def _path_parameters(path: str) -> list[dict[str, Any]]:
    schemas: dict[str, Schema] = {
        "db": {"type": "string", "pattern": NAME_PATTERN},
        "collection": {"type": "string", "pattern": NAME_PATTERN},
        "id": {"type": "string", "minLength": 1},
        "index": {"type": "string", "pattern": NAME_PATTERN},
        "node": {"type": "string", "pattern": NAME_PATTERN},
        "operation": {"type": "string", "minLength": 1},
        "key": {"type": "string", "minLength": 1, "maxLength": limits.IDEMPOTENCY_KEY_BYTES_MAX},
    }
    names = re.findall(r"{(\w+)}", path)
    return [{"name": name, "in": "path", "required": True, "schema": schemas[name]} for name in names]


def _query(name: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": QUERY_PARAMETERS[name], "schema": PARAMETERS[name]}


def _request_header(name: str) -> dict[str, Any]:
    description, schema = REQUEST_HEADERS[name]
    return {"name": name, "in": "header", "description": description, "schema": schema}


def _header(name: str) -> dict[str, Any]:
    description, schema = RESPONSE_HEADERS[name]
    return {"description": description, "schema": schema}


def _request_body(operation: Operation) -> dict[str, Any]:
    if operation.body is Body.PATCH:
        schemas = dict(zip(PATCH_MEDIA, ("MergePatch", "JsonPatch", "Update"), strict=True))
        return {"required": True, "content": {media: {"schema": _ref(name)} for media, name in schemas.items()}}
    if operation.body is Body.LINES:
        return {"required": True, "content": {NDJSON: _lines("BulkLine")}}
    if operation.body in (Body.OBJECT, Body.OPTIONS):
        schema = _ref(operation.request or "Options")
        is_required = operation.request is not None and operation.is_body_required
        return {"required": is_required, "content": {JSON: {"schema": schema}}}
    content: dict[str, Any] = {JSON: {"schema": _ref("Document")}}
    if operation.body is Body.DOCUMENTS:
        content[NDJSON] = _lines("Document")
    return {"required": True, "content": content}


def _response(answer: Answer, operation: Operation) -> dict[str, Any]:
    names = (*_EVERY_ANSWER, *answer.headers)
    if operation.access is not Access.LOCAL:
        names += _STATE
    if operation.access is Access.READ:
        names += ("Raftdoc-Staleness",)
    described: dict[str, Any] = {"description": answer.text, "headers": _header_refs(names)}
    if answer.schema is not None:
        described["content"] = {
            media: _lines(answer.schema) if media == NDJSON else {"schema": _ref(answer.schema)}
            for media in answer.media
        }
    return described


def _lines(name: str) -> dict[str, Any]:
    """Return the description of an NDJSON body. `x-line` is the schema of one line: OpenAPI 3.1 has no word for it."""
    return {"schema": {"type": "string"}, "x-line": _ref(NDJSON_LINES[name])}


def _problem(status: int) -> dict[str, Any]:
    names = (*_EVERY_ANSWER, *_STATE, *_ERROR_HEADERS.get(status, ()))
    return {
        "description": HTTPStatus(status).phrase + ".",
        "headers": _header_refs(names),
        "content": {PROBLEM: {"schema": _ref("Problem")}},
    }


def _header_refs(names: tuple[str, ...]) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}
