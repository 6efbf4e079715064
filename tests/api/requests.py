"""Requests as bytes, and what the tests of connections share."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from raftdoc.database.requests import Request

from .fake_backend import FakeBackend
from .wire import TIMEOUT_S, Wire

DOCS = "/v1/dbs/shop/collections/orders/docs"
JSON = "Content-Type: application/json\r\n"
HOST = "HTTP/1.1\r\nHost: t\r\n"

Connect = Callable[[], Awaitable[Wire]]


def put(body: bytes = b"{}", *, path: str = f"{DOCS}/1", fields: str = "") -> bytes:
    return f"PUT {path} {HOST}{JSON}{fields}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(TIMEOUT_S):
        while not condition():  # noqa: ASYNC110  # what is waited for is not told by an event
            await asyncio.sleep(0.001)


async def database(backend: FakeBackend) -> str:
    """Make the database `shop` without a request."""
    _, info = await backend.create_database(Request(0), "shop", {})
    return info.name
