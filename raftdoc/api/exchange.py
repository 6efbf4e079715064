"""One request and its answer, as the handlers see them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol, TypeAlias

from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader

from raftdoc.api.operations import Body
from raftdoc.api.request_fields import Fields
from raftdoc.api.targets import NOTHING, split_target
from raftdoc.database.requests import Request

JSON = "Content-Type: application/json\r\n"
NDJSON = "Content-Type: application/x-ndjson\r\n"


class Response(NamedTuple):
    """An answer that is whole. `fields` are header lines, each with its line end; the length is added later."""

    status: int
    fields: str
    body: bytes


class Streamed(NamedTuple):
    """An answer that is written piece by piece. The pieces end early only by an exception."""

    status: int
    fields: str
    pieces: AsyncIterator[bytes]


Reply: TypeAlias = Response | Streamed


class Later(NamedTuple):
    """A reply that waits for one thing: `finish(call, its result)`. Spares the task of a coroutine."""

    awaitable: Awaitable[Any]
    finish: Callable[[Call, Any], Reply]


Handler: TypeAlias = "Callable[[Call], Reply | Later | Awaitable[Reply]]"


class Channel(Protocol):
    """The connection that a call came on."""

    def respond(self, call: Call, status: int, fields: str, body: bytes) -> None:
        """Send the answer. Exactly once for each call either this, `stream` or `abort` is called."""

    async def stream(self, call: Call, status: int, fields: str, pieces: AsyncIterator[bytes]) -> None:
        """Send the answer piece by piece."""

    def flush(self) -> None:
        """Write the answers that are held back."""

    def write_continue(self) -> None:
        """Tell a client that waits for it to send its body."""

    def abort(self) -> None:
        """End the connection without an answer: none could be true."""

    def watch(self, work: asyncio.Future[Any]) -> None:
        """Cancel work for the call under way if the client goes away before it is done."""


@dataclass(frozen=True, slots=True)
class Route:
    """An operation and its handler, with what is asked of them for every request ready to be looked at."""

    id: str
    method: str
    handler: Handler
    is_write: bool
    is_bodiless: bool
    body: Body
    fields: frozenset[bytes]
    query: frozenset[str]
    media: tuple[str, ...]
    has_database: bool = False
    """It is about what is in a database: its first parameter."""


def _refuse(call: Call) -> Response:
    raise AssertionError("a call without a route was handled")


NO_ROUTE: Final = Route("none", "", _refuse, False, True, Body.NONE, frozenset(), frozenset(), ())


class Call:
    """One HTTP request. What follows `request` is filled in as it is checked."""

    __slots__ = (
        "body",
        "channel",
        "fields",
        "message",
        "parameters",
        "payload",
        "query",
        "request",
        "request_id",
        "route",
        "started_ns",
    )

    def __init__(
        self, message: RawRequestMessage, payload: StreamReader, channel: Channel, started_ns: int, request: Request
    ) -> None:
        self.message = message
        self.payload = payload
        self.channel = channel
        self.started_ns = started_ns
        self.request = request
        self.request_id = ""
        self.route = NO_ROUTE
        self.parameters: Sequence[str] = ()
        """Of the path, in order, decoded."""
        self.query: Mapping[str, str] = NOTHING
        self.fields: Fields = {}
        self.body = b""

    @property
    def path(self) -> str:
        """The path as it was sent, still percent-encoded."""
        return split_target(self.message.path)[0]
