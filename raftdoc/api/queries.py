"""Reading many documents: the list of a collection, and the queries over it; a page as JSON, or NDJSON line by line."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final, TypeAlias, TypeVar

import orjson

from raftdoc.api.backend import QueryBackend
from raftdoc.api.bodies import parse_object
from raftdoc.api.cursors import open_cursor, sign_cursor
from raftdoc.api.documents import checked_name
from raftdoc.api.errors import describe
from raftdoc.api.exchange import JSON, NDJSON, Call, Handler, Reply, Response, Streamed
from raftdoc.api.operations import JSON as JSON_TYPE
from raftdoc.api.operations import NDJSON as NDJSON_TYPE
from raftdoc.api.parsing import Parser
from raftdoc.api.query_parameters import find_body
from raftdoc.api.request_fields import accepted_media
from raftdoc.errors import Fatal, RaftdocError
from raftdoc.limits import NS_PER_MS
from raftdoc.query import answers, requests
from raftdoc.query.answers import FindAnswer, Stats, ValuesAnswer
from raftdoc.query.find import FindQuery
from raftdoc.query.position_token import decode_position
from raftdoc.query.requests import ReadRequest

Body: TypeAlias = dict[str, Any]
R = TypeVar("R")
MEDIA: Final = (JSON_TYPE, NDJSON_TYPE)


class Queries:
    """The handlers of the read operations over one collection."""

    def __init__(self, backend: QueryBackend, parser: Parser) -> None:
        self._backend = backend
        self._parser = parser

    def handlers(self) -> dict[str, Handler]:
        """Return them by the id of their operation."""
        return {
            "list_documents": self.list,
            "query_documents": self.query,
            "count_documents": self.count,
            "distinct_values": self.distinct,
            "aggregate_documents": self.aggregate,
            "explain_query": self.explain,
            "get_documents": self.get_many,
        }

    async def list(self, call: Call) -> Reply:
        body = find_body(call.query)
        return await self._find(call, body, requests.parse_find(body))

    async def query(self, call: Call) -> Reply:
        return await self._find(call, *await self._parse(call, _parse_find))

    async def count(self, call: Call) -> Reply:
        request = await self._request(call, requests.parse_count)
        return self._values(call, await self._run(call, request, answers.count_work(request.query)))

    async def distinct(self, call: Call) -> Reply:
        request = await self._request(call, requests.parse_distinct)
        return self._values(call, await self._run(call, request, answers.distinct_work(request.query)))

    async def explain(self, call: Call) -> Reply:
        request = await self._request(call, requests.parse_explain)
        return self._values(call, await self._run(call, request, answers.explain_work(request.query)))

    async def aggregate(self, call: Call) -> Reply:
        request = await self._request(call, requests.parse_aggregate)
        return self._whole(call, await self._run(call, request, answers.aggregate_work(request.query)))

    async def get_many(self, call: Call) -> Reply:
        request = await self._request(call, requests.parse_get_many)
        return self._whole(call, await self._run(call, request, answers.get_many_work(request.query)))

    # Pages ----------------------------------------------------------------------------------------

    async def _find(self, call: Call, body: Body, request: ReadRequest[FindQuery]) -> Reply:
        scope = self._scope(call, body)
        query = requests.with_page_bytes(request.query, self._backend.page_bytes_max)
        if request.cursor is not None:
            after = open_cursor(self._backend.cursor_key(), scope, request.cursor)
            query = requests.go_on(query, decode_position(after))
        page = await self._page(call, request, query)
        if accepted_media(call.fields, MEDIA) == NDJSON_TYPE:
            return Streamed(200, NDJSON, self._lines(call, request, query, scope, page))
        return self._json(call, page, self._cursor(scope, page))

    def _page(self, call: Call, request: ReadRequest[Any], query: FindQuery) -> Awaitable[FindAnswer]:
        return self._run(call, request, answers.find_work(query))

    async def _lines(
        self, call: Call, request: ReadRequest[Any], query: FindQuery, scope: tuple[str, ...], page: FindAnswer
    ) -> AsyncIterator[bytes]:
        """Yield one document a line, page after page up to the limit, then the trailer.

        A later page that fails ends the list with `$error` in the place of the trailer.
        """
        count = 0
        while True:
            count += len(page.documents)
            yield b"".join([document + b"\n" for document in page.documents])
            if page.after is None or count >= query.limit:
                break
            try:
                page = await self._page(call, request, _rest(query, page, count))
            except Fatal:
                raise
            except RaftdocError as error:
                yield orjson.dumps({"$error": describe(error)}) + b"\n"
                return
        yield self._trailer(call, count, self._cursor(scope, page), page.stats)

    def _whole(self, call: Call, answer: FindAnswer) -> Reply:
        if accepted_media(call.fields, MEDIA) == NDJSON_TYPE:
            return Streamed(200, NDJSON, self._all_lines(call, answer))
        return self._json(call, answer, None)

    async def _all_lines(self, call: Call, answer: FindAnswer) -> AsyncIterator[bytes]:
        yield b"".join([document + b"\n" for document in answer.documents])
        yield self._trailer(call, len(answer.documents), None, answer.stats)

    # Answers --------------------------------------------------------------------------------------

    def _json(self, call: Call, page: FindAnswer, cursor: str | None) -> Response:
        documents = b",".join(page.documents)
        rest = orjson.dumps({"cursor": cursor, "stats": self._stats(call, page.stats)})
        return Response(200, JSON, b'{"documents":[%b],%b' % (documents, rest[1:]))

    def _values(self, call: Call, answer: ValuesAnswer) -> Response:
        return Response(200, JSON, orjson.dumps({**answer.members, "stats": self._stats(call, answer.stats)}))

    def _trailer(self, call: Call, count: int, cursor: str | None, stats: Stats) -> bytes:
        return orjson.dumps({"$end": {"count": count, "cursor": cursor, "stats": self._stats(call, stats)}}) + b"\n"

    def _stats(self, call: Call, stats: Stats) -> Body:
        return {
            "docs_examined": stats.documents_examined,
            "keys_examined": stats.keys_examined,
            "index": stats.index_name,
            "time_ms": round((self._backend.now_ns() - call.started_ns) / NS_PER_MS, 3),
        }

    def _run(
        self, call: Call, request: ReadRequest[Any], work: answers.Work[answers.Answer]
    ) -> Awaitable[answers.Answer]:
        database, collection = call.parameters
        return self._backend.run_query(
            call.request,
            checked_name(database),
            checked_name(collection),
            work,
            max_time_ms=request.max_time_ms,
        )

    async def _request(self, call: Call, read: Callable[[Body], R]) -> R:
        return await self._parse(call, lambda text: read(parse_object(text)))

    async def _parse(self, call: Call, parse: Callable[[bytes], R]) -> R:
        return await self._parser.parse(parse, call.body, call.request.deadline_ns)

    def _cursor(self, scope: tuple[str, ...], page: FindAnswer) -> str | None:
        if page.after is None:
            return None
        return sign_cursor(self._backend.cursor_key(), scope, page.after.encode())

    @staticmethod
    def _scope(call: Call, body: Body) -> tuple[str, ...]:
        """Return what a cursor belongs to: the collection and all of the query that decides what comes next."""
        database, collection = call.parameters
        asked = [body.get(name) for name in ("filter", "sort", "projection", "hint")]
        return checked_name(database), checked_name(collection), hashlib.sha256(orjson.dumps(asked)).hexdigest()


def _parse_find(text: bytes) -> tuple[Body, ReadRequest[FindQuery]]:
    body = parse_object(text)
    return body, requests.parse_find(body)


def _rest(query: FindQuery, page: FindAnswer, count: int) -> FindQuery:
    assert page.after is not None
    return requests.go_on(query, page.after, limit=query.limit - count)
