"""HTTP/1.1 for one request on one connection.

Not a library's client: those send a request again by themselves when its connection breaks, and then a refused second
connection looks as if nothing had ever been sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import NamedTuple

from jepsen_lite.links import LOOPBACK


class Unreachable(OSError):
    """No connection came about: nothing was sent."""


class Broken(OSError):
    """The connection ended before the whole answer was there, or what came is no HTTP."""


class Headers(dict[str, str]):
    """Headers by their names as the server writes them."""


class Reply(NamedTuple):
    status: int
    headers: Headers
    body: bytes


async def exchange(port: int, method: str, path: str, headers: Mapping[str, str], body: bytes | None) -> Reply:
    """Send a request and return its answer.

    Raises:
        Unreachable: nothing was sent.
        Broken: it was sent, and its answer did not come.
    """
    try:
        reader, writer = await asyncio.open_connection(LOOPBACK, port)
    except OSError as error:
        raise Unreachable(error.errno, str(error)) from error
    try:
        writer.write(_head(method, path, port, headers, body) + (body or b""))
        await writer.drain()
        return await _read(reader)
    except (OSError, asyncio.IncompleteReadError, ValueError) as error:
        raise Broken(type(error).__name__) from error
    finally:
        writer.transport.abort()


def _head(method: str, path: str, port: int, headers: Mapping[str, str], body: bytes | None) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", f"Host: {LOOPBACK}:{port}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


async def _read(reader: asyncio.StreamReader) -> Reply:
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    status = int(lines[0].split(" ")[1])
    headers = Headers(line.split(": ", 1) for line in lines[1:] if ": " in line)
    if headers.get("Transfer-Encoding", "").lower() == "chunked":
        return Reply(status, headers, await _read_chunks(reader))
    if status in {204, 304}:
        return Reply(status, headers, b"")
    return Reply(status, headers, await reader.readexactly(int(headers["Content-Length"])))


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    parts = []
    while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
        parts.append(await reader.readexactly(size))
        await reader.readexactly(2)
    return b"".join(parts)
