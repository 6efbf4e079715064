"""Requests about a database that has no replica on this node: sent on to one that has, and its answer handed back.

One hop: the header Raftdoc-Forwarded says that a request has been sent on, and is never sent on again. What was
checked here is checked there once more; the deadline is what is left of the caller's.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Final

import aiohttp
from aiohttp import ClientHandlerType, ClientRequest, ClientResponse
from yarl import URL

from raftdoc.api.bodies import read_pieces
from raftdoc.api.exchange import Call, Reply, Response, Streamed
from raftdoc.errors import DeadlineExceeded, NoLeader, OutcomeKind, OutcomeUnknown
from raftdoc.ids import NodeId
from raftdoc.limits import BULK_BYTES_MAX, NS_PER_MS, NS_PER_S

FORWARDED: Final = "Raftdoc-Forwarded"
CONNECTIONS_MAX: Final = 256
CHUNK_BYTES: Final = 64 * 1024
READING: Final = frozenset({"GET", "HEAD"})

_OWN: Final = frozenset(
    {
        b"connection",
        b"content-length",
        b"expect",
        b"host",
        b"keep-alive",
        b"raftdoc-forwarded",
        b"raftdoc-timeout",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"x-request-id",
    }
)
"""Of the request: of this connection only, or said anew."""

_ANSWERED: Final = frozenset(
    {
        b"accept-patch",
        b"allow",
        b"cache-control",
        b"content-type",
        b"etag",
        b"idempotency-expires",
        b"idempotency-replayed",
        b"last-modified",
        b"location",
        b"raftdoc-index",
        b"raftdoc-leader",
        b"raftdoc-staleness",
        b"retry-after",
    }
)
"""Of the answer: what is handed on. The rest is of the connection, or this node says it of itself."""


class ConnectionLost(aiohttp.ClientError):
    """A connection broke with a request on it: it may have been done."""


class Forwarding:
    def __init__(self, node: NodeId, now_ns: Callable[[], int]) -> None:
        self._node = node
        self._now_ns = now_ns
        self._session: aiohttp.ClientSession | None = None

    async def forward(self, call: Call, urls: Sequence[str]) -> Reply:
        """Return the answer of the first of the nodes that can be reached; a read goes on where its answer was lost.

        Raises:
            NoLeader: none can.
            OutcomeUnknown: a write was sent, and its answer did not come.
            DeadlineExceeded: not in time.
        """
        for url in urls:
            try:
                return await self._ask(call, url)
            except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
                continue
            except TimeoutError:
                outcome: OutcomeKind = "unknown" if call.route.is_write else "not_applied"
                raise DeadlineExceeded(f"{url} did not answer in time", outcome=outcome) from None
            except (aiohttp.ClientError, OSError) as error:
                if call.route.is_write:
                    raise OutcomeUnknown(f"the connection to {url} broke while the write was there") from error
        raise NoLeader("none of the nodes that have this database can be reached", retry_after_ms=500)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def _ask(self, call: Call, url: str) -> Reply:
        left_ns = max(NS_PER_MS, call.request.deadline_ns - self._now_ns())
        response = await self._open().request(
            # The body of a HEAD is left out at the end of the way.
            call.route.method,
            URL(url + call.message.path, encoded=True),
            headers=self._headers(call, left_ns // NS_PER_MS),
            data=self._body(call),
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=1.0, sock_read=left_ns / NS_PER_S + 1.0),
        )
        fields = "".join(
            f"{name.decode('latin-1')}: {value.decode('latin-1')}\r\n"
            for name, value in response.raw_headers
            if name.lower() in _ANSWERED
        )
        if response.headers.get("Transfer-Encoding", "").lower() == "chunked":
            return Streamed(response.status, fields, _pieces(response))
        async with response:
            return Response(response.status, fields, await response.read())

    def _headers(self, call: Call, left_ms: int) -> list[tuple[str, str]]:
        kept = [
            (name.decode("latin-1"), value.decode("latin-1"))
            for name, value in call.message.raw_headers
            if name.lower() not in _OWN
        ]
        own = [(FORWARDED, str(self._node)), ("Raftdoc-Timeout", f"{left_ms}ms")]
        return [*kept, *own, *([("X-Request-Id", call.request_id)] if call.request_id else [])]

    def _body(self, call: Call) -> bytes | AsyncIterator[bytes] | None:
        if call.route.is_bodiless:
            return None
        if call.body or call.payload.at_eof():
            return call.body
        return read_pieces(call, BULK_BYTES_MAX, self._now_ns)

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=CONNECTIONS_MAX)
            # Bytes are handed on as they come, compressed or not.
            self._session = aiohttp.ClientSession(
                connector=connector,
                auto_decompress=False,
                skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
                middlewares=(_once,),
            )
        return self._session


def is_forwarded(call: Call) -> bool:
    """Return whether another node has sent a request on."""
    wanted = FORWARDED.lower().encode()
    return any(name.lower() == wanted for name, _ in call.message.raw_headers)


async def _pieces(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    async with response:
        async for piece in response.content.iter_chunked(CHUNK_BYTES):
            yield piece


async def _once(request: ClientRequest, send: ClientHandlerType) -> ClientResponse:
    """Send a request, and keep aiohttp from doing it again.

    By itself it sends PUT and DELETE a second time where a kept connection breaks, and tells only how that went: a
    write that was done would be said to have reached nobody, or be done twice, the second time after later ones.
    """
    if request.method in READING:
        return await send(request)
    try:
        return await send(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise ConnectionLost(str(error)) from error
