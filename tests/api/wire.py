"""A client that sees the bytes: one connection, requests as given, answers in full. Every wait has a deadline."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from dataclasses import dataclass
from typing import Any

TIMEOUT_S = 10.0


@dataclass
class Answer:
    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def __getitem__(self, name: str) -> str:
        """Return the only header of that name."""
        (value,) = self.all(name)
        return value

    def __contains__(self, name: str) -> bool:
        return bool(self.all(name))

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def json(self) -> Any:
        return json.loads(self.body)

    def lines(self) -> list[Any]:
        assert not self.body or self.body.endswith(b"\n"), self.body[-100:]
        return [json.loads(line) for line in self.body.splitlines()]

    @property
    def code(self) -> str:
        """The code of a problem."""
        assert self["Content-Type"] == "application/problem+json", self
        return str(self.json()["code"])


class Wire:
    """One connection to the server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, port: int) -> Wire:
        async with asyncio.timeout(TIMEOUT_S):
            return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def send(self, data: bytes) -> None:
        async with asyncio.timeout(TIMEOUT_S):
            self._writer.write(data)
            await self._writer.drain()

    def end(self) -> None:
        """Close this side's direction only."""
        self._writer.write_eof()

    def abort(self) -> None:
        """Break the connection: its end is a reset, not a mere end of what is sent."""
        self._writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    async def answer(self, method: str = "GET") -> Answer:
        """Read one answer to a request of that method."""
        async with asyncio.timeout(TIMEOUT_S):
            head = await self._reader.readuntil(b"\r\n\r\n")
            status_line, *lines = head.decode("latin-1").split("\r\n")[:-2]
            version, status, phrase = status_line.split(" ", 2)
            assert version == "HTTP/1.1"
            assert phrase
            headers = [(name, value) for name, _, value in (line.partition(": ") for line in lines)]
            answer = Answer(int(status), headers, b"")
            if method != "HEAD" and answer.status >= 200 and answer.status not in (204, 304):
                answer.body = await self._body(answer)
            return answer

    async def _body(self, answer: Answer) -> bytes:
        if "Content-Length" in answer:
            return await self._reader.readexactly(int(answer["Content-Length"]))
        if "Transfer-Encoding" not in answer:
            return await self._reader.read()
        body = b""
        while size := int(await self._reader.readline(), 16):
            body += await self._reader.readexactly(size)
            assert await self._reader.readexactly(2) == b"\r\n"
        assert await self._reader.readexactly(2) == b"\r\n"
        return body

    async def rest(self) -> bytes:
        """Read until the server ends the connection."""
        async with asyncio.timeout(TIMEOUT_S):
            return await self._reader.read()

    async def call(self, method: str, target: str, body: bytes | None = None, **headers: str) -> Answer:
        """Send a request and read its answer. Header names are written with underscores."""
        await self.send(request_bytes(method, target, body, **headers))
        return await self.answer(method)

    async def close(self) -> None:
        self._writer.close()
        try:
            await self._writer.wait_closed()
        except ConnectionError:
            return


def request_bytes(method: str, target: str, body: bytes | None = None, **headers: str) -> bytes:
    lines = [f"{method} {target} HTTP/1.1", "Host: test"]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + (body or b"")
