"""The documents of a query, fetched page by page as they are read."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeAlias

from raftdoc.client.caller import Caller
from raftdoc.client.errors import InvalidUse
from raftdoc.client.options import CallOptions
from raftdoc.client.values import DocumentT, encode

PAGE_DOCUMENTS: Final = 1000
"""Asked for at once; a node sends fewer where they are large."""

Sort: TypeAlias = "str | Sequence[tuple[str, int]] | Mapping[str, int]"
"""A field, or fields with 1 (rising) or -1 (falling)."""


def optional_sort(sort: Sort | None) -> dict[str, int] | None:
    return None if sort is None else sort_document(sort)


def sort_document(sort: Sort, direction: int = 1) -> dict[str, int]:
    """Return a sort as the API takes it.

    Raises:
        InvalidUse: it is none.
    """
    if isinstance(sort, str):
        return {sort: direction}
    try:
        return dict(sort)
    except (TypeError, ValueError):
        raise InvalidUse(f"a sort is a field, or pairs of a field and 1 or -1, not {sort!r:.60}") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryOptions:
    """A query as it is sent. `limit` 0 is no limit."""

    filter: dict[str, Any]
    projection: dict[str, Any] | None
    sort: dict[str, int] | None
    limit: int
    skip: int
    hint: str | None
    max_time_ms: int | None
    max_docs_examined: int | None
    require_index: bool

    def body(self) -> dict[str, Any]:
        """Return the members that are set."""
        members = {
            "filter": self.filter,
            "projection": self.projection,
            "sort": self.sort,
            "hint": self.hint,
            "max_time_ms": self.max_time_ms,
            "max_docs_examined": self.max_docs_examined,
            "require_index": self.require_index or None,
        }
        return {name: value for name, value in members.items() if value is not None}


class AsyncCursor(Generic[DocumentT]):
    """Read it once, with `async for`, `to_list` or `first`. Every page asks any node: a cursor has no state there."""

    def __init__(self, caller: Caller, database: str, path: str, options: CallOptions, query: QueryOptions) -> None:
        for name, count in (("limit", query.limit), ("skip", query.skip)):
            if not isinstance(count, int) or count < 0:
                raise InvalidUse(f"{name} is a whole number, 0 or more, not {count!r:.60}")
        self._caller = caller
        self._database = database
        self._path = path
        self._options = options
        self._query = query
        self._is_started = False
        self.stats: list[Mapping[str, Any]] = []
        """What each page has cost: `docs_examined`, `keys_examined`, `index`, `time_ms`."""

    def sort(self, field: Sort, direction: int = 1) -> AsyncCursor[DocumentT]:
        """Return the cursor with this order."""
        return self._with(sort=sort_document(field, direction))

    def limit(self, count: int) -> AsyncCursor[DocumentT]:
        """Return the cursor that ends after so many documents; 0: at the end."""
        return self._with(limit=count)

    def skip(self, count: int) -> AsyncCursor[DocumentT]:
        return self._with(skip=count)

    def hint(self, index: str) -> AsyncCursor[DocumentT]:
        """Return the cursor that uses the index of this name."""
        return self._with(hint=index)

    async def to_list(self, length: int | None = None) -> list[DocumentT]:
        """Return all documents, or the first `length` of them."""
        cursor = self if length is None else self._with(limit=_least(length, self._query.limit))
        return [document async for document in cursor]

    async def first(self) -> DocumentT | None:
        """Return the first document; None: there is none."""
        async for document in self._with(limit=1):
            return document
        return None

    async def explain(self) -> dict[str, Any]:
        """Return how the query is answered, and what that costs."""
        body = self._query.body() | _bounds(self._query.limit, self._query.skip)
        answer = await self._caller.call(
            "POST", f"{self._path}/explain", self._options, database=self._database, body=encode(body)
        )
        return answer.object()

    async def __aiter__(self) -> AsyncIterator[DocumentT]:
        if self._is_started:
            raise InvalidUse("a cursor is read once: call find again")
        self._is_started = True
        left = self._query.limit or None
        skip = self._query.skip
        cursor: str | None = None
        while left is None or left > 0:
            documents, cursor = await self._page(min(left or PAGE_DOCUMENTS, PAGE_DOCUMENTS), skip, cursor)
            for document in documents:
                yield document
            skip = 0
            if left is not None:
                left -= len(documents)
            if cursor is None:
                return

    async def _page(self, limit: int, skip: int, cursor: str | None) -> tuple[list[DocumentT], str | None]:
        """Return the documents of a page, and where the next one begins; None: there is none."""
        body = self._query.body() | _bounds(limit, skip)
        if cursor is not None:
            body["cursor"] = cursor
        answer = await self._caller.call(
            "POST", f"{self._path}/query", self._options, database=self._database, body=encode(body)
        )
        page = answer.object()
        self.stats.append(page.get("stats", {}))
        following = page.get("cursor")
        if following is not None and (not isinstance(following, str) or following == cursor):
            raise answer.invalid(f"the answer's cursor leads nowhere: {following!r:.60}")
        return answer.checked(page, "documents", list), following

    def _with(self, **changes: Any) -> AsyncCursor[DocumentT]:
        if self._is_started:
            raise InvalidUse("a cursor that is being read cannot be changed")
        query = dataclasses.replace(self._query, **changes)
        return AsyncCursor(self._caller, self._database, self._path, self._options, query)


def _bounds(limit: int, skip: int) -> dict[str, int]:
    bounds = {"limit": limit, "skip": skip}
    return {name: value for name, value in bounds.items() if value}


def _least(length: int, limit: int) -> int:
    return min(length, limit) if limit else length
