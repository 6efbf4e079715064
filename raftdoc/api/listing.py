"""Documents in the order of their ids: a page as JSON, or line by line as NDJSON."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final

import orjson

from raftdoc.api.backend import DocumentBackend
from raftdoc.api.cursors import open_cursor, sign_cursor
from raftdoc.api.documents import checked_name
from raftdoc.api.errors import describe
from raftdoc.api.exchange import JSON, NDJSON, Call, Reply, Response, Streamed
from raftdoc.api.operations import JSON as JSON_TYPE
from raftdoc.api.operations import NDJSON as NDJSON_TYPE
from raftdoc.api.request_fields import accepted_media
from raftdoc.database.requests import Page
from raftdoc.errors import Fatal, InvalidRequest, RaftdocError
from raftdoc.limits import LIST_LIMIT_DEFAULT, LIST_LIMIT_MAX

ORDER: Final = "by id"
"""What a list is ordered by: part of what its cursors belong to."""


class Listing:
    def __init__(self, backend: DocumentBackend) -> None:
        self._backend = backend

    async def list(self, call: Call) -> Reply:
        media = accepted_media(call.fields, (JSON_TYPE, NDJSON_TYPE))
        limit = _limit(call)
        scope = self._scope(call)
        cursor = call.query.get("cursor")
        after = None if cursor is None else open_cursor(self._backend.cursor_key(), scope, cursor)
        page = await self._page(call, after, limit)
        if media == NDJSON_TYPE:
            return Streamed(200, NDJSON, self._lines(call, page, limit))
        bodies = b",".join([document.body for document in page.documents])
        return Response(200, JSON, b'{"documents":[%b],"cursor":%b}' % (bodies, self._cursor(scope, page)))

    async def _page(self, call: Call, after: bytes | None, limit: int) -> Page:
        database, collection = self._scope(call)[:2]
        return await self._backend.list_documents(call.request, database, collection, after=after, limit=limit)

    async def _lines(self, call: Call, page: Page, limit: int) -> AsyncIterator[bytes]:
        """Yield one document a line, page after page up to the limit, then the trailer.

        A later page that fails ends the list with `$error` in the place of the trailer.
        """
        count = 0
        while True:
            count += len(page.documents)
            yield b"".join([document.body + b"\n" for document in page.documents])
            if page.next_after is None or count >= limit:
                break
            try:
                page = await self._page(call, page.next_after, limit - count)
            except Fatal:
                raise
            except RaftdocError as error:
                yield _line({"$error": describe(error)})
                return
        yield b'{"$end":{"count":%d,"cursor":%b}}\n' % (count, self._cursor(self._scope(call), page))

    def _cursor(self, scope: tuple[str, str, str], page: Page) -> bytes:
        if page.next_after is None:
            return b"null"
        return orjson.dumps(sign_cursor(self._backend.cursor_key(), scope, page.next_after))

    @staticmethod
    def _scope(call: Call) -> tuple[str, str, str]:
        database, collection = call.parameters
        return checked_name(database), checked_name(collection), ORDER


def _limit(call: Call) -> int:
    text = call.query.get("limit")
    if text is None:
        return LIST_LIMIT_DEFAULT
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and 1 <= int(text) <= LIST_LIMIT_MAX):
        raise InvalidRequest(f"limit is an integer from 1 to {LIST_LIMIT_MAX}, not {text[:100]!r}")
    return int(text)


def _line(value: dict[str, Any]) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE)
