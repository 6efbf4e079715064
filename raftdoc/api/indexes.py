"""Indexes: POST creates, GET tells how far the build is, DELETE drops."""

from __future__ import annotations

from typing import Any

from raftdoc.api.answers import json_response, replay_fields
from raftdoc.api.backend import IndexBackend
from raftdoc.api.bodies import parse_object
from raftdoc.api.documents import checked_name
from raftdoc.api.exchange import Call, Response
from raftdoc.api.settings import HttpSettings
from raftdoc.database.indexes import IndexStatus


class Indexes:
    def __init__(self, backend: IndexBackend, settings: HttpSettings) -> None:
        self._backend = backend
        self._retention_ms = settings.idempotency_retention_ms

    async def list(self, call: Call) -> Response:
        database, collection = map(checked_name, call.parameters)
        found = await self._backend.list_indexes(call.request, database, collection)
        return json_response({"indexes": [_shown(status) for status in found]})

    async def create(self, call: Call) -> Response:
        database, collection = map(checked_name, call.parameters)
        specification = parse_object(call.body)
        outcome, status = await self._backend.create_index(call.request, database, collection, specification)
        fields = replay_fields(call, outcome, self._retention_ms)
        if not outcome.created:
            return json_response(_shown(status), 200, fields)
        location = f"Location: {call.path}/{status.info.definition.name}\r\n"
        return json_response(_shown(status), 201, fields + location)

    async def get(self, call: Call) -> Response:
        database, collection, name = map(checked_name, call.parameters)
        return json_response(_shown(await self._backend.get_index(call.request, database, collection, name)))

    async def delete(self, call: Call) -> Response:
        database, collection, name = map(checked_name, call.parameters)
        outcome = await self._backend.drop_index(call.request, database, collection, name)
        return Response(204, replay_fields(call, outcome, self._retention_ms), b"")


def _shown(status: IndexStatus) -> dict[str, Any]:
    info = status.info
    definition = info.definition
    return {
        **definition.specification(),
        "unique": definition.unique,
        "sparse": definition.sparse,
        "state": definition.state,
        "multikey": [path for (path, _), met in zip(definition.fields, definition.multikey_paths, strict=True) if met],
        "entry_count": info.entry_count,
        "created_ms": info.created_ms,
        "operation": status.operation,
        "failure": info.failure or None,
    }
