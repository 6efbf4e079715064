"""One database, seen by a client."""

from __future__ import annotations

from typing import Any, overload

from raftdoc.client.call import path_of
from raftdoc.client.caller import Caller
from raftdoc.client.collection import AsyncCollection
from raftdoc.client.errors import missing_is_answer
from raftdoc.client.options import CallOptions
from raftdoc.client.values import CollectionInfo, Document, DocumentT, encode


class AsyncDatabase:
    def __init__(self, caller: Caller, name: str, options: CallOptions) -> None:
        self._caller = caller
        self._options = options
        self.name = name

    def __repr__(self) -> str:
        return f"AsyncDatabase({self.name!r})"

    @overload
    def collection(self, name: str) -> AsyncCollection[Document]: ...
    @overload
    def collection(self, name: str, kind: type[DocumentT]) -> AsyncCollection[DocumentT]: ...
    def collection(self, name: str, kind: type[Any] | None = None) -> AsyncCollection[Any]:
        """Return a collection. `kind`, a TypedDict, is what the type checker takes its documents to be."""
        return AsyncCollection(self._caller, self.name, name, self._options)

    def __getitem__(self, name: str) -> AsyncCollection[Document]:
        return self.collection(name)

    def with_options(self, **changes: Any) -> AsyncDatabase:
        """Return this database with other options for its calls: see `CallOptions`."""
        return AsyncDatabase(self._caller, self.name, self._options.changed(changes))

    async def create_collection(self, name: str, options: dict[str, Any] | None = None) -> AsyncCollection[Document]:
        """Create a collection with options; without options its first write does that as well."""
        await self._caller.call(
            "PUT",
            path_of("dbs", self.name, "collections", name),
            self._options,
            is_write=True,
            database=self.name,
            body=encode(options or {}),
        )
        return self.collection(name)

    async def drop_collection(self, name: str) -> bool:
        """Delete a collection with its documents; False: there was none."""
        path = path_of("dbs", self.name, "collections", name)
        with missing_is_answer("collection_not_found"):
            await self._caller.call("DELETE", path, self._options, is_write=True, database=self.name)
            return True
        return False

    async def collections(self) -> list[CollectionInfo]:
        path = path_of("dbs", self.name, "collections")
        answer = await self._caller.call("GET", path, self._options, database=self.name)
        return answer.each("collections", collection_info)

    async def info(self) -> dict[str, Any]:
        """Return what the cluster knows of this database."""
        answer = await self._caller.call("GET", path_of("dbs", self.name), self._options, database=self.name)
        return answer.object()


def collection_info(info: dict[str, Any]) -> CollectionInfo:
    """Return what a node says of a collection."""
    return CollectionInfo(
        info["name"], info["created_ms"], info["document_count"], info["document_bytes"], info.get("options", {})
    )
