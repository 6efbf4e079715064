"""One keep-alive HTTP/1.1 connection that sends ready-made requests, one at a time, and skims the answers.

It is a load generator's connection, not a client's: it trusts the server to speak HTTP as raftdoc does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import perf_counter_ns
from typing import cast

NO_BODY = (204, 304)


class LoadConnection(asyncio.Protocol):
    """Sends the next request as soon as the answer to the last is whole.

    `next_request()` returns the bytes to send, or None to stop. `on_answer(status, latency_ns, now_ns)` returns the
    seconds to wait before the next request (0: none). `on_lost` is called once, when the connection is gone.
    """

    def __init__(
        self,
        next_request: Callable[[], bytes | None],
        on_answer: Callable[[int, int, int], float],
        on_lost: Callable[[LoadConnection], None],
    ) -> None:
        self._next_request = next_request
        self._on_answer = on_answer
        self._on_lost = on_lost
        self._transport: asyncio.Transport | None = None
        self._sent_ns = 0
        self._buffer = b""
        self.is_waiting = False
        """Whether a request is under way."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are that, but no subclass of it.
        self._transport = cast("asyncio.Transport", transport)
        self._send()

    def _send(self) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        request = self._next_request()
        if request is None:
            self._transport.close()
            return
        self.is_waiting = True
        self._sent_ns = perf_counter_ns()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        if self._buffer:
            data = self._buffer + data
        try:
            parsed = parse_answer(data)
        except ValueError:
            self.abort()
            return
        if parsed is None:
            self._buffer = data
            return
        self._buffer = b""
        now_ns = perf_counter_ns()
        self.is_waiting = False
        wait_s = self._on_answer(parsed, now_ns - self._sent_ns, now_ns)
        if wait_s:
            asyncio.get_running_loop().call_later(wait_s, self._send)
        else:
            self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._on_lost(self)

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()


def parse_answer(data: bytes) -> int | None:
    """Return the status of the answer once data holds all of it, else None.

    Raises:
        ValueError: this is no HTTP answer.
    """
    head_end = data.find(b"\r\n\r\n")
    if head_end < 0:
        return None
    status = int(data[9:12])
    if status in NO_BODY:
        return status
    head = data[:head_end].lower()
    at = head.find(b"\r\ncontent-length:")
    if at >= 0:
        line_end = head.find(b"\r\n", at + 2)
        length = int(head[at + 17 : line_end if line_end >= 0 else head_end])
        return status if len(data) >= head_end + 4 + length else None
    # The last chunk of a chunked body has no length but 0, and no trailers follow it here.
    return status if data.endswith(b"\r\n0\r\n\r\n") else None
