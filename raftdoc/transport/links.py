"""Connections: asyncio protocols around the handshake and frames. They decide nothing about peers.

OutboundLink sends, InboundLink receives. What either needs to ask or tell goes to its owner, which is
the sender or the transport.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Protocol, cast

from raftdoc.limits import FRAME_BYTES_MAX
from raftdoc.transport.handshake import MALFORMED, TOO_SLOW, DialledHandshake, DiallerHandshake, Refused, encode_refusal
from raftdoc.transport.settings import TcpSettings
from raftdoc.transport.transport import Lane, Peer, Refusal
from raftdoc.wire.codec import HANDSHAKE_BYTES_MAX, Item, decode_messages
from raftdoc.wire.frames import HEADER, Frame, FrameDecoder, FrameKind, WireError, encode_frame


class OutboundLink(asyncio.Protocol):
    """One connection that this node has dialled."""

    def __init__(
        self,
        handshake: DiallerHandshake,
        settings: TcpSettings,
        *,
        admit: Callable[[Peer], Refusal | None],
        on_writable: Callable[[], None],
    ) -> None:
        loop = asyncio.get_running_loop()
        self.opened: asyncio.Future[bool] = loop.create_future()
        """True once the handshake is done and the peer is let in, False when that has failed."""
        self.lost: asyncio.Future[str] = loop.create_future()
        """Why the connection is gone."""
        self.is_open = False
        self.is_paused = False
        self.reason = "the other side closed the connection"
        self.refusal: Refusal | None = None
        self._loop = loop
        self._handshake = handshake
        self._settings = settings
        self._admit = admit
        self._on_writable = on_writable
        self._decoder = FrameDecoder(HANDSHAKE_BYTES_MAX)
        self._transport: asyncio.Transport | None = None
        self._stall: asyncio.TimerHandle | None = None

    @property
    def peer(self) -> Peer | None:
        """Return who the other side says it is; proven once the link is open."""
        return self._handshake.peer

    def write(self, frame: bytes) -> None:
        """Write a frame on an open link. While `is_paused`, it only makes the buffer grow."""
        assert self._transport is not None
        self._transport.write(frame)

    def close(self, reason: str) -> None:
        """Close once what was written has left."""
        self.reason = reason
        self._set_closed()
        if self._transport is not None:
            self._transport.close()

    def abort(self, reason: str) -> None:
        """Close at once."""
        self.reason = reason
        self._set_closed()
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = stream = _stream(transport)
        configure_socket(stream, self._settings)
        stream.set_write_buffer_limits(high=self._settings.write_buffer_bytes_max)
        self._write_handshake(self._handshake.hello())

    def data_received(self, data: bytes) -> None:
        try:
            for frame in self._decoder.feed(data):
                self._take(frame)
        except WireError as error:
            self._refuse(Refusal(MALFORMED, str(error)), is_ours=True)
        except Refused as error:
            self._refuse(error.refusal, is_ours=error.is_ours)

    def connection_lost(self, exc: Exception | None) -> None:
        # asyncio's transport fails when it is aborted after its end.
        self._transport = None
        self._cancel_stall()
        if exc is not None:
            self.reason = str(exc) or type(exc).__name__
        self._set_closed()
        self.lost.set_result(self.reason)

    def pause_writing(self) -> None:
        assert self._transport is not None
        self.is_paused = True
        self._watch(self._transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        self.is_paused = False
        self._cancel_stall()
        if self.is_open:
            self._on_writable()

    def _take(self, frame: Frame) -> None:
        """Take a frame of the handshake; on an open link only a Refuse can come."""
        if frame.kind is not FrameKind.HANDSHAKE:
            raise WireError("messages on a link that only sends")
        answer = self._handshake.receive(frame.body)
        if answer is not None:
            self._write_handshake(answer)
            return
        assert self.peer is not None
        refusal = self._admit(self.peer)
        if refusal is not None:
            raise Refused(refusal, is_ours=True)
        self.is_open = True
        self.opened.set_result(True)

    def _refuse(self, refusal: Refusal, *, is_ours: bool) -> None:
        """End the link with a reason, telling the other side where it is ours."""
        self.refusal = refusal
        if is_ours:
            self._write_handshake(encode_refusal(refusal))
        self.close(f"{refusal.code}: {refusal.detail}")

    def _write_handshake(self, body: bytes) -> None:
        assert self._transport is not None
        self._transport.write(encode_frame(FrameKind.HANDSHAKE, body))

    def _watch(self, unsent_bytes: int) -> None:
        """Look again later whether the peer has taken anything."""
        self._stall = self._loop.call_later(self._settings.silence_ms_max / 1000, self._check_stall, unsent_bytes)

    def _check_stall(self, unsent_bytes_before: int) -> None:
        assert self._transport is not None
        unsent_bytes = self._transport.get_write_buffer_size()
        if unsent_bytes < unsent_bytes_before:
            self._watch(unsent_bytes)
        else:
            self.abort(f"the peer took nothing for {self._settings.silence_ms_max} ms")

    def _cancel_stall(self) -> None:
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None

    def _set_closed(self) -> None:
        self.is_open = False
        if not self.opened.done():
            self.opened.set_result(False)


class InboundOwner(Protocol):
    """What an InboundLink needs of the listener."""

    def accepted(self, link: InboundLink) -> None:
        """Take note of a connection that has said nothing yet."""

    def proven(self, link: InboundLink) -> Refusal | None:
        """Decide about a proven peer; None: it is in, and frames may follow."""

    def received(self, link: InboundLink, items: list[Item], byte_count: int) -> None:
        """Take a frame."""

    def refused(self, link: InboundLink, refusal: Refusal, *, is_ours: bool) -> None:
        """Take note of why a connection ends."""

    def ended(self, link: InboundLink, reason: str) -> None:
        """Take note that the connection is gone."""


class InboundLink(asyncio.Protocol):
    """One connection that a peer, or a stranger, has dialled."""

    def __init__(self, handshake: DialledHandshake, settings: TcpSettings, owner: InboundOwner) -> None:
        self.is_open = False
        self.is_admitted = False
        """It was open once."""
        self.address = ""
        """The host that the connection comes from."""
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._handshake = handshake
        self._settings = settings
        self._owner = owner
        self._decoder = FrameDecoder(HANDSHAKE_BYTES_MAX)
        self._transport: asyncio.Transport | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._reason = "the other side closed the connection"

    @property
    def claimed(self) -> str:
        """Who the other side says it is; `?` before it has."""
        return self._handshake.claimed or "?"

    @property
    def is_proven(self) -> bool:
        """Whether the other side knows the secret."""
        return self._handshake.is_proven

    @property
    def peer(self) -> Peer:
        """Who the other side has proven to be."""
        assert self._handshake.peer is not None
        return self._handshake.peer

    @property
    def lane(self) -> Lane:
        return self._handshake.lane

    def refuse(self, refusal: Refusal) -> None:
        """End the connection and say why."""
        if self._transport is None or self._transport.is_closing():
            return
        self.is_open = False
        self._owner.refused(self, refusal, is_ours=True)
        self._reason = f"{refusal.code}: {refusal.detail}"
        self._transport.write(encode_frame(FrameKind.HANDSHAKE, encode_refusal(refusal)))
        self._transport.close()
        self._set_deadline()

    def abort(self, reason: str) -> None:
        """Close at once."""
        self._reason = reason
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = stream = _stream(transport)
        self.address = (stream.get_extra_info("peername") or ("?",))[0]
        configure_socket(stream, self._settings)
        self._set_deadline()
        self._owner.accepted(self)

    def data_received(self, data: bytes) -> None:
        try:
            for frame in self._decoder.feed(data):
                if frame.kind is FrameKind.MESSAGES and self.is_open:
                    self._owner.received(self, decode_messages(frame.body), HEADER.size + len(frame.body))
                else:
                    self._take(frame)
        except WireError as error:
            self.refuse(Refusal(MALFORMED, str(error)))
        except Refused as error:
            if error.is_ours:
                self.refuse(error.refusal)
            else:
                self._owner.refused(self, error.refusal, is_ours=False)
                self.abort(str(error))

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._cancel_deadline()
        self.is_open = False
        self.lost.set_result(None)
        self._owner.ended(self, self._reason if exc is None else str(exc) or type(exc).__name__)

    def _take(self, frame: Frame) -> None:
        """Take a frame of the handshake."""
        assert self._transport is not None
        if frame.kind is not FrameKind.HANDSHAKE:
            raise WireError("messages before the handshake")
        answer = self._handshake.receive(frame.body)
        if answer is not None:
            self._transport.write(encode_frame(FrameKind.HANDSHAKE, answer))
            return
        refusal = self._owner.proven(self)
        if refusal is not None:
            raise Refused(refusal, is_ours=True)
        self._cancel_deadline()
        self._decoder.body_bytes_max = FRAME_BYTES_MAX
        self.is_open = self.is_admitted = True
        self._transport.write(encode_frame(FrameKind.HANDSHAKE, self._handshake.welcome()))

    def _set_deadline(self) -> None:
        """Bound how long the connection may stay without being open."""
        self._cancel_deadline()
        seconds = self._settings.handshake_timeout_ms / 1000
        self._deadline = asyncio.get_running_loop().call_later(seconds, self._expire)

    def _expire(self) -> None:
        assert self._transport is not None
        if self._transport.is_closing():
            self.abort(self._reason)
        else:
            self.refuse(Refusal(TOO_SLOW, f"no handshake within {self._settings.handshake_timeout_ms} ms"))

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def _stream(transport: asyncio.BaseTransport) -> asyncio.Transport:
    """Return transport as what it is for TCP; uvloop's is one without saying so."""
    return cast(asyncio.Transport, transport)


def configure_socket(transport: asyncio.Transport, settings: TcpSettings) -> None:
    """Send at once, and notice a peer that is gone without a word."""
    sock = transport.get_extra_info("socket")
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, settings.silence_ms_max)
