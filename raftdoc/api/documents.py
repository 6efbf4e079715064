"""One document: GET, PUT, DELETE. The hot path of the whole server."""

from __future__ import annotations

from collections.abc import Awaitable
from functools import lru_cache, partial
from typing import Final

import orjson

from raftdoc.api.answers import http_date, location, replay_fields
from raftdoc.api.backend import DocumentBackend
from raftdoc.api.exchange import JSON, Call, Later, Reply, Response
from raftdoc.api.parsing import Parser
from raftdoc.api.preconditions import is_create_only, is_unchanged, revision_to_match
from raftdoc.api.settings import HttpSettings
from raftdoc.document import DocumentId, id_key, parse_document, parse_id, parse_name, with_id
from raftdoc.errors import InvalidId, InvalidRequest, NotFound
from raftdoc.statemachine.outcome import Outcome, StoredDocument

NAMES_KEPT: Final = 4096

checked_name = lru_cache(maxsize=NAMES_KEPT)(parse_name)
"""`parse_name`, remembering the names that pass."""


def document_id(call: Call) -> DocumentId:
    """Return the id that the last segment of the path names, as `id_type` says.

    Raises:
        InvalidRequest: `id_type` is something else, or the segment is no id.
    """
    text = call.parameters[-1]
    if not call.query:
        return parse_id(text)
    kind = call.query["id_type"]
    if kind not in ("string", "json"):
        raise InvalidRequest(f"id_type is string or json, not {kind[:100]!r}")
    return parse_id(text, is_json=kind == "json")


class Documents:
    def __init__(self, backend: DocumentBackend, settings: HttpSettings, parser: Parser) -> None:
        self._backend = backend
        self._parser = parser
        self._bytes_max = settings.document_bytes_max
        self._retention_ms = settings.idempotency_retention_ms

    def get(self, call: Call) -> Response | Later:
        database, collection, _ = call.parameters
        found = self._backend.get_document(
            call.request, checked_name(database), checked_name(collection), document_id(call)
        )
        if found is None or type(found) is StoredDocument:
            return self._show(call, found)
        return Later(found, self._show)  # type: ignore[arg-type]  # what is left of the union is awaitable

    def _show(self, call: Call, document: StoredDocument | None) -> Response:
        if document is None:
            raise NotFound("document", call.parameters[-1])
        revision, time_ms, body = document
        fields = call.fields
        if fields and is_unchanged(fields, revision):
            return Response(304, self._tag(revision, time_ms), b"")
        return Response(200, JSON + self._tag(revision, time_ms), body)

    @staticmethod
    def _tag(revision: int, time_ms: int) -> str:
        return f'ETag: "{revision:x}"\r\nLast-Modified: {http_date(time_ms // 1000)}\r\n'

    def put(self, call: Call) -> Later | Awaitable[Reply]:
        name = document_id(call)
        return self._parser.then(call, partial(self._read, name), partial(self._put, name))

    def _read(self, name: DocumentId, body: bytes) -> bytes:
        """Return the document of a body under the id of its path."""
        parsed = parse_document(body, bytes_max=self._bytes_max)
        if parsed.id is not None and id_key(parsed.id) != id_key(name):
            shown = orjson.dumps(parsed.id).decode()
            raise InvalidId(f"_id in the body is {shown[:200]}: another than in the path", pointer="/_id")
        return with_id(parsed.normal, name)

    def _put(self, name: DocumentId, call: Call, document: bytes) -> Later:
        database, collection, _ = call.parameters
        fields = call.fields
        outcome = self._backend.put_document(
            call.request,
            checked_name(database),
            checked_name(collection),
            name,
            document,
            if_match=revision_to_match(fields),
            if_none_match=is_create_only(fields),
        )
        return Later(outcome, self._written)

    def _written(self, call: Call, outcome: Outcome) -> Response:
        fields = replay_fields(call, outcome, self._retention_ms)
        status = 200
        if outcome.created:
            status = 201
            fields += f"Location: {call.message.path}\r\n"
        return written(status, document_id(call), outcome.revision, fields)

    def delete(self, call: Call) -> Later:
        database, collection, _ = call.parameters
        outcome = self._backend.delete_document(
            call.request,
            checked_name(database),
            checked_name(collection),
            document_id(call),
            if_match=revision_to_match(call.fields),
        )
        return Later(outcome, self._gone)

    def _gone(self, call: Call, outcome: Outcome) -> Response:
        return Response(204, replay_fields(call, outcome, self._retention_ms), b"")


def written(status: int, id: DocumentId, revision: int, fields: str) -> Response:
    """Return the answer to a write of one document: its id and its entity tag, ready to be sent as If-Match."""
    body = b'{"_id":%b,"etag":"\\"%x\\""}' % (orjson.dumps(id), revision)
    return Response(status, f'{JSON}ETag: "{revision:x}"\r\n{fields}', body)


def created(call: Call, id: DocumentId, revision: int, fields: str) -> Response:
    """Return the answer to a POST that created one document."""
    return written(201, id, revision, fields + location(call.path, id))
