"""POST C/bulk: inserts, replacements, updates and deletions by id, one a line."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from typing import Any

import orjson

from raftdoc.api.answers import replay_fields
from raftdoc.api.backend import DocumentBackend
from raftdoc.api.bulk import PIECE_BYTES, Lines, Slices, identifier, receive_lines
from raftdoc.api.bulk_lines import parse_bulk_line
from raftdoc.api.documents import checked_name
from raftdoc.api.errors import describe
from raftdoc.api.exchange import NDJSON, Call, Reply, Streamed
from raftdoc.api.generated_ids import IdSource
from raftdoc.api.operation import NDJSON as NDJSON_TYPE
from raftdoc.api.parsing import Parser
from raftdoc.api.preconditions import tag_of
from raftdoc.api.request_fields import accepted_media, media_type
from raftdoc.api.settings import HttpSettings
from raftdoc.api.targets import read_flag
from raftdoc.database.bulk_writes import BulkItem
from raftdoc.database.outcomes import error_of
from raftdoc.statemachine.outcome import Outcome
from raftdoc.statemachine.update_steps import Flag, Mode, StepKind, StepResult


class BulkWrites:
    def __init__(
        self,
        backend: DocumentBackend,
        settings: HttpSettings,
        now_ns: Callable[[], int],
        ids: IdSource,
        parser: Parser,
    ) -> None:
        self._backend = backend
        self._parser = parser
        self._settings = settings
        self._now_ns = now_ns
        self._ids = ids

    async def post(self, call: Call) -> Reply:
        mode = _mode(call)
        media_type(call.fields, (NDJSON_TYPE,))
        accepted_media(call.fields, (NDJSON_TYPE,))
        items = await self._receive(call, mode)
        database, collection = map(checked_name, call.parameters)
        bulk = await self._backend.write_bulk(
            call.request, database, collection, items, mode=mode, bytes_max=self._settings.document_bytes_max
        )
        whole = Outcome("ok", replayed=bulk.replayed, time_ms=bulk.time_ms)
        fields = replay_fields(call, whole, self._settings.idempotency_retention_ms)
        is_done = bulk.is_ok and len(bulk.results) == len(items)
        return Streamed(200 if is_done else 207, NDJSON + fields, _lines(collection, items, bulk.results))

    async def _receive(self, call: Call, mode: Mode) -> Sequence[BulkItem]:
        """Return all items; nothing is sent before the last line is known to be good."""
        settings = self._settings
        parse = partial(parse_bulk_line, identify=identifier(call, self._ids), bytes_max=settings.document_bytes_max)

        def read(line: bytes, position: int) -> tuple[BulkItem, int]:
            item = parse(line, position)
            return item, item.byte_count

        lines = Lines(settings, read, self._parser, call.request.deadline_ns, is_atomic=mode == Mode.ATOMIC)
        return await receive_lines(call, lines, settings, self._now_ns)


def _mode(call: Call) -> Mode:
    if read_flag(call.query, "atomic", default=False):
        return Mode.ATOMIC
    return Mode.ORDERED if read_flag(call.query, "ordered", default=True) else Mode.UNORDERED


async def _lines(collection: str, items: Sequence[BulkItem], results: Sequence[StepResult]) -> AsyncIterator[bytes]:
    """Yield one line for each item that was tried, in pieces."""
    slices = Slices()
    piece = bytearray()
    for item, result in zip(items, results, strict=False):
        piece += orjson.dumps(_line(collection, item, result), option=orjson.OPT_APPEND_NEWLINE)
        if len(piece) >= PIECE_BYTES or slices.is_over():
            yield bytes(piece)
            piece.clear()
            await slices.begin()
    yield bytes(piece)


def _line(collection: str, item: BulkItem, result: StepResult) -> dict[str, Any]:
    if result.code != "ok":
        error = error_of(result.code, {"collection": collection, "document": str(item.id)}, result.reason)
        problem = describe(error)
        return {"_id": item.id, "status": problem["status"], "error": problem}
    if item.step[0] == StepKind.DELETE:
        return {"_id": item.id, "status": 200, "modified": True}
    is_created = bool(result.flags & Flag.CREATED)
    return {
        "_id": item.id,
        "status": 201 if is_created else 200,
        "etag": tag_of(result.revision).decode(),
        "modified": bool(result.flags),
    }
