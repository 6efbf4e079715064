"""A connection for as long as one attempt of one call uses it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from raftdoc.client.answers import check_origin
from raftdoc.client.call import Call
from raftdoc.client.connection import Connection, Head
from raftdoc.client.errors import InvalidAnswer, OutcomeUnknown, RaftdocError, TimedOut
from raftdoc.client.options import ANSWER_BYTES_MAX
from raftdoc.client.pool import Pool

GRACE_S: Final = 0.25
"""How long the client waits beyond the deadline that it sent: the node's own answer says more than ours."""
ATTEMPT_S_MIN: Final = 1.0
ATTEMPT_SHARE: Final = 1 / 3
"""Of a call's time that one attempt may wait for its answer to begin: a node that hangs leaves time to ask another."""


class Lease:
    """Ends in one of two ways: the whole answer was read, or the connection is gone."""

    __slots__ = ("_call", "_connection", "_loop", "_pool", "_sent_s", "_timer")

    def __init__(self, pool: Pool, connection: Connection, call: Call) -> None:
        self._pool = pool
        self._connection = connection
        self._call = call
        self._loop = asyncio.get_running_loop()
        self._sent_s = self._loop.time()
        self._timer: asyncio.TimerHandle | None = None
        pool.node.in_flight += 1

    async def ask(self, deadline_s: float) -> Head:
        """Send the request and return the head of its answer.

        Raises:
            RaftdocError: the connection is gone.
        """
        node, call = self._pool.node, self._call
        timeout_ms = max(1, int((deadline_s - self._sent_s) * 1000))
        self._timer = self._loop.call_at(self._patience_until_s(deadline_s), self._expire)
        head: Head | None = None
        try:
            request = call.encode(node.authority, timeout_ms)
            head = await self._connection.send(request, has_body=call.method != "HEAD")
            check_origin(head, node)
        except RaftdocError:
            head = None
            raise
        finally:
            if head is None:
                self._drop()
        node.succeeded(self._loop.time() - self._sent_s)
        if not head.payload.is_eof():
            self._timer.cancel()
            self._timer = self._loop.call_at(deadline_s + GRACE_S, self._expire)
        session = call.options.session
        if session is not None and (token := head.field("Raftdoc-Index")) is not None:
            session.note(token)
        return head

    async def read(self, head: Head) -> bytes:
        """Return the whole body and give the connection back.

        Raises:
            InvalidAnswer: it ended early, or is too large.
        """
        payload = head.payload
        if payload.is_eof() and payload.exception() is None:
            body = payload.read_nowait()
            self._give_back()
            return body
        pieces = [piece async for piece in self.pieces(head, bytes_max=ANSWER_BYTES_MAX)]
        return b"".join(pieces)

    async def pieces(self, head: Head, *, bytes_max: int | None = None) -> AsyncIterator[bytes]:
        """Yield the body as it arrives, then give the connection back."""
        byte_count, is_whole = 0, False
        try:
            while piece := await head.payload.readany():
                byte_count += len(piece)
                if bytes_max is not None and byte_count > bytes_max:
                    raise InvalidAnswer(f"the answer is larger than {bytes_max} bytes; read it as a stream")
                yield piece
            is_whole = True
        finally:
            if is_whole:
                self._give_back()
            else:
                self._drop()

    def _give_back(self) -> None:
        self._end()
        self._pool.give_back(self._connection)

    def _drop(self) -> None:
        self._end()
        self._pool.drop(self._connection)

    def _end(self) -> None:
        self._pool.node.in_flight -= 1
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _patience_until_s(self, deadline_s: float) -> float:
        """Return until when the answer has to begin. What cannot be sent again may use all its time."""
        if not self._call.is_safe:
            return deadline_s + GRACE_S
        share_s = max(ATTEMPT_S_MIN, self._call.options.timeout_s * ATTEMPT_SHARE)
        return min(deadline_s + GRACE_S, self._sent_s + share_s)

    def _expire(self) -> None:
        url, call = self._pool.node.url, self._call
        seconds = self._loop.time() - self._sent_s
        if call.is_write:
            error: RaftdocError = OutcomeUnknown(
                f"{url} did not answer within {seconds:.1f} s: what became of it is not known"
            )
        else:
            error = TimedOut(f"{url} did not answer within {seconds:.1f} s")
        self._connection.abort(error)
