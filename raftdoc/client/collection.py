"""One collection, seen by a client: documents by id, and by what is in them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Generic, TypeAlias, cast

from raftdoc.client.call import NDJSON, Answer, path_of, query_of
from raftdoc.client.caller import Caller
from raftdoc.client.cursor import AsyncCursor, QueryOptions, Sort, optional_sort, sort_document
from raftdoc.client.errors import BulkWriteError, InvalidUse, NotFound, missing_is_answer
from raftdoc.client.exchange import (
    Projection,
    bulk_result,
    chosen_by,
    filter_document,
    if_match,
    list_of,
    patch_content,
    path_segment,
    projection_document,
    results_of,
    written,
)
from raftdoc.client.operations import Operation, Update, check_replacement, line_of
from raftdoc.client.options import CallOptions
from raftdoc.client.values import (
    BulkWriteResult,
    DeleteResult,
    Document,
    DocumentId,
    DocumentT,
    InsertManyResult,
    InsertOneResult,
    Json,
    UpdateResult,
    Versioned,
    WriteResult,
    encode,
    encode_document,
)

Filter: TypeAlias = Mapping[str, Any]


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
        options = self._options.changed(changes)
        return AsyncCollection(self._caller, self.database, self.name, options)

    # One document by its id -----------------------------------------------------------------------

    async def get(self, id: DocumentId) -> DocumentT | None:
        """Return a document; None: there is none."""
        found = await self.get_versioned(id)
        return None if found is None else found.document

    async def get_versioned(self, id: DocumentId) -> Versioned[DocumentT] | None:
        """Return a document with its revision; None: there is none."""
        with missing_is_answer("document_not_found", "collection_not_found"):
            answer = await self._call("GET", self._document_path(id))
            return Versioned(cast("DocumentT", answer.object()), answer.fields.get("ETag", ""))
        return None

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
        conditions = [("If-None-Match", "*")] if create_only else if_match(if_revision)
        answer = await self._call(
            "PUT", self._document_path(id), is_write=True, body=encode_document(document), conditions=conditions
        )
        return written(answer, id)

    async def delete(self, id: DocumentId, *, if_revision: str | None = None) -> bool:
        """Delete a document; False: there was none.

        Raises:
            PreconditionFailed: it is not at `if_revision`.
        """
        conditions = if_match(if_revision)
        with missing_is_answer("document_not_found", "collection_not_found"):
            await self._call("DELETE", self._document_path(id), is_write=True, conditions=conditions)
            return True
        return False

    # Inserts --------------------------------------------------------------------------------------

    async def insert_one(self, document: DocumentT) -> InsertOneResult:
        """Create a document; without `_id` it gets one.

        Raises:
            DuplicateKey: one with this id exists.
        """
        answer = await self._call("POST", f"{self._path}/docs", is_write=True, body=encode_document(document))
        body = answer.object()
        if "_id" not in body:
            raise answer.invalid("the answer has no _id")
        return InsertOneResult(body["_id"], answer.checked(body, "etag", str))

    async def insert_many(self, documents: Iterable[DocumentT], *, atomic: bool = False) -> InsertManyResult:
        """Create documents, each for itself, or with `atomic` all or none.

        Raises:
            BulkWriteError: some were not created; `results` says of each what became of it.
        """
        documents = list_of(documents, "insert_many takes a list of documents")
        lines = [encode_document(document) for document in documents]
        if not lines:
            raise InvalidUse("insert_many needs at least one document")
        path = f"{self._path}/docs" + query_of({"atomic": True if atomic else None})
        answer = await self._call("POST", path, is_write=True, body=b"\n".join(lines), media=NDJSON, accept=NDJSON)
        results = results_of(answer)
        if any(result.error is not None for result in results):
            failed = sum(result.error is not None for result in results)
            raise BulkWriteError(f"{failed} of {len(results)} documents were not created", results=results)
        if len(results) < len(lines):
            raise answer.invalid(f"the answer says what became of {len(results)} of {len(lines)} documents")
        return InsertManyResult(tuple([result.id for result in results if result.id is not None]))

    # Updates and deletions ------------------------------------------------------------------------

    async def patch(
        self, id: DocumentId, patch: Mapping[str, Any] | Sequence[Mapping[str, Any]], *, if_revision: str | None = None
    ) -> WriteResult:
        """Change a document: a mapping is a merge patch (RFC 7396), a sequence a JSON patch (RFC 6902).

        Raises:
            NotFound: there is no such document.
            PreconditionFailed: it is not at `if_revision`.
            Conflict: a `test` of the JSON patch failed.
        """
        media, content = patch_content(patch)
        body = encode(content)
        conditions = if_match(if_revision)
        path = self._document_path(id)
        answer = await self._call("PATCH", path, is_write=True, body=body, media=media, conditions=conditions)
        return written(answer, id)

    async def update_one(
        self,
        filter: Filter,
        update: Update,
        *,
        upsert: bool = False,
        array_filters: Sequence[Filter] | None = None,
        sort: Sort | None = None,
    ) -> UpdateResult:
        """Update the first document that matches, by `sort` or by id."""
        members = {"filter": filter, "update": update, "upsert": upsert, "array_filters": array_filters}
        return await self._update({**members, "sort": optional_sort(sort)})

    async def update_many(
        self,
        filter: Filter,
        update: Update,
        *,
        upsert: bool = False,
        array_filters: Sequence[Filter] | None = None,
        atomic: bool = False,
    ) -> UpdateResult:
        """Update all documents that match: each all or nothing, with `atomic` all together.

        Raises:
            BulkWriteError: some documents did not take the update; `problem` says which, and how many did.
        """
        members = {"filter": filter, "update": update, "upsert": upsert, "array_filters": array_filters}
        return await self._update({**members, "multi": True}, atomic=atomic)

    async def replace_one(self, filter: Filter, replacement: DocumentT, *, upsert: bool = False) -> UpdateResult:
        """Replace the first document that matches; its `_id` stays."""
        check_replacement(replacement)
        return await self._update({"filter": filter, "update": replacement, "upsert": upsert})

    async def delete_one(self, filter: Filter, *, sort: Sort | None = None) -> DeleteResult:
        """Delete the first document that matches, by `sort` or by id."""
        members = {"filter": chosen_by(filter), "sort": optional_sort(sort)}
        return DeleteResult((await self._write("delete", members)).member("deleted", int))

    async def delete_many(self, filter: Filter, *, atomic: bool = False) -> DeleteResult:
        """Delete all documents that match."""
        answer = await self._write("delete", {"filter": chosen_by(filter), "multi": True}, atomic=atomic)
        return DeleteResult(answer.member("deleted", int))

    async def find_one_and_update(
        self,
        filter: Filter,
        update: Update,
        *,
        projection: Projection | None = None,
        sort: Sort | None = None,
        upsert: bool = False,
        array_filters: Sequence[Filter] | None = None,
        return_after: bool = False,
    ) -> DocumentT | None:
        """Update the first document that matches and return it as it was, or with `return_after` as it is then."""
        members = {"filter": filter, "update": update, "upsert": upsert, "array_filters": array_filters}
        returned = "after" if return_after else "before"
        return await self._find_and_modify({**members, "return": returned}, projection, sort)

    async def find_one_and_replace(
        self,
        filter: Filter,
        replacement: DocumentT,
        *,
        projection: Projection | None = None,
        sort: Sort | None = None,
        upsert: bool = False,
        return_after: bool = False,
    ) -> DocumentT | None:
        """Replace the first document that matches and return it as it was, or with `return_after` as it is then."""
        check_replacement(replacement)
        members = {"filter": filter, "update": replacement, "upsert": upsert}
        returned = "after" if return_after else "before"
        return await self._find_and_modify({**members, "return": returned}, projection, sort)

    async def find_one_and_delete(
        self, filter: Filter, *, projection: Projection | None = None, sort: Sort | None = None
    ) -> DocumentT | None:
        """Delete the first document that matches and return it."""
        return await self._find_and_modify({"filter": filter, "delete": True}, projection, sort)

    async def bulk_write(
        self, operations: Iterable[Operation], *, ordered: bool = True, atomic: bool = False
    ) -> BulkWriteResult:
        """Do many operations, each on one document: in order up to the first that fails, all that can, or all or none.

        Raises:
            BulkWriteError: some failed; `results` has one entry for each that was tried.
        """
        operations = list_of(operations, "bulk_write takes a list of operations")
        lines = [line_of(operation) for operation in operations]
        if not lines:
            raise InvalidUse("bulk_write needs at least one operation")
        path = f"{self._path}/bulk" + query_of({"ordered": None if ordered else False, "atomic": atomic or None})
        body = b"\n".join([encode(line) for line in lines])
        answer = await self._call("POST", path, is_write=True, body=body, media=NDJSON, accept=NDJSON)
        return bulk_result([next(iter(line)) for line in lines], results_of(answer))

    # Indexes --------------------------------------------------------------------------------------

    async def create_index(
        self,
        fields: Sort,
        *,
        name: str | None = None,
        unique: bool = False,
        sparse: bool = False,
        partial: Filter | None = None,
        expire_after_s: int | None = None,
    ) -> str:
        """Begin to build an index and return its name; `index` tells when it is ready."""
        members = {
            "fields": sort_document(fields),
            "name": name,
            "unique": unique or None,
            "sparse": sparse or None,
            "partial": partial,
            "expire_after_s": expire_after_s,
        }
        body = encode({member: value for member, value in members.items() if value is not None})
        answer = await self._call("POST", f"{self._path}/indexes", is_write=True, body=body)
        return answer.member("name", str)

    async def indexes(self) -> list[dict[str, Any]]:
        """Return the indexes: definition, state, size."""
        return (await self._call("GET", f"{self._path}/indexes")).member("indexes", list)

    async def index(self, name: str) -> dict[str, Any]:
        """Return one index: `state` is building, ready or failed.

        Raises:
            NotFound: there is none of this name.
        """
        return (await self._call("GET", f"{self._path}/indexes/{path_segment(name)}")).object()

    async def drop_index(self, name: str) -> bool:
        """Delete an index; False: there was none."""
        with missing_is_answer("index_not_found", "collection_not_found"):
            await self._call("DELETE", f"{self._path}/indexes/{path_segment(name)}", is_write=True)
            return True
        return False

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
            filter=filter_document(filter),
            projection=projection_document(projection),
            sort=optional_sort(sort),
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
        answer = await self._query("count", {"filter": filter_document(filter), **options})
        return answer.member("count", int)

    async def estimated_document_count(self) -> int:
        """Return how many documents there are, from the collection's own counter."""
        return (await self._call("GET", self._path)).member("document_count", int)

    async def distinct(self, /, field: str, filter: Filter | None = None, **options: Any) -> list[Json]:
        """Return the different values of a field among the documents that match."""
        answer = await self._query("distinct", {"field": field, "filter": filter_document(filter), **options})
        return answer.member("values", list)

    async def aggregate(self, /, pipeline: Sequence[Mapping[str, Any]], **options: Any) -> list[Document]:
        """Return what the pipeline makes of the documents."""
        stages = list_of(pipeline, "a pipeline is a list of stages")
        return (await self._query("aggregate", {"pipeline": stages, **options})).member("documents", list)

    async def get_many(self, ids: Iterable[DocumentId]) -> list[DocumentT]:
        """Return the documents with these ids that there are, in the order of the ids given."""
        answer = await self._query("get-many", {"ids": list_of(ids, "get_many takes a list of ids")})
        return answer.member("documents", list)

    # Inside ---------------------------------------------------------------------------------------

    async def _call(self, method: str, path: str, **details: Any) -> Answer:
        return await self._caller.call(method, path, self._options, database=self.database, **details)

    async def _write(self, name: str, members: Mapping[str, Any], *, atomic: bool = False) -> Answer:
        body = encode({member: value for member, value in members.items() if value is not None and value is not False})
        path = f"{self._path}/{name}" + query_of({"atomic": atomic or None})
        return await self._call("POST", path, is_write=True, body=body)

    async def _update(self, members: Mapping[str, Any], *, atomic: bool = False) -> UpdateResult:
        chosen_by(members["filter"])
        answer = await self._write("update", members, atomic=atomic)
        body = answer.object()
        modified = answer.checked(body, "modified", int)
        if body.get("refused"):
            raise BulkWriteError(
                f"{body['refused']} documents did not take the update, {modified} did",
                status=answer.status,
                problem=body,
                outcome="applied",
            )
        return UpdateResult(answer.checked(body, "matched", int), modified, body.get("upserted_id"))

    async def _find_and_modify(
        self, members: Mapping[str, Any], projection: Projection | None, sort: Sort | None
    ) -> DocumentT | None:
        chosen_by(members["filter"])
        shown = {"projection": projection_document(projection), "sort": optional_sort(sort)}
        body = (answer := await self._write("find-and-modify", {**members, **shown})).object()
        if "document" in body and body["document"] is None:
            return None
        return cast("DocumentT", answer.checked(body, "document", dict))

    async def _query(self, name: str, body: Mapping[str, Any]) -> Answer:
        return await self._call("POST", f"{self._path}/{name}", body=encode(body))

    def _document_path(self, id: DocumentId) -> str:
        if isinstance(id, str):
            return f"{self._path}/docs/{path_segment(id)}"
        if not isinstance(id, int | float | dict):
            raise InvalidUse(f"an id is a string, a number, a boolean or a tagged scalar, not {id!r:.60}")
        return f"{self._path}/docs/{path_segment(encode(id).decode())}?id_type=json"
