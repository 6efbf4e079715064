"""Exactly once: what was answered under which idempotency key. Shared by all machines.

A record is kept under its key (DEDUP), and its place in the order of forgetting (DEDUP_EXPIRY) under a
ticket: log time, moved on by one where it would not be above the ticket before, so that the order is that
of the log. Each entry of commands first forgets what has expired by its log time or is over the cap, oldest first
and at most FORGET_PER_ENTRY_MAX: the same on every replica, and little work however much has expired at once.

A record that should be forgotten but is still there still answers.

Two kinds of key: one that is a UUIDv7 carries its time. Every such key that was forgotten is not above the horizon,
so an unknown one at or below it may have been used and is refused, and an unknown one above it certainly was not.
A record whose key is ahead of log time stays until log time is there, and those behind it with it: so the horizon is
never ahead of log time, and the records over the cap are at most those of IDEMPOTENCY_KEY_AHEAD_MS_MAX.

Other keys are simply forgotten.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice
from struct import Struct
from typing import Any, Final, TypeVar

import msgpack

from raftdoc.limits import (
    ENTRY_COMMANDS_MAX,
    IDEMPOTENCY_ANSWER_BYTES_MAX,
    IDEMPOTENCY_KEY_AHEAD_MS_MAX,
    IDEMPOTENCY_RECORDS_MAX,
)
from raftdoc.statemachine.outcome import Outcome, RequestRecord
from raftdoc.statemachine.refusal import Refused
from raftdoc.statemachine.results import compact_data, expand_data
from raftdoc.statemachine.staging import DIGEST_MASK, Made, Staged, digest_of
from raftdoc.storage.engine import Engine
from raftdoc.storage.keyspace import GroupKeys, KeyKind

FORGET_PER_ENTRY_MAX: Final = 2 * ENTRY_COMMANDS_MAX
"""Above what one entry can add, so that the cap is held within one entry's worth."""
READ_AHEAD_RECORDS: Final = 256
PART_MARK: Final = "\x1f"
"""Stands in a key derived from a caller's, before what makes it another one: no caller's key has such a character."""

_EXPIRES = Struct(">Q")
_UUID7 = re.compile(
    r"([0-9a-f]{8})-([0-9a-f]{4})-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}(?:\x1f.*)?", re.ASCII | re.IGNORECASE
)
_T = TypeVar("_T")


def uuid7_time_ms(key: str) -> int | None:
    """Return the time that a UUIDv7 carries, in ms since 1970; None if key is none.

    A key derived from one, with PART_MARK and more behind it, is as old as that one.
    """
    match = _UUID7.fullmatch(key)
    return None if match is None else int(match[1] + match[2], 16)


