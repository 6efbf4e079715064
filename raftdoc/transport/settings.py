"""The bounds of the TCP transport, so that a test can reach them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from raftdoc.limits import (
    FRAME_BYTES_MAX,
    HANDSHAKE_TIMEOUT_MS,
    PEER_CLOSE_TIMEOUT_MS,
    PEER_HANDSHAKES_MAX,
    PEER_HEARTBEAT_QUEUE_BYTES_MAX,
    PEER_QUEUE_BYTES_MAX,
    PEER_QUEUE_FRAMES_MAX,
    PEER_SILENCE_MS_MAX,
    PEER_WRITE_BUFFER_BYTES_MAX,
    RECONNECT_BACKOFF_MS_MAX,
    RECONNECT_BACKOFF_MS_MIN,
)
from raftdoc.transport.transport import Lane

_QUEUE_BYTES_MAX = MappingProxyType(
    {Lane.HEARTBEAT: PEER_HEARTBEAT_QUEUE_BYTES_MAX, Lane.BULK: PEER_QUEUE_BYTES_MAX},
)


@dataclass(frozen=True, slots=True)
class TcpSettings:
    """Each is the limit of the same name in `raftdoc.limits`."""

    handshake_timeout_ms: int = HANDSHAKE_TIMEOUT_MS
    handshakes_max: int = PEER_HANDSHAKES_MAX
    backoff_ms_min: int = RECONNECT_BACKOFF_MS_MIN
    backoff_ms_max: int = RECONNECT_BACKOFF_MS_MAX
    frame_bytes_max: int = FRAME_BYTES_MAX
    queue_frames_max: int = PEER_QUEUE_FRAMES_MAX
    queue_bytes_max: Mapping[Lane, int] = field(default_factory=lambda: _QUEUE_BYTES_MAX)
    write_buffer_bytes_max: int = PEER_WRITE_BUFFER_BYTES_MAX
    silence_ms_max: int = PEER_SILENCE_MS_MAX
    close_timeout_ms: int = PEER_CLOSE_TIMEOUT_MS
