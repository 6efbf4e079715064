"""One request and its answer, as the handlers see them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, NamedTuple, Protocol, TypeAlias

from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader

from raftdoc.api.request_fields import Fields
from raftdoc.database.requests import Request

JSON = "Content-Type: application/json\r\n"
NDJSON = "Content-Type: application/x-ndjson\r\n"


NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


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

    def write_continue(self) -> None:
        """Tell a client that waits for it to send its body."""

    def abort(self) -> None:
        """End the connection without an answer: none could be true."""


class Call:
    """One HTTP request. What follows `request` is filled in as it is checked."""

    __slots__ = (
        "body",
        "channel",
        "fields",
        "is_write",
        "message",
        "parameters",
        "path",
        "payload",
        "query",
        "request",
        "request_id",
        "resource",
        "started_ns",
        "target",
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
        self.target = ""
        """The request target in origin form, as sent, still percent-encoded."""
        self.path = ""
        """The target without its query."""
        self.parameters: Sequence[str] = ()
        """Of the path, in order, decoded."""
        self.query: Mapping[str, str] = NOTHING
        self.fields: Fields = {}
        self.resource = "none"
        """The id of the operation, for the metrics."""
        self.is_write = False
        self.body = b""
