"""Reading what a request carries, within its bounds and its deadline."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Final

import orjson

from raftdoc.api.exchange import Call
from raftdoc.api.request_fields import expects_continue
from raftdoc.document import parse_json
from raftdoc.errors import DeadlineExceeded, InvalidRequest, TooLarge
from raftdoc.limits import NS_PER_S

SPLIT_BYTES: Final = 64 * 1024


def has_arrived(call: Call) -> bool:
    """Return whether the whole body is here, so that `take` gives it at once."""
    return call.payload.is_eof() and call.payload.exception() is None


def take(call: Call, limit: int) -> bytes:
    """Return a body that has arrived.

    Raises:
        TooLarge: it is over the limit.
    """
    body = call.payload.read_nowait()
    if len(body) > limit:
        raise TooLarge("the body", limit=limit)
    return body


def check_length(call: Call, limit: int) -> None:
    """Refuse a body by its declared length, before any of it is read.

    Raises:
        TooLarge: it is over the limit.
    """
    length = call.fields.get(b"content-length")
    if length is not None and int(length) > limit:
        raise TooLarge("the body", limit=limit)


async def read_whole(call: Call, limit: int, now_ns: Callable[[], int]) -> bytes:
    """Return the body when it has arrived.

    Raises:
        TooLarge: it is over the limit, which counts without a Content-Length as well.
        DeadlineExceeded: it did not arrive in time; nothing was done.
    """
    return b"".join([piece async for piece in read_pieces(call, limit, now_ns)])


async def read_pieces(call: Call, limit: int, now_ns: Callable[[], int]) -> AsyncIterator[bytes]:
    """Yield the body as it arrives. Raises as `read_whole` does."""
    check_length(call, limit)
    if expects_continue(call.fields) and not call.payload.is_eof():
        call.channel.write_continue()
    size = 0
    while True:
        piece = await _next_piece(call, now_ns)
        size += len(piece)
        if size > limit:
            raise TooLarge("the body", limit=limit)
        if not piece:
            return
        yield piece


async def _next_piece(call: Call, now_ns: Callable[[], int]) -> bytes:
    try:
        async with asyncio.timeout((call.request.deadline_ns - now_ns()) / NS_PER_S):
            return await call.payload.readany()
    except TimeoutError:
        raise DeadlineExceeded("the body did not arrive before the deadline") from None


async def discard(call: Call, limit: int, now_ns: Callable[[], int]) -> None:
    """Read a body to its end and forget it, up to a limit and the deadline: the connection may then go on."""
    size = 0
    while size <= limit and not call.payload.at_eof():
        size += len(await _next_piece(call, now_ns))


def parse_object(body: bytes) -> dict[str, object]:
    """Return the JSON object of a body; none at all counts as `{}`.

    Raises:
        MalformedJson, InvalidRequest: it is no JSON, or no object.
    """
    if not body.strip():
        return {}
    value = parse_json(body)
    if not isinstance(value, dict):
        raise InvalidRequest(f"the body is a JSON object, not {orjson.dumps(value)[:60].decode(errors='ignore')}")
    return dict(value)
