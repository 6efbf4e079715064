"""Ids for documents that came without one.

Without an idempotency key: UUIDv7, in rising order on one node, so that new documents lie side by side. With a key
the ids are derived from the key and the request, because a retry has to name the same documents: a UUIDv7 with the
time of the key where the key is one itself, else a UUIDv8. Source: RFC 9562, 5.7, 5.8 and 6.2 (method 1).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from hashlib import blake2b
from os import urandom
from threading import Lock
from typing import Final
from uuid import UUID

_COUNTER_BITS: Final = 12
_RANDOM_BYTES: Final = 8


def _uuid(time_ms: int, low: int, random: int, version: int) -> str:
    """Return the text of a UUID: 48 bits of time, 12 bits, 62 bits."""
    value = (time_ms & (1 << 48) - 1) << 80 | version << 76 | low << 64 | 2 << 62 | random & (1 << 62) - 1
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


class IdSource:
    """Makes UUIDv7 in rising order, in any thread: more than 4096 in one millisecond take the next one's."""

    def __init__(self, wall_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000) -> None:
        self._wall_ms = wall_ms
        self._last = 0
        self._lock = Lock()

    def next_id(self) -> str:
        with self._lock:
            now = self._wall_ms() << _COUNTER_BITS
            self._last = last = max(now, self._last + 1)
        time_ms, counter = last >> _COUNTER_BITS, last & (1 << _COUNTER_BITS) - 1
        return _uuid(time_ms, counter, int.from_bytes(urandom(_RANDOM_BYTES)), 7)


def derived_id(key: str, path: str, position: int, document: bytes) -> str:
    """Return the id of the position-th document of a request with an idempotency key: the same for every retry."""
    seed = b"\0".join((key.encode(), path.encode(), b"%d" % position, document))
    digest = blake2b(seed, digest_size=16).digest()
    low, random = int.from_bytes(digest[:2]) >> 4, int.from_bytes(digest[2:10])
    time_ms = _time_of(key)
    if time_ms is not None:
        return _uuid(time_ms, low, random, 7)
    return _uuid(int.from_bytes(digest[10:]), low, random, 8)


def _time_of(key: str) -> int | None:
    """Return the milliseconds since 1970 that a UUIDv7 carries; None: the key is none."""
    try:
        uuid = UUID(key)
    except ValueError:
        return None
    return uuid.int >> 80 if uuid.version == 7 and len(key) == 36 else None
