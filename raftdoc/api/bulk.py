"""POST to a collection's documents: one as JSON, or many as NDJSON.

A bulk is parsed while it arrives, in slices that never hold the loop for long, and nothing of it is proposed before
its last line is known to be good.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial
from time import perf_counter_ns
from typing import Any, Final, Generic, TypeAlias, TypeVar

import orjson

from raftdoc.api.answers import replay_fields
from raftdoc.api.backend import DocumentBackend
from raftdoc.api.bodies import check_length, has_arrived, read_pieces, read_whole, take
from raftdoc.api.documents import checked_name, created
from raftdoc.api.errors import status_of_code, title_of_code, urn
from raftdoc.api.exchange import NDJSON, Call, Later, Reply, Response, Streamed
from raftdoc.api.generated_ids import IdSource, derived_id
from raftdoc.api.idempotency import Fingerprint, note_key
from raftdoc.api.operation import JSON as JSON_TYPE
from raftdoc.api.operation import NDJSON as NDJSON_TYPE
from raftdoc.api.parsing import Parser, is_large, settle
from raftdoc.api.preconditions import tag_of
from raftdoc.api.request_fields import accepted_media, idempotency_key, media_type
from raftdoc.api.settings import HttpSettings
from raftdoc.api.targets import read_flag
from raftdoc.document import DocumentId, parse_document, with_id
from raftdoc.document.document import ParsedDocument
from raftdoc.errors import CATALOGUE, InvalidLine, InvalidRequest, RaftdocError, TooLarge
from raftdoc.statemachine.outcome import OK, Idempotency, Outcome

SLICE_NS: Final = 1_000_000
"""How long lines are parsed, or results written, before the loop gets its turn."""
PIECE_BYTES: Final = 64 * 1024

T = TypeVar("T")
Item: TypeAlias = tuple[DocumentId, bytes]
Identifier: TypeAlias = Callable[[ParsedDocument, int], Item]
LineReader: TypeAlias = Callable[[bytes, int], tuple[T, int]]
"""From a line and its position among those that say something, to what it says and its size in bytes."""


class Bulk:
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
        self._parse = partial(parse_document, bytes_max=settings.document_bytes_max)
        self._now_ns = now_ns
        self._ids = ids

    def post(self, call: Call) -> Later | Awaitable[Reply]:
        is_atomic = read_flag(call.query, "atomic", default=False)
        if media_type(call.fields, (JSON_TYPE, NDJSON_TYPE)) == NDJSON_TYPE:
            return self._create_many(call, is_atomic=is_atomic)
        accepted_media(call.fields, (JSON_TYPE,))
        limit = self._settings.document_bytes_max
        if has_arrived(call):
            call.body = take(call, limit)
            note_key(call, self._settings.idempotency_retention_ms)
            return self._parser.then(call, self._item_reader(call), self._create)
        check_length(call, limit)
        return self._receive_one(call, limit)

    async def _receive_one(self, call: Call, limit: int) -> Reply:
        call.body = await read_whole(call, limit, self._now_ns)
        note_key(call, self._settings.idempotency_retention_ms)
        item = await self._parser.parse(self._item_reader(call), call.body, call.request.deadline_ns)
        return await settle(call, self._create(call, item))

    def _item_reader(self, call: Call) -> Callable[[bytes], Item]:
        """Return what makes a document of a body."""
        identify, parse = identifier(call, self._ids), self._parse
        return lambda body: identify(parse(body), 0)

    def _create(self, call: Call, item: Item) -> Later:
        id_, document = item
        database, collection = map(checked_name, call.parameters)
        outcome = self._backend.create_document(call.request, database, collection, id_, document)

        def finish(call: Call, outcome: Outcome) -> Response:
            fields = replay_fields(call, outcome, self._settings.idempotency_retention_ms)
            return created(call, id_, outcome.revision, fields)

        return Later(outcome, finish)

    def _reader(self, call: Call) -> LineReader[Item]:
        """Return what makes a document of a line."""
        identify = identifier(call, self._ids)

        def read(line: bytes, position: int) -> tuple[Item, int]:
            parsed = self._parse(line)
            return identify(parsed, position), len(parsed.normal)

        return read

    async def _create_many(self, call: Call, *, is_atomic: bool) -> Reply:
        accepted_media(call.fields, (NDJSON_TYPE,))
        settings = self._settings
        lines = Lines(settings, self._reader(call), self._parser, call.request.deadline_ns, is_atomic=is_atomic)
        items = await receive_lines(call, lines, settings, self._now_ns)
        database, collection = map(checked_name, call.parameters)
        outcomes = await self._backend.create_documents(call.request, database, collection, items, atomic=is_atomic)
        assert len(outcomes) == len(items), (len(outcomes), len(items))
        whole = await _sum_up(outcomes)
        fields = replay_fields(call, whole, self._settings.idempotency_retention_ms)
        return Streamed(200 if whole.is_ok else 207, NDJSON + fields, _lines_of_results(items, outcomes))


def identifier(call: Call, ids: IdSource) -> Identifier:
    """Return what gives a document its id, one made for it if it came without."""
    key = idempotency_key(call.fields)

    def identify(parsed: ParsedDocument, position: int) -> Item:
        normal, id_ = parsed
        if id_ is None:
            id_ = ids.next_id() if key is None else derived_id(key, call.path, position, normal)
        return id_, with_id(normal, id_)

    return identify


class Slices:
    """Cuts long work into pieces between which the loop turns."""

    __slots__ = ("_stop_ns",)

    def __init__(self) -> None:
        self._stop_ns = perf_counter_ns() + SLICE_NS

    def is_over(self) -> bool:
        return perf_counter_ns() >= self._stop_ns

    async def begin(self) -> None:
        """Let the loop turn once, and start the next slice."""
        await asyncio.sleep(0)
        self._stop_ns = perf_counter_ns() + SLICE_NS


class Lines(Generic[T]):
    """What the lines of an NDJSON body say. Lines end in LF or CRLF; empty ones are passed over, and counted."""

    def __init__(
        self, settings: HttpSettings, read: LineReader[T], parser: Parser, deadline_ns: int, *, is_atomic: bool
    ) -> None:
        self._settings = settings
        self._read = read
        self._parser = parser
        self._deadline_ns = deadline_ns
        self._is_atomic = is_atomic
        self._rest: list[bytes] = []
        self._rest_bytes = 0
        self._line_count = 0
        self._bytes = 0
        self._items: list[T] = []

    async def feed(self, piece: bytes) -> None:
        """Parse the lines that end in a piece.

        Raises:
            InvalidLine: a line is no document; names it.
            TooLarge: a line, the number of documents, or an atomic batch.
        """
        slices = Slices()
        start = 0
        while (stop := piece.find(b"\n", start)) >= 0:
            line = self._whole(piece[start:stop])
            start = stop + 1
            if is_large(line):
                await self._take_large(line)
            elif line:
                self._take(self._read_line(line))
            if slices.is_over():
                await slices.begin()
        self._keep(piece[start:])

    async def end(self) -> list[T]:
        """Parse the last line, which may lack its line end; return what every line says.

        Raises:
            InvalidRequest: there was no document at all; and as `feed`.
        """
        line = self._whole(b"")
        if line:
            await self._take_large(line)
        if not self._items:
            raise InvalidRequest("the body has no document")
        return self._items

    def _keep(self, part: bytes) -> None:
        self._rest.append(part)
        self._rest_bytes += len(part)
        if self._rest_bytes > self._settings.document_bytes_max + 2:
            raise TooLarge(f"line {self._line_count + 1}", limit=self._settings.document_bytes_max)

    def _whole(self, last_part: bytes) -> bytes:
        """Return a line of which the last part is here, without what surrounds it."""
        line = last_part
        if self._rest:
            line = b"".join((*self._rest, last_part))
            self._rest, self._rest_bytes = [], 0
        self._line_count += 1
        line = line.strip(b" \t\r")
        limit = self._settings.document_bytes_max
        if len(line) > limit:
            raise TooLarge(f"line {self._line_count}", limit=limit)
        return line

    def _read_line(self, line: bytes) -> tuple[T, int]:
        try:
            return self._read(line, len(self._items))
        except RaftdocError as error:
            raise InvalidLine(self._line_count, error) from None

    async def _take_large(self, line: bytes) -> None:
        self._take(await self._parser.parse(self._read_line, line, self._deadline_ns))

    def _take(self, read: tuple[T, int]) -> None:
        item, byte_count = read
        self._count(byte_count)
        self._items.append(item)

    def _count(self, byte_count: int) -> None:
        self._bytes += byte_count
        if len(self._items) >= self._settings.bulk_documents_max:
            raise TooLarge("the body", limit=self._settings.bulk_documents_max, unit="documents")
        if self._is_atomic and self._bytes > self._settings.atomic_bytes_max:
            raise TooLarge("an atomic batch", limit=self._settings.atomic_bytes_max)


async def receive_lines(call: Call, lines: Lines[T], settings: HttpSettings, now_ns: Callable[[], int]) -> list[T]:
    """Return what every line of a body says, and note under which key; nothing is sent before all are known to be good.

    Raises as `Lines` does.
    """
    fingerprint = Fingerprint(call)
    async for piece in read_pieces(call, settings.bulk_bytes_max, now_ns):
        fingerprint.update(piece)
        await lines.feed(piece)
    items = await lines.end()
    key = idempotency_key(call.fields)
    if key is not None:
        call.request.idempotency = Idempotency(key, fingerprint.digest(), settings.idempotency_retention_ms)
    return items


async def _sum_up(outcomes: Sequence[Outcome]) -> Outcome:
    """Return one outcome for all: ok and replayed where every one is, at the latest of their times."""
    slices = Slices()
    code, replayed, time_ms = OK, True, 0
    for outcome in outcomes:
        if outcome.code != OK:
            code = outcome.code
        replayed = replayed and outcome.replayed
        time_ms = max(time_ms, outcome.time_ms)
        if slices.is_over():
            await slices.begin()
    return Outcome(code, replayed=replayed, time_ms=time_ms)


async def _lines_of_results(items: Sequence[Item], outcomes: Sequence[Outcome]) -> AsyncIterator[bytes]:
    """Yield one line for each document, in pieces."""
    slices = Slices()
    piece = bytearray()
    for (id_, _), outcome in zip(items, outcomes, strict=True):
        result: dict[str, Any] = {"_id": id_, "status": 201}
        if outcome.is_ok:
            result["etag"] = tag_of(outcome.revision).decode()
        else:
            result |= {"status": status_of_code(outcome.code), "error": _problem(outcome)}
        piece += orjson.dumps(result, option=orjson.OPT_APPEND_NEWLINE)
        if len(piece) >= PIECE_BYTES or slices.is_over():
            yield bytes(piece)
            piece.clear()
            await slices.begin()
    yield bytes(piece)


def _problem(outcome: Outcome) -> dict[str, Any]:
    """Return the problem of one document of a bulk, without what is the same for the whole answer."""
    cls = CATALOGUE.get(outcome.code, RaftdocError)
    return {
        "type": urn(outcome.code),
        "title": title_of_code(outcome.code),
        "status": status_of_code(outcome.code),
        "code": outcome.code,
        "retryable": cls.retryable,
        "outcome": "unknown" if outcome.code in UNKNOWN_CODES else "not_applied",
    } | ({} if outcome.data is None else {"index": outcome.data["index"]})


UNKNOWN_CODES: Final = frozenset({"outcome_unknown", "key_expired"})
