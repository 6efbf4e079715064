"""The HTTP server: where connections come in, and how they end."""

from __future__ import annotations

import asyncio
import secrets
import socket
import time
from collections.abc import Callable
from typing import Final

from raftdoc.api.backend import Backend
from raftdoc.api.bulk import Bulk
from raftdoc.api.bulk_writes import BulkWrites
from raftdoc.api.catalog import Catalog
from raftdoc.api.cluster import Cluster, livez, show_metrics, show_openapi
from raftdoc.api.connection import Connection
from raftdoc.api.dispatcher import Dispatcher
from raftdoc.api.documents import Documents
from raftdoc.api.exchange import Handler
from raftdoc.api.generated_ids import IdSource
from raftdoc.api.heads import Heads
from raftdoc.api.http_metrics import HttpMetrics
from raftdoc.api.indexes import Indexes
from raftdoc.api.members import Members
from raftdoc.api.openapi import describe_api
from raftdoc.api.outbox import Outbox
from raftdoc.api.parsing import Parser
from raftdoc.api.patches import Patches
from raftdoc.api.queries import Queries
from raftdoc.api.settings import HttpSettings
from raftdoc.api.updates import Updates
from raftdoc.telemetry.metrics import Registry

__all__ = ["HttpServer", "HttpSettings"]

BACKLOG: Final = 1024
IDLE_CHECKS: Final = 5
"""In how many steps a connection's idleness is counted."""


class HttpServer:
    def __init__(
        self,
        backend: Backend,
        settings: HttpSettings,
        metrics: Registry,
        on_fatal: Callable[[BaseException], None],
    ) -> None:
        self._settings = settings
        self._metrics = HttpMetrics(metrics)
        self._parser = Parser(backend.now_ns)
        self.dispatcher = Dispatcher(
            node=backend.node,
            now_ns=backend.now_ns,
            handlers=_handlers(backend, settings, metrics, self._parser),
            settings=settings,
            metrics=self._metrics,
            on_fatal=on_fatal,
            id_prefix=secrets.token_hex(4),
            elsewhere=backend.elsewhere,
        )
        self.heads = Heads(backend.node)
        self.outbox = Outbox(asyncio.get_running_loop())
        self.linger_s = settings.linger_s_max
        self.is_closing = False
        self._connections: set[Connection] = set()
        self._metrics.connections.read = lambda: len(self._connections)
        self._server: asyncio.Server | None = None
        self._timers: list[asyncio.TimerHandle] = []
        self._emptied: asyncio.Event = asyncio.Event()

    @property
    def sockets(self) -> tuple[socket.socket, ...]:
        """Where the server listens; none before `start` and after `close`."""
        return () if self._server is None else tuple(self._server.sockets)

    @property
    def port(self) -> int:
        """The port that the server listens on, also where it was asked for any."""
        return int(self.sockets[0].getsockname()[1])

    @property
    def connection_count(self) -> int:
        return len(self._connections)

    async def start(self, host: str, port: int) -> None:
        """Listen. Port 0 is any free one.

        Raises:
            OSError: the address cannot be had.
        """
        assert self._server is None, "started twice"
        loop = asyncio.get_running_loop()
        self.heads.set_time(int(time.time()))
        self._server = await loop.create_server(lambda: Connection(self, loop), host, port, backlog=BACKLOG)
        self._date_answers(loop)
        self._close_idle(loop)

    async def close(self, drain_s: float = 10.0) -> None:
        """Stop accepting, let what is under way be answered for up to drain_s, then end every connection."""
        self.is_closing = True
        if self._server is not None:
            self._server.close()
        for connection in list(self._connections):
            connection.close()
        try:
            async with asyncio.timeout(drain_s):
                await self._all_ended()
        except TimeoutError:
            self.dispatcher.cancel()
            for connection in list(self._connections):
                connection.abort()
            await self._all_ended()
        for timer in self._timers:
            timer.cancel()
        await self.dispatcher.close()
        self._parser.close()
        if self._server is not None:
            await self._server.wait_closed()
            self._server = None

    async def _all_ended(self) -> None:
        while self._connections:
            self._emptied.clear()
            await self._emptied.wait()

    # What connections call --------------------------------------------------------------------------

    def opened(self, connection: Connection) -> bool:
        self._connections.add(connection)
        if len(self._connections) <= self._settings.connections_max:
            return True
        self._metrics.refused_connections.value += 1
        return False

    def lost(self, connection: Connection) -> None:
        self._connections.discard(connection)
        if not self._connections:
            self._emptied.set()

    # Timers -----------------------------------------------------------------------------------------

    def _date_answers(self, loop: asyncio.AbstractEventLoop) -> None:
        now_s = time.time()
        self.heads.set_time(int(now_s))
        self._again(loop, 1.0 - now_s % 1.0 + 0.001, self._date_answers)

    def _close_idle(self, loop: asyncio.AbstractEventLoop) -> None:
        for connection in list(self._connections):
            connection.check_idle(IDLE_CHECKS)
        self._again(loop, self._settings.idle_s_max / IDLE_CHECKS, self._close_idle)

    def _again(
        self, loop: asyncio.AbstractEventLoop, delay_s: float, act: Callable[[asyncio.AbstractEventLoop], None]
    ) -> None:
        self._timers = [timer for timer in self._timers if timer.when() > loop.time()]
        self._timers.append(loop.call_later(delay_s, act, loop))


def _handlers(backend: Backend, settings: HttpSettings, metrics: Registry, parser: Parser) -> dict[str, Handler]:
    """Return the handler of every operation, by its id."""
    ids = IdSource()
    documents = Documents(backend, settings, parser)
    updates = Updates(backend, settings, ids, parser)
    catalog = Catalog(backend, settings)
    indexes = Indexes(backend, settings)
    cluster = Cluster(backend)
    members = Members(backend)
    return {
        "list_databases": catalog.list_databases,
        "create_database": catalog.create_database,
        "get_database": catalog.get_database,
        "delete_database": catalog.delete_database,
        "list_collections": catalog.list_collections,
        "create_collection": catalog.create_collection,
        "get_collection": catalog.get_collection,
        "delete_collection": catalog.delete_collection,
        **Queries(backend, parser).handlers(),
        "create_documents": Bulk(backend, settings, backend.now_ns, ids, parser).post,
        "get_document": documents.get,
        "put_document": documents.put,
        "delete_document": documents.delete,
        "patch_document": Patches(backend, settings, parser).patch,
        "update_documents": updates.update,
        "delete_documents": updates.delete,
        "find_and_modify": updates.find_and_modify,
        "write_bulk": BulkWrites(backend, settings, backend.now_ns, ids, parser).post,
        "list_indexes": indexes.list,
        "create_index": indexes.create,
        "get_index": indexes.get,
        "delete_index": indexes.delete,
        "get_request": catalog.get_request,
        "get_catalog_request": catalog.get_catalog_request,
        "get_cluster": cluster.get_cluster,
        "list_groups": cluster.list_groups,
        "transfer_leader": cluster.transfer_leader,
        "list_members": members.list,
        "add_member": members.add,
        "get_member": members.get,
        "remove_member": members.remove,
        "drain_member": members.drain,
        "rebalance": members.rebalance,
        "get_operation": members.operation,
        "livez": livez,
        "readyz": cluster.readyz,
        "metrics": show_metrics(metrics.exposition),
        "openapi": show_openapi(describe_api()),
    }
