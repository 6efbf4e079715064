"""One HTTP/1.1 connection: one request at a time, aiohttp's parser behind it, and no way back after a fault.

A connection is given back to its pool only when the whole answer has been read. Whatever else ends a call (a
cancellation, a deadline, a fault of the peer) ends the connection, so that the rest of one answer can never be taken
for the next.
"""

from __future__ import annotations

import asyncio
from typing import Final, NamedTuple, cast

from aiohttp.http import HttpResponseParser, HttpVersion11
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_parser import RawResponseMessage
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader

from raftdoc.client.errors import InvalidAnswer, Lost, RaftdocError

READ_BUFFER_BYTES: Final = 256 * 1024
LINE_BYTES_MAX: Final = 16 * 1024


class Head(NamedTuple):
    """An answer whose body may still be arriving."""

    status: int
    message: RawResponseMessage
    payload: StreamReader

    def field(self, name: str) -> str | None:
        return self.message.headers.get(name)


class Connection(asyncio.Protocol):
    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._parser: HttpResponseParser | None = None
        self._waiter: asyncio.Future[Head] | None = None
        self._payload: StreamReader = EMPTY_PAYLOAD
        self._is_kept = True
        """Whether the peer lets the connection be used again."""
        self._writable: asyncio.Future[None] | None = None
        self.idle_since_s = 0.0

    @property
    def is_usable(self) -> bool:
        """Whether another request may be sent: nothing is under way, nothing has arrived that nobody asked for."""
        transport = self._transport
        return (
            transport is not None
            and not transport.is_closing()
            and self._is_kept
            and self._waiter is None
            and self._payload.is_eof()
        )

    def send(self, request: bytes, *, has_body: bool) -> asyncio.Future[Head]:
        """Send a whole request; the future has the head of its answer. `has_body` is False for HEAD."""
        assert self.is_usable, "one request at a time"
        assert self._transport is not None
        self._parser = HttpResponseParser(
            self,  # type: ignore[arg-type]  # it is asked for pause_reading, resume_reading and connected only
            self._loop,
            READ_BUFFER_BYTES,
            max_line_size=LINE_BYTES_MAX,
            max_field_size=LINE_BYTES_MAX,
            response_with_body=has_body,
            auto_decompress=False,
            read_until_eof=True,
        )
        self._waiter = waiter = self._loop.create_future()
        self._transport.write(request)
        return waiter

    def abort(self, error: RaftdocError | None = None) -> None:
        """End the connection now; who waits for an answer gets the error."""
        self._fail(error or Lost("the connection was given up"))
        if self._transport is not None:
            self._transport.abort()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    # What the transport calls -----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are that, but no subclass of it.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        parser, waiter = self._parser, self._waiter
        if parser is None or (waiter is None and self._payload.is_eof()):
            self.abort(Lost("the node sent bytes that nobody asked for"))
            return
        try:
            messages, is_upgraded, rest = parser.feed_data(data)
        except HttpProcessingError as error:
            self.abort(InvalidAnswer(f"what answers speaks no HTTP: {error.message[:200]}"))
            return
        for message, payload in messages:
            if 100 <= message.code < 200:
                continue
            if waiter is None or is_upgraded:
                self.abort(Lost("the node sent an answer that nobody asked for"))
                return
            self._payload = payload
            self._is_kept = not message.should_close and message.version == HttpVersion11
            self._waiter = None
            if not waiter.done():
                waiter.set_result(Head(message.code, message, payload))
            waiter = None
        if rest and not is_upgraded and self._waiter is None and self._payload.is_eof():
            self._is_kept = False

    def eof_received(self) -> bool:
        if self._parser is not None and self._waiter is None and not self._payload.is_eof():
            self._end_body()
        self._fail(Lost("the node closed the connection before it had answered"))
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._fail(Lost(f"the connection to the node was lost{f': {exc}' if exc else ''}"))

    def _end_body(self) -> None:
        """A body without a length ends with the connection; one with a length that ends early is cut."""
        assert self._parser is not None
        try:
            self._parser.feed_eof()
        except HttpProcessingError as error:
            self._payload.set_exception(Lost(f"the answer was cut short: {error.message[:200]}"))

    def _fail(self, error: RaftdocError) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_exception(error)
        if not self._payload.is_eof():
            self._payload.set_exception(error)

    # What the parser and its payload call -----------------------------------------------------------

    @property
    def connected(self) -> bool:
        return self._transport is not None

    def pause_reading(self) -> None:
        if self._transport is not None and self._transport.is_reading():
            self._transport.pause_reading()

    def resume_reading(self, resume_parser: bool = True) -> None:
        if self._transport is not None and not self._transport.is_closing() and not self._transport.is_reading():
            self._transport.resume_reading()
