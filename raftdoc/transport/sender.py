"""The sending end of one lane to one peer: a bounded queue, the link, and the dialling with back-off."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections import deque
from random import Random
from typing import Any, Protocol

from raftdoc.ids import BootId, NodeId
from raftdoc.transport.handshake import NONCE_BYTES, DiallerHandshake, Local
from raftdoc.transport.links import OutboundLink
from raftdoc.transport.metrics import TransportMetrics
from raftdoc.transport.settings import TcpSettings
from raftdoc.transport.tasks import spawn
from raftdoc.transport.transport import Lane, Peer, Refusal, parse_address
from raftdoc.wire.codec import Item, encode_messages
from raftdoc.wire.frames import FrameKind, encode_frame


class FrameQueue:
    """Frames that wait, bounded in number and bytes. One frame alone may have any size."""

    __slots__ = ("_bytes_max", "_frames", "_frames_max", "byte_count")

    def __init__(self, frames_max: int, bytes_max: int) -> None:
        self._frames: deque[bytes] = deque()
        self._frames_max = frames_max
        self._bytes_max = bytes_max
        self.byte_count = 0

    def __len__(self) -> int:
        return len(self._frames)

    def put(self, frame: bytes) -> bool:
        """Queue a frame; False when there is no room, and it is dropped."""
        if self._frames and (len(self._frames) >= self._frames_max or self.byte_count + len(frame) > self._bytes_max):
            return False
        self._frames.append(frame)
        self.byte_count += len(frame)
        return True

    def take(self) -> bytes:
        """Return the oldest frame."""
        frame = self._frames.popleft()
        self.byte_count -= len(frame)
        return frame

    def clear(self) -> int:
        """Drop all; return how many."""
        count = len(self._frames)
        self._frames.clear()
        self.byte_count = 0
        return count


class SenderOwner(Protocol):
    """What a Sender needs of the transport."""

    def admit(self, peer: Peer) -> Refusal | None:
        """Decide about a proven peer; None: it is in."""

    def came_up(self, sender: Sender) -> None:
        """Take note that the link is open."""

    def went_down(self, sender: Sender, reason: str, *, was_up: bool, is_change: bool) -> None:
        """Take note of a link that broke or a dial that failed. `is_change`: what was sent before is lost by it."""


class Sender:
    """From `start` to `end` it has a link or tries to get one.

    While the first dial is under way, and while the link's buffer is full, frames queue. After a failure they are
    dropped until there is a link again: what is old by then is of no use.
    """

    def __init__(
        self,
        peer: NodeId,
        lane: Lane,
        address: str,
        *,
        local: Local,
        settings: TcpSettings,
        random: Random,
        metrics: TransportMetrics,
        owner: SenderOwner,
    ) -> None:
        self.peer = peer
        self.lane = lane
        self.address = address
        self.refusal: Refusal | None = None
        """Why the last dial was refused, by either side."""
        self.queue = FrameQueue(settings.queue_frames_max, settings.queue_bytes_max[lane])
        self._local = local
        self._settings = settings
        self._random = random
        self._metrics = metrics
        self._lane_metrics = metrics.lanes[lane]
        self._owner = owner
        self._link: OutboundLink | None = None
        self._is_down = False
        self._failure_count = 0
        self._kicked = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def is_up(self) -> bool:
        """True while frames go straight to an open link."""
        return not self._is_down and self._link is not None and self._link.is_open

    def send(self, items: list[Item]) -> None:
        """Send items as one frame, or as a few where one would be over the limit of a frame."""
        if self._is_down:
            self._metrics.dropped_no_link.value += 1
            return
        body = encode_messages(items)
        if len(body) <= self._settings.frame_bytes_max:
            self._send_frame(encode_frame(FrameKind.MESSAGES, body))
        elif len(items) > 1:
            middle = len(items) // 2
            self.send(items[:middle])
            self.send(items[middle:])
        else:
            self._metrics.dropped_too_large.value += 1

    def start(self) -> None:
        """Begin to dial."""
        self._task = spawn(self._run(), f"dialling {self.peer} {self.lane.name.lower()}")

    def kick(self) -> None:
        """Dial soon: the peer has just shown that it is alive."""
        self._kicked.set()

    def drop_other_life(self, boot_id: BootId) -> None:
        """End a link to another life of the peer than this."""
        link = self._link
        if link is not None and link.is_open and link.peer is not None and link.peer.boot_id != boot_id:
            link.abort("the peer has started again")

    def end(self) -> list[asyncio.Future[Any]]:
        """Stop dialling and close the link once what was written has left; return what is done when that is."""
        ending: list[asyncio.Future[Any]] = []
        if self._task is not None:
            self._task.cancel()
            ending.append(self._task)
        if self._link is not None and self._link.is_open:
            ending.append(self._link.lost)
            self._link.close("this node ends the link")
        self.queue.clear()
        self._is_down = True
        return ending

    def abort(self) -> None:
        """End the link at once. After `end`."""
        if self._link is not None:
            self._link.abort("this node ends the link")

    def _send_frame(self, frame: bytes) -> None:
        link = self._link
        if link is not None and link.is_open and not link.is_paused:
            self._write(link, frame)
        elif not self.queue.put(frame):
            self._metrics.dropped_queue_full.value += 1

    def _drain(self) -> None:
        """Write what waits, as long as the link takes it."""
        link, queue = self._link, self.queue
        assert link is not None
        while queue and link.is_open and not link.is_paused:
            self._write(link, queue.take())

    def _write(self, link: OutboundLink, frame: bytes) -> None:
        link.write(frame)
        self._lane_metrics.sent_frames.value += 1
        self._lane_metrics.sent_bytes.value += len(frame)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            link = self._link = self._make_link()
            reason = await self._dial(link)
            was_up = reason is None
            if reason is None:
                opened_at = loop.time()
                self._come_up()
                reason = await asyncio.shield(link.lost)
                if loop.time() - opened_at >= self._settings.backoff_ms_max / 1000:
                    self._failure_count = 0
            self._go_down(reason, link.refusal, was_up=was_up)
            await self._back_off()

    def _make_link(self) -> OutboundLink:
        handshake = DiallerHandshake(self._local, self.peer, self.lane, secrets.token_bytes(NONCE_BYTES))
        return OutboundLink(handshake, self._settings, admit=self._owner.admit, on_writable=self._drain)

    async def _dial(self, link: OutboundLink) -> str | None:
        """Connect and shake hands; return None, or why that failed."""
        host, port = parse_address(self.address)
        try:
            async with asyncio.timeout(self._settings.handshake_timeout_ms / 1000):
                await asyncio.get_running_loop().create_connection(lambda: link, host, port)
                if await asyncio.shield(link.opened):
                    return None
        except TimeoutError:
            link.abort(f"no handshake with {self.address} within {self._settings.handshake_timeout_ms} ms")
        except (OSError, UnicodeError) as error:
            return f"dialling {self.address}: {str(error) or type(error).__name__}"
        except asyncio.CancelledError:
            link.abort("this node ends the link")
            raise
        return link.reason

    def _come_up(self) -> None:
        self._is_down = False
        self.refusal = None
        self._kicked.clear()
        self._owner.came_up(self)
        self._drain()

    def _go_down(self, reason: str, refusal: Refusal | None, *, was_up: bool) -> None:
        is_change = not self._is_down
        self._is_down = True
        self._metrics.dropped_no_link.value += self.queue.clear()
        self._link = None
        self.refusal = refusal
        self._owner.went_down(self, reason, was_up=was_up, is_change=is_change)

    async def _back_off(self) -> None:
        """Wait before the next dial: twice as long after each failure, with jitter; the least after a kick."""
        settings = self._settings
        wait_ms = min(settings.backoff_ms_max, settings.backoff_ms_min << min(self._failure_count, 16))
        self._failure_count += 1
        await asyncio.sleep(self._random.uniform(0.5, 1) * settings.backoff_ms_min / 1000)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._random.uniform(0.5, 1) * (wait_ms - settings.backoff_ms_min) / 1000):
                await self._kicked.wait()
        self._kicked.clear()
