"""The same client for code that does not await: every method is the one of the asynchronous class, run to its end.

A `Client` has one thread with an event loop; calls from any number of threads are handed to it. Nothing here knows
HTTP: `_blocking` turns a coroutine method into a blocking one and keeps its signature.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar, overload

from raftdoc.client.client import AsyncClient, AsyncClientView
from raftdoc.client.collection import AsyncCollection, Filter
from raftdoc.client.cursor import AsyncCursor, Sort
from raftdoc.client.database import AsyncDatabase
from raftdoc.client.errors import InvalidUse
from raftdoc.client.exchange import Projection
from raftdoc.client.options import CallOptions, ClientOptions, Session
from raftdoc.client.values import Document, DocumentT

P = ParamSpec("P")
T = TypeVar("T")
Inner = TypeVar("Inner")


class Portal:
    """A thread with an event loop, and the way into it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self.is_closed = False

    def run(self, awaitable: Awaitable[T]) -> T:
        """Return what the awaitable has, from another thread than the portal's own."""
        future: Future[T] = asyncio.run_coroutine_threadsafe(_awaited(awaitable), self._running())
        try:
            return future.result()
        finally:
            # Ctrl-C ends the wait: the call must not go on behind the caller's back.
            future.cancel()

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self.is_closed:
                raise InvalidUse("the client is closed")
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._loop.run_forever, name="raftdoc-client", daemon=True)
                self._thread.start()
            return self._loop

    def close(self) -> None:
        """End the thread. A second call does nothing."""
        with self._lock:
            self.is_closed = True
            loop, thread, self._loop = self._loop, self._thread, None
        if loop is not None and thread is not None:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()


async def _awaited(awaitable: Awaitable[T]) -> T:
    return await awaitable


class Facade(Protocol[Inner]):
    """A blocking object: its asynchronous twin, and the portal to it."""

    _portal: Portal
    _inner: Inner


