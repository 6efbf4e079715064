"""One client's connection: aiohttp's parser in front, an answer in one write behind.

Requests that a client sends ahead wait in order, and are answered in order, one at a time. aiohttp's own protocol
class starts a task for every request and builds an answer from objects for every header; this one calls the
dispatcher from `data_received`, so that a read under a lease is answered in the turn it came in.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from time import perf_counter_ns
from typing import Any, Final, Protocol

from aiohttp.http import HttpRequestParser, HttpVersion10, HttpVersion11
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from raftdoc.api.dispatcher import Dispatcher
from raftdoc.api.exchange import Call
from raftdoc.api.heads import Heads
from raftdoc.api.outbox import Outbox
from raftdoc.errors import HeadersTooLarge, MalformedHttp, OverBudget, RaftdocError
from raftdoc.limits import (
    HTTP_HEADER_BYTES_MAX,
    HTTP_PATH_BYTES_MAX,
    HTTP_PIPELINE_MAX,
    LOOP_BLOCK_MS_MAX,
    NS_PER_MS,
)

READ_BUFFER_BYTES: Final = 64 * 1024
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
WITHOUT_BODY: Final = frozenset({204, 304})
NO_REQUEST: Final = RawRequestMessage(
    "?", "", HttpVersion11, CIMultiDictProxy(CIMultiDict()), (), True, None, False, False, URL()
)
"""Stands where bytes were no request."""


class Host(Protocol):
    """What a connection needs of its server."""

    dispatcher: Dispatcher
    heads: Heads
    outbox: Outbox
    is_closing: bool
    linger_s: float

    def opened(self, connection: Connection) -> bool:
        """Return whether the connection is wanted; one too many is not."""

    def lost(self, connection: Connection) -> None: ...


class Connection(asyncio.Protocol):
    def __init__(self, host: Host, loop: asyncio.AbstractEventLoop) -> None:
        self._host = host
        self._loop = loop
        self._parser = HttpRequestParser(
            self,  # type: ignore[arg-type]  # it is asked for pause_reading, resume_reading and connected only
            loop,
            READ_BUFFER_BYTES,
            max_line_size=HTTP_PATH_BYTES_MAX,
            max_field_size=HTTP_HEADER_BYTES_MAX,
            auto_decompress=False,
        )
        self._transport: asyncio.Transport | None = None
        self._waiting: deque[tuple[RawRequestMessage, StreamReader]] = deque()
        self._payload: StreamReader = EMPTY_PAYLOAD
        """Of the newest request: the one that may still be arriving."""
        self._fault: RaftdocError | None = None
        """What came after the last request was no HTTP, or not wanted at all."""
        self.is_busy = False
        """Whether a request is being answered."""
        self._watched: asyncio.Future[Any] | None = None
        """What the newest read is waiting for; done or not."""
        self._is_taking_up = False
        self._is_deaf = False
        """What still arrives is dropped: the connection ends when what is here is answered."""
        self._has_eof = False
        self._is_over = False
        """The last answer is sent."""
        self._is_payload_full = False
        self._is_queue_full = False
        self._drained: asyncio.Future[None] | None = None
        self._held = b""
        """Answers that are written at the end of this turn of the loop."""
        self._idle_checks = 0
        """How often the server looked since the last sign of life: a whole header, or an answer that was taken."""
        self._unsent_bytes = 0
        """What the client had not taken at the last look."""

    # What the transport calls -----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # that of a stream: uvloop's is no asyncio.Transport
        if not self._host.opened(self):
            self._is_deaf = True
            self._fault = OverBudget("this node has as many connections as it may")
            self._take_up()

    def data_received(self, data: bytes) -> None:
        if self._is_deaf:
            return
        try:
            messages, is_upgraded, _ = self._parser.feed_data(data)
        except HttpProcessingError as error:
            self._malformed(error)
            return
        if messages:
            self._idle_checks = 0
            if not self.is_busy and self._drained is None and len(messages) == 1 and not is_upgraded:
                # Nearly always: one request, and nothing before it.
                self.is_busy = True
                message, self._payload = messages[0]
                self._host.dispatcher.serve(message, self._payload, self)
                return
            self._waiting.extend(messages)
            self._payload = messages[-1][1]
            # Raftdoc speaks nothing else: an upgrade is answered as HTTP/1.1, and what follows is not read.
            self._is_deaf = is_upgraded
            if not self.is_busy:
                self._take_up()
            if len(self._waiting) >= HTTP_PIPELINE_MAX:
                self._hold_queue(True)

    def _malformed(self, error: HttpProcessingError) -> None:
        """Answer what came before, then this fault, then end."""
        self._is_deaf = True
        fault: RaftdocError = MalformedHttp(" ".join(error.message.split()).rstrip(" ^")[:300])
        if isinstance(error, LineTooLong):
            fault = HeadersTooLarge("the request line or a header field", limit=HTTP_HEADER_BYTES_MAX)
        if not self._payload.is_eof():
            # The fault is in the body of a request that was taken up already: that one fails.
            self._payload.set_exception(fault)
            return
        self._fault = fault
        if not self.is_busy:
            self._take_up()

    def eof_received(self) -> bool:
        """Keep the other direction open for a client that sends no more but waits for its answers."""
        self._is_deaf = self._has_eof = True
        self._break_payload("the client ended in the middle of a body")
        self.flush()
        return self.is_busy and not self._is_over

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self._is_deaf = True
        self._waiting.clear()
        self._break_payload("the connection was lost in the middle of a body")
        self._wake_writer()
        if self._watched is not None:
            self._watched.cancel()
        self._host.lost(self)

    def pause_writing(self) -> None:
        if self._drained is None:
            self._drained = self._loop.create_future()

    def resume_writing(self) -> None:
        self._wake_writer()
        if not self.is_busy:
            self._take_up()

    def _wake_writer(self) -> None:
        if self._drained is not None:
            self._drained.set_result(None)
            self._drained = None

    def _break_payload(self, detail: str) -> None:
        if not self._payload.is_eof():
            self._payload.set_exception(MalformedHttp(detail))

    # What the payload calls -------------------------------------------------------------------------

    @property
    def connected(self) -> bool:
        return self._transport is not None

    def pause_reading(self) -> None:
        self._is_payload_full = True
        self._adjust_reading()

    def resume_reading(self, resume_parser: bool = True) -> None:
        if self._is_payload_full:
            self._is_payload_full = False
            self._adjust_reading()

    def _hold_queue(self, is_full: bool) -> None:
        self._is_queue_full = is_full
        self._adjust_reading()

    def _adjust_reading(self) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        should_read = self._is_deaf or not (self._is_payload_full or self._is_queue_full)
        if should_read != transport.is_reading():
            if should_read:
                transport.resume_reading()
            else:
                transport.pause_reading()

    # Requests, in order -----------------------------------------------------------------------------

    def _take_up(self) -> None:
        """Take up what waits, until one takes its time or the client does not read its answers."""
        if self._is_taking_up:
            return
        self._is_taking_up = True
        taken, until_ns = 0, perf_counter_ns() + LOOP_BLOCK_MS_MAX * NS_PER_MS
        while not self.is_busy and self._drained is None and self._transport is not None:
            if taken == HTTP_PIPELINE_MAX or (taken and perf_counter_ns() >= until_ns):
                # Others want their turn as well.
                self._loop.call_soon(self._take_up)
                break
            if not self._take_next():
                break
            taken += 1
        self._is_taking_up = False
        if self._is_queue_full and len(self._waiting) < HTTP_PIPELINE_MAX:
            self._hold_queue(False)

    def _take_next(self) -> bool:
        """Have the next request answered; return False when there is none."""
        if self._waiting:
            self.is_busy = True
            message, payload = self._waiting.popleft()
            self._host.dispatcher.serve(message, payload, self)
            return True
        fault, self._fault = self._fault, None
        if fault is None:
            return False
        self.is_busy = True
        self._host.dispatcher.refuse(NO_REQUEST, self, fault)
        return True

    # What the dispatcher calls ----------------------------------------------------------------------

    def respond(self, call: Call, status: int, fields: str, body: bytes) -> None:
        if self._transport is None:
            return
        message = call.message
        is_last = self._is_last(call)
        if is_last:
            fields += "Connection: close\r\n"
        elif message.version == HttpVersion10:
            fields += "Connection: keep-alive\r\n"
        if status not in WITHOUT_BODY:
            fields += f"Content-Length: {len(body)}\r\n"
        if message.method == "HEAD":
            body = b""
        self._held += f"{self._host.heads.of(status)}{fields}\r\n".encode() + body
        if is_last or self._waiting:
            # What a client that sends ahead does not read shows only when it is written.
            self.flush()
        else:
            self._host.outbox.add(self)
        self._answered(is_last)

    def flush(self) -> None:
        """Write the answers that are held back."""
        if self._transport is not None and self._held:
            held, self._held = self._held, b""
            self._transport.write(held)

    async def stream(self, call: Call, status: int, fields: str, pieces: AsyncIterator[bytes]) -> None:
        """Send the answer piece by piece, no faster than the client reads. Ends early when the client is gone."""
        is_chunked = call.message.version != HttpVersion10
        is_last = self._is_last(call) or not is_chunked
        fields += "Transfer-Encoding: chunked\r\n" if is_chunked else ""
        fields += "Connection: close\r\n" if is_last else ""
        self.flush()
        head = f"{self._host.heads.of(status)}{fields}\r\n".encode()
        if call.message.method != "HEAD":
            async for piece in pieces:
                if self._transport is None:
                    return
                if piece:
                    self._transport.write(head + (b"%x\r\n%b\r\n" % (len(piece), piece) if is_chunked else piece))
                    head = b""
                if self._drained is not None:
                    await self._drained
            if is_chunked:
                head += b"0\r\n\r\n"
        if self._transport is not None:
            self._transport.write(head)
            self._answered(is_last)

    def write_continue(self) -> None:
        self.flush()
        if self._transport is not None:
            self._transport.write(CONTINUE)

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def watch(self, work: asyncio.Future[Any]) -> None:
        self._watched = work

    def _is_last(self, call: Call) -> bool:
        return (
            call.message.should_close
            or not call.payload.is_eof()
            or (self._is_deaf and not self._waiting and self._fault is None)
            or self._host.is_closing
        )

    def _answered(self, is_last: bool) -> None:
        if is_last:
            self._linger()
            return
        self.is_busy = False
        self._idle_checks = 0
        if self._waiting or self._fault is not None:
            self._take_up()

    # The end ----------------------------------------------------------------------------------------

    def close(self) -> None:
        """End the connection if nothing is being answered on it; otherwise it ends with that answer."""
        if not self.is_busy and self._transport is not None:
            self.flush()
            self._transport.close()

    def check_idle(self, checks_max: int) -> None:
        """End the connection at the checks_max-th look in a row that found no life in it. Called at intervals.

        While a request is being worked on its deadline holds. A client that takes nothing of its answer has none.
        """
        transport = self._transport
        if transport is None:
            return
        unsent_bytes, before = transport.get_write_buffer_size(), self._unsent_bytes
        self._unsent_bytes = unsent_bytes
        if unsent_bytes < before or (self.is_busy and not unsent_bytes):
            self._idle_checks = 0
            return
        self._idle_checks += 1
        if self._idle_checks >= checks_max:
            if unsent_bytes:
                transport.abort()
            else:
                transport.close()

    def _linger(self) -> None:
        """End the connection so that the last answer arrives: closing with unread bytes would destroy it."""
        transport = self._transport
        assert transport is not None
        has_unread = not self._payload.is_eof() or self._is_deaf or self._host.is_closing
        self._is_over = self._is_deaf = True
        self._waiting.clear()
        self._fault = None
        if self._has_eof or not has_unread:
            transport.close()
            return
        if transport.can_write_eof():
            transport.write_eof()
        self._adjust_reading()
        self._loop.call_later(self._host.linger_s, transport.close)
