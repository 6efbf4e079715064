"""One collection, seen by a client: documents by id, and by what is in them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Generic, TypeAlias

import orjson

from raftdoc.client.call import NDJSON, Answer, path_of, query_of
from raftdoc.client.caller import Caller
from raftdoc.client.cursor import AsyncCursor, QueryOptions, Sort, sort_document
from raftdoc.client.errors import BulkWriteError, InvalidUse, NotFound
from raftdoc.client.options import CallOptions
from raftdoc.client.values import (
    Document,
    DocumentId,
    DocumentT,
    InsertManyResult,
    InsertOneResult,
    Json,
    OperationResult,
    Versioned,
    WriteResult,
    encode,
    encode_document,
)

Filter: TypeAlias = Mapping[str, Any]
Projection: TypeAlias = "Mapping[str, Any] | Sequence[str]"
"""As a document, or the names of the fields to show."""


class AsyncCollection(Generic[DocumentT]):
    """Methods named as pymongo's do what pymongo's do; `get`, `put` and `delete` work on one document by its id."""

    def __init__(self, caller: Caller, database: str, name: str, options: CallOptions) -> None:
        self._caller = caller
        self._options = options
        self.database = database
        self.name = name
        self._path = path_of("dbs", database, "collections", name)

    def __repr__(self) -> str:
        return f"AsyncCollection({self.database!r}, {self.name!r})"

    def with_options(self, **changes: Any) -> AsyncCollection[DocumentT]:
        """Return this collection with other options for its calls: see `CallOptions`."""
        options = dataclasses.replace(self._options, **changes)
        return AsyncCollection(self._caller, self.database, self.name, options)

    # One document by its id -----------------------------------------------------------------------

    async def get(self, id: DocumentId) -> DocumentT | None:
        """Return a document; None: there is none."""
        found = await self.get_versioned(id)
        return None if found is None else found.document

    async def get_versioned(self, id: DocumentId) -> Versioned[DocumentT] | None:
        """Return a document with its revision; None: there is none."""
        try:
            answer = await self._call("GET", self._document_path(id))
        except NotFound as error:
            if error.code not in ("document_not_found", "collection_not_found"):
                raise
            return None
        return Versioned(answer.json(), answer.fields.get("ETag", ""))

    async def exists(self, id: DocumentId) -> bool:
        """Return whether there is a document, without fetching it."""
        try:
            await self._call("HEAD", self._document_path(id))
        except NotFound:
            return False
        return True

    async def put(
        self, id: DocumentId, document: DocumentT, *, if_revision: str | None = None, create_only: bool = False
    ) -> WriteResult:
        """Create or replace a document.

        Raises:
            PreconditionFailed: it is not at `if_revision`, or with `create_only` it exists.
        """
        if if_revision is not None and create_only:
            raise InvalidUse("a document that is to be created has no revision yet")
        conditions = [("If-None-Match", "*")] if create_only else _if_match(if_revision)
        answer = await self._call(
            "PUT", self._document_path(id), is_write=True, body=encode_document(document), conditions=conditions
        )
        return _written(answer, id)

    async def delete(self, id: DocumentId, *, if_revision: str | None = None) -> bool:
        """Delete a document; False: there was none.

        Raises:
            PreconditionFailed: it is not at `if_revision`.
        """
        conditions = _if_match(if_revision)
        try:
            await self._call("DELETE", self._document_path(id), is_write=True, conditions=conditions)
        except NotFound as error:
            if error.code not in ("document_not_found", "collection_not_found"):
                raise
            return False
        return True

    # Inserts --------------------------------------------------------------------------------------

    async def insert_one(self, document: DocumentT) -> InsertOneResult:
        """Create a document; without `_id` it gets one.

        Raises:
            DuplicateKey: one with this id exists.
        """
        answer = await self._call("POST", f"{self._path}/docs", is_write=True, body=encode_document(document))
        body = answer.json()
        return InsertOneResult(body["_id"], body["etag"])

    async def insert_many(self, documents: Iterable[DocumentT], *, atomic: bool = False) -> InsertManyResult:
        """Create documents, each for itself, or with `atomic` all or none.

        Raises:
            BulkWriteError: some were not created; `results` says of each what became of it.
        """
        lines = [encode_document(document) for document in documents]
        if not lines:
            raise InvalidUse("insert_many needs at least one document")
        path = f"{self._path}/docs" + query_of({"atomic": True if atomic else None})
        answer = await self._call("POST", path, is_write=True, body=b"\n".join(lines), media=NDJSON, accept=NDJSON)
        results = results_of(answer)
        if any(result.error is not None for result in results):
            failed = sum(result.error is not None for result in results)
            raise BulkWriteError(f"{failed} of {len(results)} documents were not created", results=results)
        return InsertManyResult(tuple([result.id for result in results if result.id is not None]))

    # Queries --------------------------------------------------------------------------------------

    def find(
        self,
        filter: Filter | None = None,
        projection: Projection | None = None,
        *,
        sort: Sort | None = None,
        limit: int = 0,
        skip: int = 0,
        hint: str | None = None,
        max_time_ms: int | None = None,
        max_docs_examined: int | None = None,
        require_index: bool = False,
    ) -> AsyncCursor[DocumentT]:
        """Return a cursor over the documents that match. No I/O before it is read."""
        query = QueryOptions(
            filter=dict(filter or {}),
            projection=_projection(projection),
            sort=None if sort is None else sort_document(sort),
            limit=limit,
            skip=skip,
            hint=hint,
            max_time_ms=max_time_ms,
            max_docs_examined=max_docs_examined,
            require_index=require_index,
        )
        return AsyncCursor(self._caller, self.database, self._path, self._options, query)

    async def find_one(
        self,
        /,
        filter: Filter | None = None,
        projection: Projection | None = None,
        **options: Any,
    ) -> DocumentT | None:
        """Return the first document that matches; None: there is none. `options` are those of `find`."""
        return await self.find(filter, projection, **{**options, "limit": 1}).first()

    async def count_documents(self, /, filter: Filter | None = None, **options: Any) -> int:
        """Return how many documents match. `options`: hint, limit, skip, max_time_ms, ..."""
        body = await self._query("count", {"filter": dict(filter or {}), **options})
        return int(body["count"])

    async def estimated_document_count(self) -> int:
        """Return how many documents there are, from the collection's own counter."""
        info = (await self._call("GET", self._path)).json()
        return int(info["document_count"])

    async def distinct(self, /, field: str, filter: Filter | None = None, **options: Any) -> list[Json]:
        """Return the different values of a field among the documents that match."""
        body = await self._query("distinct", {"field": field, "filter": dict(filter or {}), **options})
        values: list[Json] = body["values"]
        return values

    async def aggregate(self, /, pipeline: Sequence[Mapping[str, Any]], **options: Any) -> list[Document]:
        """Return what the pipeline makes of the documents."""
        body = await self._query("aggregate", {"pipeline": list(pipeline), **options})
        documents: list[Document] = body["documents"]
        return documents

    async def get_many(self, ids: Iterable[DocumentId]) -> list[DocumentT]:
        """Return the documents with these ids that there are, in the order of the ids given."""
        body = await self._query("get-many", {"ids": list(ids)})
        documents: list[DocumentT] = body["documents"]
        return documents

    # Inside ---------------------------------------------------------------------------------------

    async def _call(self, method: str, path: str, **details: Any) -> Answer:
        return await self._caller.call(method, path, self._options, database=self.database, **details)

    async def _query(self, name: str, body: Mapping[str, Any]) -> dict[str, Any]:
        answer = await self._call("POST", f"{self._path}/{name}", body=encode(body))
        result: dict[str, Any] = answer.json()
        return result

    def _document_path(self, id: DocumentId) -> str:
        if isinstance(id, str):
            return f"{self._path}/docs/{path_segment(id)}"
        return f"{self._path}/docs/{path_segment(encode(id).decode())}?id_type=json"


def path_segment(text: str) -> str:
    """Return an id as a segment of a path.

    Raises:
        InvalidUse: it cannot be one.
    """
    if text in ("", ".", ".."):
        raise InvalidUse(f"{text!r} cannot be the id of a document")
    return path_of(text)[4:]


def results_of(answer: Answer) -> tuple[OperationResult, ...]:
    """Return the results of an answer with one JSON line each."""
    return tuple(
        OperationResult(line.get("status", 0), line.get("_id"), line.get("etag"), line.get("error"))
        for line in map(orjson.loads, answer.body.splitlines())
        if line
    )


def _if_match(revision: str | None) -> list[tuple[str, str]]:
    return [] if revision is None else [("If-Match", revision)]


def _written(answer: Answer, id: DocumentId) -> WriteResult:
    body = answer.json()
    is_replayed = answer.fields.get("Idempotency-Replayed") == "true"
    return WriteResult(body.get("_id", id), body["etag"], answer.status == 201, is_replayed)


def _projection(projection: Projection | None) -> dict[str, Any] | None:
    if projection is None or isinstance(projection, Mapping):
        return None if projection is None else dict(projection)
    return dict.fromkeys(projection, 1)