class Requests:
    """The records of one machine. Memory holds only the oldest few, read ahead; the rest is in the engine."""

    def __init__(self, engine: Engine, keys: GroupKeys, *, records_max: int = IDEMPOTENCY_RECORDS_MAX) -> None:
        self._engine = engine
        self._keys = keys
        self._records_max = records_max
        # Invariant: these are the oldest records of the engine, in their order.
        self._oldest: deque[Made] = deque()
        self._read_start, self._read_stop = keys.kind_range(KeyKind.DEDUP_EXPIRY)

    def get(self, key: str) -> RequestRecord | None:
        """Return what is remembered of a key."""
        stored = self._engine.get(self._keys.dedup(key))
        return None if stored is None else _decode(key, stored)

    def once(
        self,
        staged: Staged,
        request: Sequence[Any],
        handler: Callable[[_T, Sequence[Any]], Outcome],
        target: _T,
        command: Sequence[Any],
    ) -> Outcome:
        """Return what was answered under the request's key; if it is new, do the command and remember its answer."""
        key, fingerprint, retention_ms = request
        record_key = self._keys.dedup(key)
        stored = staged.get(record_key)
        if stored is not None:
            return _replay(_decode(key, stored), fingerprint, staged.time_ms)
        refusal = _refuse_by_time(key, staged)
        if refusal is not None:
            return refusal
        try:
            outcome = handler(target, command)
        except Refused as refused:
            outcome = refused.outcome
        self._remember(staged, RequestRecord(key, fingerprint, outcome, staged.time_ms + retention_ms), record_key)
        return outcome

    def forget(self, staged: Staged) -> None:
        """Forget what has expired or is over the cap; called at the start of each entry of commands."""
        progress = staged.progress
        for _ in range(FORGET_PER_ENTRY_MAX):
            if progress.request_count == 0:
                return
            oldest = self._oldest_of(staged)
            if oldest.expires_ms > staged.time_ms and progress.request_count <= self._records_max:
                return
            _, key = self._keys.dedup_expiry_parts(oldest.expiry_key)
            key_time_ms = uuid7_time_ms(key) or 0
            if key_time_ms > staged.time_ms:
                # The horizon would be ahead of log time: everybody's new keys would be taken for old ones.
                return
            self._forget_one(staged, oldest, key, key_time_ms)

    def commit(self, staged: Staged) -> None:
        """Take over what a slice did, after the engine took it."""
        for _ in range(min(staged.forgotten, len(self._oldest))):
            self._read_start = self._oldest.popleft().expiry_key + b"\x00"

    def _remember(self, staged: Staged, record: RequestRecord, record_key: bytes) -> None:
        progress = staged.progress
        progress.request_ticket = max(progress.request_ticket + 1, staged.time_ms)
        expiry_key = self._keys.dedup_expiry(progress.request_ticket, record.key)
        value, expires = _encode(record), _EXPIRES.pack(record.expires_ms)
        staged.changes[record_key] = value
        staged.changes[expiry_key] = expires
        staged.made.append(Made(expiry_key, record.expires_ms))
        share = digest_of(record_key, value) + digest_of(expiry_key, expires)
        progress.request_digest = (progress.request_digest + share) & DIGEST_MASK
        progress.request_count += 1

    def _forget_one(self, staged: Staged, oldest: Made, key: str, key_time_ms: int) -> None:
        progress = staged.progress
        record_key = self._keys.dedup(key)
        value = staged.get(record_key)
        assert value is not None, key
        staged.changes[record_key] = None
        staged.changes[oldest.expiry_key] = None
        staged.forgotten += 1
        share = digest_of(record_key, value) + digest_of(oldest.expiry_key, _EXPIRES.pack(oldest.expires_ms))
        progress.request_digest = (progress.request_digest - share) & DIGEST_MASK
        progress.request_count -= 1
        progress.request_horizon_ms = max(progress.request_horizon_ms, key_time_ms)

    def _oldest_of(self, staged: Staged) -> Made:
        """Return the oldest record that this slice has not forgotten: one of the engine's, else one of its own."""
        if staged.forgotten == len(self._oldest):
            self._read_ahead()
        if staged.forgotten < len(self._oldest):
            return self._oldest[staged.forgotten]
        return staged.made[staged.forgotten - len(self._oldest)]

    def _read_ahead(self) -> None:
        """Extend _oldest from the engine, from behind its last one: what lies before is deleted, or will be."""
        start = self._oldest[-1].expiry_key + b"\x00" if self._oldest else self._read_start
        for key, value in islice(self._engine.scan(start, self._read_stop), READ_AHEAD_RECORDS):
            (expires_ms,) = _EXPIRES.unpack(value)
            self._oldest.append(Made(key, expires_ms))


def _refuse_by_time(key: str, staged: Staged) -> Outcome | None:
    """Return the refusal of an unknown key by the time in it. It is not remembered."""
    time_ms = uuid7_time_ms(key)
    if time_ms is None:
        return None
    if time_ms <= staged.progress.request_horizon_ms:
        return Outcome("key_expired", time_ms=staged.time_ms)
    if time_ms > staged.time_ms + IDEMPOTENCY_KEY_AHEAD_MS_MAX:
        return Outcome("key_ahead", time_ms=staged.time_ms)
    return None


def _replay(record: RequestRecord, fingerprint: bytes, time_ms: int) -> Outcome:
    if record.fingerprint != fingerprint:
        return Outcome("key_reused", time_ms=time_ms)
    return record.outcome._replace(replayed=True)


def _encode(record: RequestRecord) -> bytes:
    outcome = record.outcome
    value: bytes = msgpack.packb(
        (
            record.fingerprint,
            record.expires_ms,
            outcome.code,
            outcome.revision,
            outcome.created,
            outcome.time_ms,
            *compact_data(outcome.data),
        )
    )
    assert len(value) <= IDEMPOTENCY_ANSWER_BYTES_MAX, (record.key, len(value))
    return value


def _decode(key: str, value: bytes) -> RequestRecord:
    fingerprint, expires_ms, code, revision, created, time_ms, *compact = msgpack.unpackb(value, use_list=False)
    outcome = Outcome(code, revision, created, False, expand_data(*compact), time_ms)
    return RequestRecord(key, fingerprint, outcome, expires_ms)
