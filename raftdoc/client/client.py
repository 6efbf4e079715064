"""The client: where calls go out, and where its life ends.

async with AsyncClient(["http://127.0.0.1:8101", "http://127.0.0.1:8102"]) as client:
    orders = client.database("shop").collection("orders")
    await orders.put("42", {"item": "ink", "qty": 3})
"""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import AsyncIterator, Mapping, Sequence
from random import Random
from types import TracebackType
from typing import Any

from raftdoc.client.backoff import RetryBudget
from raftdoc.client.call import Answer, Call, make_call, new_key, path_of
from raftdoc.client.database import AsyncDatabase
from raftdoc.client.errors import InvalidUse, missing_is_answer
from raftdoc.client.nodes import Balancer, parse_nodes
from raftdoc.client.options import CallOptions, ClientOptions, Session
from raftdoc.client.retry import Retrier
from raftdoc.client.topology import Topology
from raftdoc.client.values import DatabaseInfo, encode


class AsyncClient:
    """One cluster, from one event loop. The constructor does no I/O; `aclose`, or `async with`, ends it."""

    def __init__(
        self,
        urls: Sequence[str],
        options: ClientOptions | None = None,
        call_options: CallOptions | None = None,
    ) -> None:
        """`urls` are addresses of some of the nodes; the others are learned from them.

        Raises:
            InvalidUse: no address, or one that is none.
        """
        self._topology: Topology | None = None
        self._is_closed = False
        self._nodes = parse_nodes(urls)
        self._client_options = options or ClientOptions()
        self._options = call_options or CallOptions()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._retrier: Retrier | None = None

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """End all connections. A second call does nothing."""
        if self._is_closed:
            return
        self._is_closed = True
        if self._topology is not None:
            await self._topology.close()

    def __del__(self) -> None:
        if not self._is_closed and self._topology is not None:
            message = f"{self!r} was never closed: use `async with`, or `await client.aclose()`"
            warnings.warn(message, ResourceWarning, stacklevel=2, source=self)

    def __repr__(self) -> str:
        return f"AsyncClient({[node.url for node in self._nodes]})"

    # Databases ------------------------------------------------------------------------------------

    def database(self, name: str) -> AsyncDatabase:
        """Return a database. No I/O: whether there is one shows with the first call."""
        return AsyncDatabase(self, name, self._options)

    def with_options(self, **changes: Any) -> AsyncClientView:
        """Return a view of this client whose calls have other options: see `CallOptions`."""
        return AsyncClientView(self, self._options.changed(changes))

    async def create_database(self, name: str, options: dict[str, Any] | None = None) -> AsyncDatabase:
        """Create a database that is not there, and return it when it accepts writes."""
        await self.call("PUT", path_of("dbs", name), self._options, body=encode(options or {}), is_write=True)
        return self.database(name)

    async def drop_database(self, name: str) -> bool:
        """Delete a database with all that is in it; False: there was none."""
        with missing_is_answer("database_not_found"):
            await self.call("DELETE", path_of("dbs", name), self._options, is_write=True)
            return True
        return False

    async def databases(self) -> list[DatabaseInfo]:
        answer = await self.call("GET", path_of("dbs"), self._options)
        return answer.each("databases", database_info)

    async def cluster(self) -> dict[str, Any]:
        """Return members, groups and limits, as a node sees them."""
        return (await self.call("GET", "/v1/cluster", self._options)).object()

    async def request_outcome(self, key: str, *, database: str | None = None) -> dict[str, Any] | None:
        """Return what became of the write with this idempotency key; None: no such write was decided as of now.

        Without a database it is the creation or deletion of one.
        """
        path = path_of("requests", key) if database is None else path_of("dbs", database, "requests", key)
        with missing_is_answer("request_not_found"):
            return (await self.call("GET", path, self._options, database=database)).object()
        return None

    # The cluster ----------------------------------------------------------------------------------

    async def transfer_leader(self, group: int, to: str | None = None) -> None:
        """Begin to hand the leadership of a group over; `cluster` shows the result."""
        body = encode({"group": group} if to is None else {"group": group, "to": to})
        await self.call("POST", "/v1/cluster/transfer-leader", self._options, is_write=True, body=body)

    async def members(self) -> list[dict[str, Any]]:
        """Return the nodes of the cluster, as the catalog has them."""
        return (await self.call("GET", "/v1/cluster/members", self._options)).member("members", list)

    async def member(self, node: str) -> dict[str, Any]:
        return (await self.call("GET", path_of("cluster", "members", node), self._options)).object()

    async def add_member(self, member: Mapping[str, str]) -> dict[str, Any]:
        """Let a node join. `raftdoc serve --join` does this by itself."""
        body = encode(dict(member))
        return (await self.call("POST", "/v1/cluster/members", self._options, is_write=True, body=body)).object()

    async def remove_member(self, node: str) -> dict[str, Any]:
        """Begin to remove a node; its replicas move away first. `operation` tells how far that is."""
        path = path_of("cluster", "members", node)
        return (await self.call("DELETE", path, self._options, is_write=True)).object()

    async def drain(self, node: str, *, undo: bool = False) -> dict[str, Any]:
        """Begin to move the replicas of a node elsewhere; with `undo` it may have some again."""
        body = encode({"node": node, "undo": undo})
        return (await self.call("POST", "/v1/cluster/drain", self._options, is_write=True, body=body)).object()

    async def rebalance(self, *, dry_run: bool = False) -> dict[str, Any]:
        """Begin to put replicas and leaderships where they belong; with `dry_run` only tell what that would be.

        `operation` is the name of the pass, None where nothing was begun.
        """
        body = encode({"dry_run": dry_run})
        return (await self.call("POST", "/v1/cluster/rebalance", self._options, is_write=True, body=body)).object()

    async def operation(self, name: str) -> dict[str, Any]:
        """Return how far a long operation is: a change of members, a rebalancing pass, the build of an index."""
        return (await self.call("GET", path_of("operations", name), self._options)).object()

    def session(self) -> Session:
        """Return a session: `collection.with_options(session=...)` reads what was written and read in it before."""
        return Session()

    # Calls ----------------------------------------------------------------------------------------

    async def call(
        self,
        method: str,
        path: str,
        options: CallOptions,
        *,
        is_write: bool = False,
        **details: Any,
    ) -> Answer:
        """Send any request of the HTTP API and return its answer; see `make_call` for the details.

        Raises:
            RaftdocError: see the tree in `errors`.
        """
        deadline_s = asyncio.get_running_loop().time() + options.timeout_s
        retrier = await self._ready(deadline_s)
        return await retrier.run(self._make(method, path, options, is_write=is_write, **details), deadline_s)

    async def stream(
        self, method: str, path: str, options: CallOptions, *, is_write: bool = False, **details: Any
    ) -> AsyncIterator[bytes]:
        """Send a request and yield the body of its answer as it arrives."""
        deadline_s = asyncio.get_running_loop().time() + options.timeout_s
        retrier = await self._ready(deadline_s)
        async for piece in retrier.stream(self._make(method, path, options, is_write=is_write, **details), deadline_s):
            yield piece

    def _make(self, method: str, path: str, options: CallOptions, *, is_write: bool, **details: Any) -> Call:
        if is_write and options.idempotency_key is not None:
            details.setdefault("key", options.idempotency_key)
        elif is_write and self._client_options.idempotency:
            details.setdefault("key", new_key())
        return make_call(method, path, options, is_read=not is_write, **details)

    async def _ready(self, deadline_s: float) -> Retrier:
        """Return what sends calls, of this event loop, once the cluster is known."""
        if self._is_closed:
            raise InvalidUse("the client is closed")
        loop = asyncio.get_running_loop()
        if self._loop is None:
            self._bind(loop)
        if self._loop is not loop:
            raise InvalidUse("the client belongs to another event loop: make one for each")
        assert self._topology is not None
        assert self._retrier is not None
        if self._topology.is_due():
            await self._topology.ready(deadline_s)
        return self._retrier

    def _bind(self, loop: asyncio.AbstractEventLoop) -> None:
        options, random = self._client_options, Random()
        self._loop = loop
        self._topology = Topology(self._nodes, options, loop)
        balancer = Balancer(options.balance, random)
        self._retrier = Retrier(self._topology, balancer, RetryBudget(options.retry_rate_max), random)


class AsyncClientView:
    """A client with other options for its calls."""

    def __init__(self, client: AsyncClient, options: CallOptions) -> None:
        self._client = client
        self._options = options

    def database(self, name: str) -> AsyncDatabase:
        return AsyncDatabase(self._client, name, self._options)


def database_info(info: dict[str, Any]) -> DatabaseInfo:
    """Return what a node says of a database."""
    return DatabaseInfo(
        info["name"], info["group"], info["created_ms"], info.get("options", {}), tuple(info.get("replicas", ()))
    )
