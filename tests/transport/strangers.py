"""The other end of a connection, by hand: it may say anything, or nothing."""

from __future__ import annotations

import asyncio
from typing import Self

from raftdoc.ids import BootId, ClusterId, NodeId, StoreId
from raftdoc.transport.handshake import DialledHandshake, DiallerHandshake, Local
from raftdoc.transport.transport import Lane, Refusal, parse_address
from raftdoc.wire.codec import decode_handshake, encode_messages
from raftdoc.wire.frames import Frame, FrameDecoder, FrameKind, encode_frame
from raftdoc.wire.messages import Refuse

from .worlds import DEADLINE_S, SECRET, ping


def local_of(node: NodeId, boot: int, store: str | None = None) -> Local:
    return Local(ClusterId("c1"), node, StoreId(store or f"store of {node}"), BootId(boot), SECRET)


class Stranger:
    """One connection. `frame` returns the next frame; `refusal` what the other side ends it with."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        self._reader = reader
        self._decoder = FrameDecoder()
        self._frames: list[Frame] = []

    @classmethod
    async def dial(cls, address: str) -> Self:
        return cls(*await asyncio.open_connection(*parse_address(address)))

    @classmethod
    async def join(
        cls,
        address: str,
        node: NodeId,
        expected: NodeId,
        *,
        boot: int = 1,
        store: str | None = None,
        lane: Lane = Lane.BULK,
    ) -> Self:
        """Dial and shake hands as node; return the open link."""
        stranger = await cls.dial(address)
        handshake = DiallerHandshake(local_of(node, boot, store), expected, lane, b"n" * 32)
        stranger.write_handshake(handshake.hello())
        answer = handshake.receive((await stranger.frame()).body)
        assert answer is not None
        stranger.write_handshake(answer)
        body = (await stranger.frame()).body
        if isinstance(decode_handshake(body).message, Refuse):
            await stranger.ended()
            raise ConnectionRefusedError(*_refusal(body))
        assert handshake.receive(body) is None
        return stranger

    def write(self, data: bytes) -> None:
        self.writer.write(data)

    def write_handshake(self, body: bytes) -> None:
        self.write(encode_frame(FrameKind.HANDSHAKE, body))

    def write_ping(self, number: int) -> None:
        self.write(encode_frame(FrameKind.MESSAGES, encode_messages([ping(number)])))

    async def frame(self) -> Frame:
        """Return the next frame; EOFError when there is none."""
        async with asyncio.timeout(DEADLINE_S):
            while not self._frames:
                data = await self._reader.read(65_536)
                if not data:
                    raise EOFError
                self._frames = self._decoder.feed(data)
        return self._frames.pop(0)

    async def refusal(self) -> Refusal:
        """Return the Refuse that comes next, after which the other side must close."""
        refusal = _refusal((await self.frame()).body)
        await self.ended()
        return refusal

    async def ended(self) -> None:
        """Wait until the other side has closed."""
        async with asyncio.timeout(DEADLINE_S):
            try:
                while await self._reader.read(65_536):
                    pass
            except ConnectionError:
                pass
        self.close()

    def close(self) -> None:
        self.writer.close()


def _refusal(body: bytes | memoryview) -> Refusal:
    message = decode_handshake(body).message
    assert isinstance(message, Refuse), message
    return Refusal(message.code, message.detail)


class DeafPeer(asyncio.Protocol):
    """A peer that shakes hands, then reads nothing more until `listen`."""

    def __init__(self, local: Local) -> None:
        self.frames: list[Frame] = []
        self.is_open = False
        self.is_lost = False
        self.transport: asyncio.Transport | None = None
        self._handshake = DialledHandshake(local, b"d" * 32)
        self._decoder = FrameDecoder()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]  # uvloop's is no asyncio.Transport

    def data_received(self, data: bytes) -> None:
        assert self.transport is not None
        for frame in self._decoder.feed(data):
            if self.is_open:
                self.frames.append(frame)
                continue
            answer = self._handshake.receive(frame.body)
            if answer is None:
                answer = self._handshake.welcome()
                self.is_open = True
                self.transport.pause_reading()
            self.transport.write(encode_frame(FrameKind.HANDSHAKE, answer))

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_lost = True

    def listen(self) -> None:
        assert self.transport is not None
        self.transport.resume_reading()
