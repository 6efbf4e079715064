"""The connections to one node: those at rest, and a bound on how many there are."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from typing import Final

from raftdoc.client.connection import Connection
from raftdoc.client.errors import InvalidUse, Unreachable, Untrusted
from raftdoc.client.nodes import NodeState
from raftdoc.client.options import ClientOptions

IDLE_S_MAX: Final = 30.0
"""A connection at rest for longer is not used again: the node, or something between, may have forgotten it."""


class Pool:
    def __init__(self, node: NodeState, options: ClientOptions, loop: asyncio.AbstractEventLoop) -> None:
        self.node = node
        self._options = options
        self._loop = loop
        self._tls = (options.tls or ssl.create_default_context()) if node.is_tls else None
        self._resting: deque[Connection] = deque()
        self._open_count = 0
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._is_closed = False

    def take(self) -> Connection | None:
        """Return a connection at rest, the one used last; None: `open` makes one."""
        oldest_s = self._loop.time() - IDLE_S_MAX
        while self._resting:
            connection = self._resting.pop()
            if connection.is_usable and connection.idle_since_s >= oldest_s:
                return connection
            self._discard(connection)
        return None

    async def acquire(self, timeout_s: float) -> Connection:
        """Return a connection: one at rest, a new one, or the next that is given back.

        Raises:
            Unreachable: the node does not take one, or none was given back in time.
        """
        until_s = self._loop.time() + timeout_s
        try:
            async with asyncio.timeout_at(until_s):
                while (connection := self.take()) is None and self._open_count >= self._options.connections_max:
                    await self._wait()
        except TimeoutError:
            raise Unreachable(f"all connections to {self.node.url} were busy for {timeout_s:.1f} s") from None
        left_s = max(0.001, until_s - self._loop.time())
        return connection or await self._open(min(left_s, self._options.connect_timeout_s))

    def give_back(self, connection: Connection) -> None:
        """Take a connection back whose answer was read; one that cannot be used again is ended."""
        if connection.is_usable and not self._is_closed:
            connection.idle_since_s = self._loop.time()
            self._resting.append(connection)
            self._wake()
        else:
            self._discard(connection)

    def drop(self, connection: Connection) -> None:
        """End a connection in whatever state it is."""
        connection.abort()
        self._open_count -= 1
        self._wake()

    def close(self) -> None:
        """End the connections at rest, and the others when they are given back."""
        self._is_closed = True
        while self._resting:
            self._discard(self._resting.pop())
        while self._waiters:
            self._wake()

    def _discard(self, connection: Connection) -> None:
        connection.close()
        self._open_count -= 1
        self._wake()

    async def _open(self, timeout_s: float) -> Connection:
        if self._is_closed:
            raise InvalidUse("the client is closed")
        node = self.node
        self._open_count += 1
        connection: Connection | None = None
        try:
            async with asyncio.timeout(timeout_s):
                _, connection = await self._loop.create_connection(
                    lambda: Connection(self._loop), node.host, node.port, ssl=self._tls
                )
        except TimeoutError:
            raise Unreachable(f"{node.url} did not take a connection within {timeout_s:.1f} s") from None
        except ssl.SSLError as error:
            raise Untrusted(f"{node.url} offers no TLS connection that can be trusted: {error}") from error
        except OSError as error:
            raise Unreachable(f"{node.url} cannot be reached: {error}") from error
        finally:
            if connection is None:
                self._open_count -= 1
                self._wake()
        return connection

    async def _wait(self) -> None:
        waiter: asyncio.Future[None] = self._loop.create_future()
        self._waiters.append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                # It was told that there is room, and does not take it.
                self._wake()
            raise

    def _wake(self) -> None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
