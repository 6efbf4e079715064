"""Databases, collections, and what became of a write."""

from __future__ import annotations

from typing import Any

from raftdoc.api.answers import json_response, replay_fields
from raftdoc.api.backend import CatalogBackend
from raftdoc.api.bodies import parse_object
from raftdoc.api.documents import checked_name
from raftdoc.api.errors import status_of_code
from raftdoc.api.exchange import Call, Response
from raftdoc.api.preconditions import tag_of
from raftdoc.api.request_fields import check_idempotency_key
from raftdoc.api.settings import HttpSettings
from raftdoc.database.requests import DatabaseInfo
from raftdoc.errors import InvalidRequest
from raftdoc.statemachine.outcome import OK, CollectionInfo, Outcome, RequestRecord
from raftdoc.statemachine.update_steps import decode_results


class Catalog:
    def __init__(self, backend: CatalogBackend, settings: HttpSettings) -> None:
        self._backend = backend
        self._retention_ms = settings.idempotency_retention_ms

    # Databases ------------------------------------------------------------------------------------

    async def list_databases(self, call: Call) -> Response:
        databases = await self._backend.databases(call.request)
        return json_response({"databases": [_database(info) for info in databases]})

    async def create_database(self, call: Call) -> Response:
        name = checked_name(call.parameters[0])
        outcome, info = await self._backend.create_database(call.request, name, parse_object(call.body))
        return self._made(call, _database(info), outcome)

    async def get_database(self, call: Call) -> Response:
        info = await self._backend.database_info(call.request, checked_name(call.parameters[0]))
        return json_response(_database(info))

    async def delete_database(self, call: Call) -> Response:
        outcome = await self._backend.drop_database(call.request, checked_name(call.parameters[0]))
        return self._gone(call, outcome)

    # Collections ----------------------------------------------------------------------------------

    async def list_collections(self, call: Call) -> Response:
        collections = await self._backend.collections(call.request, checked_name(call.parameters[0]))
        return json_response({"collections": [_collection(info) for info in collections]})

    async def create_collection(self, call: Call) -> Response:
        database, name = map(checked_name, call.parameters)
        outcome, info = await self._backend.create_collection(call.request, database, name, parse_object(call.body))
        return self._made(call, _collection(info), outcome)

    async def get_collection(self, call: Call) -> Response:
        database, name = map(checked_name, call.parameters)
        return json_response(_collection(await self._backend.collection_info(call.request, database, name)))

    async def delete_collection(self, call: Call) -> Response:
        database, name = map(checked_name, call.parameters)
        return self._gone(call, await self._backend.drop_collection(call.request, database, name))

    # Requests -------------------------------------------------------------------------------------

    async def get_request(self, call: Call) -> Response:
        return await self._request(call, checked_name(call.parameters[0]))

    async def get_catalog_request(self, call: Call) -> Response:
        return await self._request(call, None)

    async def _request(self, call: Call, database: str | None) -> Response:
        key = _key(call.parameters[-1])
        return json_response(_record(await self._backend.request_outcome(call.request, database, key)))

    def _made(self, call: Call, shown: dict[str, Any], outcome: Outcome) -> Response:
        fields = replay_fields(call, outcome, self._retention_ms)
        if outcome.created:
            return json_response(shown, 201, f"Location: {call.path}\r\n{fields}")
        return json_response(shown, fields=fields)

    def _gone(self, call: Call, outcome: Outcome) -> Response:
        return Response(204, replay_fields(call, outcome, self._retention_ms), b"")


def _key(text: str) -> str:
    if not text.isascii():
        raise InvalidRequest("an idempotency key has ASCII characters only")
    return check_idempotency_key(text.encode())


def _database(info: DatabaseInfo) -> dict[str, Any]:
    return {
        "name": info.name,
        "group": info.group,
        "created_ms": info.created_ms,
        "options": info.options,
        "replicas": list(info.replicas),
    }


def _collection(info: CollectionInfo) -> dict[str, Any]:
    return {
        "name": info.name,
        "created_ms": info.created_ms,
        "document_count": info.document_count,
        "document_bytes": info.document_bytes,
        "options": info.options,
    }


def _record(record: RequestRecord) -> dict[str, Any]:
    outcome = record.outcome
    return {
        "key": record.key,
        "outcome": "applied" if outcome.is_ok else "not_applied",
        "code": outcome.code,
        "status": _status(outcome),
        "etag": tag_of(outcome.revision).decode() if outcome.is_ok and outcome.revision else None,
        "time_ms": outcome.time_ms,
        "expires_ms": record.expires_ms,
    }


def _status(outcome: Outcome) -> int:
    """Return the status that the write was, or would have been, answered with."""
    if not outcome.is_ok:
        return status_of_code(outcome.code)
    if isinstance(outcome.data, dict | tuple):
        # An answer of several parts is that of a change in place, or of many documents.
        return 200 if _is_done(outcome.data) else 207
    if outcome.created:
        return 201
    return 200 if outcome.revision else 204


def _is_done(data: dict[str, Any] | tuple[tuple[Any, ...], ...]) -> bool:
    """Return whether no document of a write was refused."""
    if isinstance(data, tuple):
        return all(result[0] == OK for result in data)
    return all(result.code == OK for result in decode_results(data.get("results", ())))