def _blocking(
    method: Callable[Concatenate[Inner, P], Awaitable[T]],
) -> Callable[Concatenate[Facade[Inner], P], T]:
    """Return a method that runs the asynchronous one to its end."""

    def call(self: Facade[Inner], /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._portal.run(method(self._inner, *args, **kwargs))

    call.__name__, call.__doc__ = method.__name__, method.__doc__
    return call


class Cursor(Generic[DocumentT]):
    """The documents of a query; see `AsyncCursor`."""

    def __init__(self, portal: Portal, inner: AsyncCursor[DocumentT]) -> None:
        self._portal = portal
        self._inner = inner

    @property
    def stats(self) -> list[Mapping[str, Any]]:
        return self._inner.stats

    def sort(self, field: Sort, direction: int = 1) -> Cursor[DocumentT]:
        return Cursor(self._portal, self._inner.sort(field, direction))

    def limit(self, count: int) -> Cursor[DocumentT]:
        return Cursor(self._portal, self._inner.limit(count))

    def skip(self, count: int) -> Cursor[DocumentT]:
        return Cursor(self._portal, self._inner.skip(count))

    def hint(self, index: str) -> Cursor[DocumentT]:
        return Cursor(self._portal, self._inner.hint(index))

    def __iter__(self) -> Iterator[DocumentT]:
        documents = aiter(self._inner)
        while True:
            try:
                document = self._portal.run(anext(documents))
            except StopAsyncIteration:
                return
            yield document

    to_list = _blocking(AsyncCursor[DocumentT].to_list)
    first = _blocking(AsyncCursor[DocumentT].first)
    explain = _blocking(AsyncCursor[DocumentT].explain)


class Collection(Generic[DocumentT]):
    """One collection; see `AsyncCollection`."""

    def __init__(self, portal: Portal, inner: AsyncCollection[DocumentT]) -> None:
        self._portal = portal
        self._inner = inner

    def with_options(self, **changes: Any) -> Collection[DocumentT]:
        """Return this collection with other options for its calls: see `CallOptions`."""
        return Collection(self._portal, self._inner.with_options(**changes))

    def find(
        self, filter: Filter | None = None, projection: Projection | None = None, **options: Any
    ) -> Cursor[DocumentT]:
        """Return a cursor over the documents that match; `options` are those of `AsyncCollection.find`."""
        return Cursor(self._portal, self._inner.find(filter, projection, **options))

    get = _blocking(AsyncCollection[DocumentT].get)
    get_versioned = _blocking(AsyncCollection[DocumentT].get_versioned)
    exists = _blocking(AsyncCollection[DocumentT].exists)
    put = _blocking(AsyncCollection[DocumentT].put)
    delete = _blocking(AsyncCollection[DocumentT].delete)
    insert_one = _blocking(AsyncCollection[DocumentT].insert_one)
    insert_many = _blocking(AsyncCollection[DocumentT].insert_many)
    patch = _blocking(AsyncCollection[DocumentT].patch)
    update_one = _blocking(AsyncCollection[DocumentT].update_one)
    update_many = _blocking(AsyncCollection[DocumentT].update_many)
    replace_one = _blocking(AsyncCollection[DocumentT].replace_one)
    delete_one = _blocking(AsyncCollection[DocumentT].delete_one)
    delete_many = _blocking(AsyncCollection[DocumentT].delete_many)
    find_one_and_update = _blocking(AsyncCollection[DocumentT].find_one_and_update)
    find_one_and_replace = _blocking(AsyncCollection[DocumentT].find_one_and_replace)
    find_one_and_delete = _blocking(AsyncCollection[DocumentT].find_one_and_delete)
    bulk_write = _blocking(AsyncCollection[DocumentT].bulk_write)
    create_index = _blocking(AsyncCollection[DocumentT].create_index)
    indexes = _blocking(AsyncCollection[DocumentT].indexes)
    index = _blocking(AsyncCollection[DocumentT].index)
    drop_index = _blocking(AsyncCollection[DocumentT].drop_index)
    find_one = _blocking(AsyncCollection[DocumentT].find_one)
    count_documents = _blocking(AsyncCollection[DocumentT].count_documents)
    estimated_document_count = _blocking(AsyncCollection[DocumentT].estimated_document_count)
    distinct = _blocking(AsyncCollection[DocumentT].distinct)
    aggregate = _blocking(AsyncCollection[DocumentT].aggregate)
    get_many = _blocking(AsyncCollection[DocumentT].get_many)


class Database:
    """One database; see `AsyncDatabase`."""

    def __init__(self, portal: Portal, inner: AsyncDatabase) -> None:
        self._portal = portal
        self._inner = inner

    @overload
    def collection(self, name: str) -> Collection[Document]: ...
    @overload
    def collection(self, name: str, kind: type[DocumentT]) -> Collection[DocumentT]: ...
    def collection(self, name: str, kind: type[Any] = dict) -> Collection[Any]:
        """Return a collection. `kind`, a TypedDict, is what the type checker takes its documents to be."""
        return Collection(self._portal, self._inner.collection(name, kind))

    def __getitem__(self, name: str) -> Collection[Document]:
        return self.collection(name)

    def with_options(self, **changes: Any) -> Database:
        """Return this database with other options for its calls: see `CallOptions`."""
        return Database(self._portal, self._inner.with_options(**changes))

    def create_collection(self, name: str, options: dict[str, Any] | None = None) -> Collection[Document]:
        """Create a collection with options; without options its first write does that as well."""
        return Collection(self._portal, self._portal.run(self._inner.create_collection(name, options)))

    drop_collection = _blocking(AsyncDatabase.drop_collection)
    collections = _blocking(AsyncDatabase.collections)
    info = _blocking(AsyncDatabase.info)


class Client:
    """One cluster, from any thread. `close`, or `with`, ends it; see `AsyncClient`."""

    def __init__(
        self,
        urls: Sequence[str],
        options: ClientOptions | None = None,
        call_options: CallOptions | None = None,
    ) -> None:
        """No I/O, and no thread before the first call.

        Raises:
            InvalidUse: no address, or one that is none.
        """
        self._inner = AsyncClient(urls, options, call_options)
        self._portal = Portal()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End all connections and the thread. A second call does nothing."""
        if not self._portal.is_closed:
            self._portal.run(self._inner.aclose())
            self._portal.close()

    def database(self, name: str) -> Database:
        """Return a database. No I/O: whether there is one shows with the first call."""
        return Database(self._portal, self._inner.database(name))

    def with_options(self, **changes: Any) -> ClientView:
        """Return a view of this client whose calls have other options: see `CallOptions`."""
        return ClientView(self._portal, self._inner.with_options(**changes))

    def create_database(self, name: str, options: dict[str, Any] | None = None) -> Database:
        """Create a database that is not there, and return it when it accepts writes."""
        return Database(self._portal, self._portal.run(self._inner.create_database(name, options)))

    def session(self) -> Session:
        """Return a session; see `AsyncClient.session`."""
        return self._inner.session()

    drop_database = _blocking(AsyncClient.drop_database)
    databases = _blocking(AsyncClient.databases)
    cluster = _blocking(AsyncClient.cluster)
    request_outcome = _blocking(AsyncClient.request_outcome)
    transfer_leader = _blocking(AsyncClient.transfer_leader)
    members = _blocking(AsyncClient.members)
    member = _blocking(AsyncClient.member)
    add_member = _blocking(AsyncClient.add_member)
    remove_member = _blocking(AsyncClient.remove_member)
    drain = _blocking(AsyncClient.drain)
    rebalance = _blocking(AsyncClient.rebalance)
    operation = _blocking(AsyncClient.operation)


class ClientView:
    """A client with other options for its calls."""

    def __init__(self, portal: Portal, inner: AsyncClientView) -> None:
        self._portal = portal
        self._inner = inner

    def database(self, name: str) -> Database:
        return Database(self._portal, self._inner.database(name))
