"""A server that answers as a test says: well, badly, late, or not at all."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit


@dataclass
class Received:
    """A request as it came."""

    method: str
    path: str
    fields: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        """The last segment of the path."""
        return unquote(urlsplit(self.path).path.rsplit("/", 1)[-1])


Act = Callable[[Received, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class ScriptedServer:
    """Knows `/v1/cluster`; whatever else is asked `act` answers."""

    act: Act
    cluster_id: str = "c1"
    node: str = "n1"
    members: list[dict[str, object]] = field(default_factory=list)
    groups: list[dict[str, object]] = field(default_factory=list)
    received: list[Received] = field(default_factory=list)
    cluster_body: bytes | None = None
    """Answered to `/v1/cluster` instead of what this server knows."""
    cluster_asked_count: int = 0
    tls: ssl.SSLContext | None = None
    writers: dict[asyncio.StreamWriter, asyncio.Task[object] | None] = field(default_factory=dict)
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    port: int = 0
    """0: a free one."""

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers[writer] = asyncio.current_task()
        try:
            while (request := await read_request(reader)) is not None:
                if request.path == "/v1/cluster":
                    self.cluster_asked_count += 1
                    cluster = {"cluster_id": self.cluster_id, "members": self.members, "groups": self.groups}
                    writer.write(answer(200, self.cluster_body or json.dumps(cluster).encode(), node=self.node))
                else:
                    self.received.append(request)
                    self.asked.set()
                    await self.act(request, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client is gone: what many of these tests are about
        finally:
            del self.writers[writer]
            writer.close()

    async def end(self) -> None:
        """End all connections."""
        tasks = [task for task in self.writers.values() if task is not None]
        for writer in self.writers:
            writer.transport.abort()
        if tasks:
            await asyncio.wait(tasks)


async def read_request(reader: asyncio.StreamReader) -> Received | None:
    head = await reader.readuntil(b"\r\n\r\n") if not reader.at_eof() else b""
    if not head:
        return None
    first, *lines = head.decode().split("\r\n")[:-2]
    method, path, _ = first.split(" ")
    fields = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    return Received(method, path, fields, await reader.readexactly(int(fields.get("content-length", "0"))))


def answer(
    status: int, body: bytes, *, node: str | None = "n1", fields: str = "", media: str = "application/json"
) -> bytes:
    """Return an answer as a node gives it."""
    origin = f"Raftdoc-Node: {node}\r\n" if node else ""
    head = f"HTTP/1.1 {status} X\r\n{origin}Content-Type: {media}\r\nContent-Length: {len(body)}\r\n{fields}\r\n"
    return head.encode() + body


def problem(
    status: int, code: str, *, retryable: bool = False, outcome: str = "not_applied", fields: str = ""
) -> bytes:
    body = {"status": status, "code": code, "detail": code, "retryable": retryable, "outcome": outcome, "node": "n1"}
    return answer(status, json.dumps(body).encode(), media="application/problem+json", fields=fields)


async def echo(request: Received, writer: asyncio.StreamWriter) -> None:
    """Answer as a node that has every document, and takes every write."""
    if request.method == "PUT":
        writer.write(answer(200, json.dumps({"_id": request.id, "etag": '"1"'}).encode()))
    else:
        writer.write(answer(200, json.dumps({"_id": request.id}).encode(), fields='ETag: "1"\r\n'))


@asynccontextmanager
async def running(*servers: ScriptedServer) -> AsyncIterator[list[str]]:
    """Start the servers; yield their addresses."""
    listening = [
        await asyncio.start_server(server.serve, "127.0.0.1", server.port, ssl=server.tls) for server in servers
    ]
    for server, listener in zip(servers, listening, strict=True):
        server.port = listener.sockets[0].getsockname()[1]
    try:
        yield [server.url for server in servers]
    finally:
        for server, listener in zip(servers, listening, strict=True):
            listener.close()
            await server.end()
