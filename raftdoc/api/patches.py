"""PATCH of one document, in three media types. It is done inside the log, so that two never overwrite each other."""

from __future__ import annotations

from collections.abc import Awaitable
from functools import partial
from typing import Any, Final

from raftdoc.api.answers import replay_fields
from raftdoc.api.backend import DocumentBackend
from raftdoc.api.documents import checked_name, document_id, written
from raftdoc.api.exchange import Call, Later, Reply, Response
from raftdoc.api.operation import JSON_PATCH, MERGE_PATCH, PATCH_MEDIA
from raftdoc.api.parsing import Parser
from raftdoc.api.preconditions import revision_to_match
from raftdoc.api.request_fields import media_type
from raftdoc.api.settings import HttpSettings
from raftdoc.database.update_plan import Wanted
from raftdoc.document import DocumentId, JsonValue, parse_json
from raftdoc.document.patch import parse_json_patch
from raftdoc.errors import InvalidPatch, RaftdocError
from raftdoc.query.update import parse_update
from raftdoc.statemachine.outcome import Outcome
from raftdoc.statemachine.update_steps import ChangeKind

UPDATE_POINTER: Final = "/update"
"""Where an update stands in the commands; here it is the whole body."""


class Patches:
    def __init__(self, backend: DocumentBackend, settings: HttpSettings, parser: Parser) -> None:
        self._backend = backend
        self._parser = parser
        self._bytes_max = settings.document_bytes_max
        self._retention_ms = settings.idempotency_retention_ms

    def patch(self, call: Call) -> Later | Awaitable[Reply]:
        media = media_type(call.fields, PATCH_MEDIA)
        id_, if_match = document_id(call), revision_to_match(call.fields)
        return self._parser.then(call, partial(_parse, media=media), partial(self._patch, id_, if_match))

    def _patch(
        self, id_: DocumentId, if_match: int | None, call: Call, patch: tuple[ChangeKind | None, JsonValue]
    ) -> Later:
        kind, body = patch
        if kind is None:
            return Later(_with_own_pointers(self._update(call, id_, body, if_match)), self._patched)
        return self._later(call, id_, kind, body, if_match)

    def _later(self, call: Call, id: DocumentId, kind: ChangeKind, body: JsonValue, if_match: int | None) -> Later:
        database, collection, _ = call.parameters
        outcome = self._backend.patch_document(
            call.request,
            checked_name(database),
            checked_name(collection),
            id,
            kind=kind,
            body=body,
            if_match=if_match,
            bytes_max=self._bytes_max,
        )
        return Later(_with_own_pointers(outcome), self._patched)

    async def _update(self, call: Call, id: DocumentId, body: JsonValue, if_match: int | None) -> Outcome:
        """Do an update that cannot run at apply: here, guarded by the revision."""
        database, collection, _ = call.parameters
        changed = await self._backend.change_documents(
            call.request,
            checked_name(database),
            checked_name(collection),
            Wanted(filter={"_id": id}, update=body, named=id, if_match=if_match, bytes_max=self._bytes_max),
        )
        return Outcome("ok", changed.revision, replayed=changed.replayed, time_ms=changed.time_ms)

    def _patched(self, call: Call, outcome: Outcome) -> Response:
        return written(200, document_id(call), outcome.revision, replay_fields(call, outcome, self._retention_ms))


def _parse(text: bytes, *, media: str) -> tuple[ChangeKind | None, JsonValue]:
    """Return what is to be done at apply, and the patch; None: it cannot be done there."""
    body = parse_json(text)
    if media == MERGE_PATCH:
        if not isinstance(body, dict):
            raise InvalidPatch("a merge patch of a document is a JSON object", pointer="")
        return ChangeKind.MERGE_PATCH, body
    if media == JSON_PATCH:
        parse_json_patch(body)
        return ChangeKind.JSON_PATCH, body
    return ChangeKind.UPDATE if parse_update(body).is_portable else None, body


async def _with_own_pointers(outcome: Awaitable[Any]) -> Any:
    """Await an outcome; pointers in its errors lead into the body."""
    try:
        return await outcome
    except RaftdocError as error:
        if error.pointer is not None:
            error.pointer = error.pointer.removeprefix(UPDATE_POINTER)
        raise
