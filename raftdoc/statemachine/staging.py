"""What one call of apply is about to change: an overlay over the engine, and a copy of the counters.

Nothing that a machine keeps in memory is touched while entries are applied. When the engine has taken the
changes, the machine takes over the copies; when it refuses, they are dropped and the call can be repeated. So an entry
can be worked out before it is committed, too: nobody sees anything of it, and if it never is, it is dropped.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Generic, NamedTuple, TypeVar

import msgpack
from xxhash import xxh3_64_digest, xxh3_128_intdigest

from raftdoc.errors import FormatTooNew, StateCorrupt
from raftdoc.ids import REVISION_ORDINAL_BITS, Index
from raftdoc.limits import APPLY_FETCH_KEYS
from raftdoc.raft.messages import Entry
from raftdoc.statemachine.commands import FEATURE_LEVEL
from raftdoc.statemachine.outcome import Outcome
from raftdoc.storage.engine import Changes, Engine
from raftdoc.storage.keyspace import GroupKeys

STATE_FORMAT: Final = 1
STATE_NAME: Final = "state"
"""Of the META record that holds Progress."""

DIGEST_MASK: Final = (1 << 128) - 1
DIGEST_BYTES: Final = 16
KEY_SCOPE_BYTES: Final = 8
"""Group and incarnation: no part of the digest, which replicas compare."""

NONE_APPLIED: Final = Index(0)

_CHECK_BYTES: Final = 8


@dataclass(slots=True)
class Progress:
    """The counters of a machine, in the META record `state`; written with every slice."""

    applied_index: Index = NONE_APPLIED
    log_time_ms: int = 0
    """Of the last applied entry; never goes back."""
    feature_level: int = 0
    """The highest level of a command that was applied."""
    request_count: int = 0
    request_ticket: int = 0
    """Of the newest idempotency record: see `requests`."""
    request_horizon_ms: int = 0
    """The latest time in a UUIDv7 key that was forgotten."""
    request_digest: int = 0
    meta_digest: int = 0
    """Over META and COLLECTION records, but this one."""

    def copy(self) -> Progress:
        return Progress(
            self.applied_index,
            self.log_time_ms,
            self.feature_level,
            self.request_count,
            self.request_ticket,
            self.request_horizon_ms,
            self.request_digest,
            self.meta_digest,
        )


class Made(NamedTuple):
    """An idempotency record, as the order of forgetting knows it."""

    expiry_key: bytes
    expires_ms: int


_T = TypeVar("_T")


class Ahead(Generic[_T]):
    """At most one entry that was worked out before it was to be applied. `_T`: a machine's part of a slice."""

    __slots__ = ("_entry", "_outcomes", "_target")

    def __init__(self) -> None:
        self._entry: Entry | None = None
        self._target: _T | None = None
        self._outcomes: list[Outcome] = []

    def prepare(self, entry: Entry, begin: Callable[[], _T], apply: Callable[[_T, Entry], list[Outcome]]) -> None:
        """Begin a slice with an entry, unless that is done already; it takes the place of any other."""
        if self._entry is not entry:
            target = begin()
            self._entry, self._target, self._outcomes = entry, target, apply(target, entry)

    def take(self, entry: Entry, begin: Callable[[], _T]) -> tuple[_T, list[list[Outcome]]]:
        """Return the slice that was begun with this very entry and its outcomes, or a new one and none; forget it."""
        prepared, target, outcomes = self._entry, self._target, self._outcomes
        self._entry, self._target, self._outcomes = None, None, []
        if target is not None and prepared is entry:
            return target, [outcomes]
        return begin(), []


class Staged:
    """One slice. `changes` is what will be written; `index`, `time_ms` and `ordinal` are of the entry at hand."""

    __slots__ = (
        "changes",
        "engine",
        "fetched",
        "foreseen",
        "forgotten",
        "index",
        "keys",
        "made",
        "ordinal",
        "progress",
        "time_ms",
        "work_bytes",
    )

    def __init__(self, engine: Engine, keys: GroupKeys, progress: Progress) -> None:
        self.engine = engine
        self.keys = keys
        self.progress = progress.copy()
        self.changes: Changes = {}
        self.foreseen: list[bytes] = []
        """Keys that `get` is likely to be asked for next, in this order."""
        self.fetched: dict[bytes, bytes | None] = {}
        """What the engine has under some of them; that does not change before this slice is written."""
        self.index = progress.applied_index
        self.time_ms = progress.log_time_ms
        self.ordinal = 0
        self.made: list[Made] = []
        """Idempotency records of this slice."""
        self.work_bytes = 0
        """Of documents that were gone over, beside what commands brought with them."""
        self.forgotten = 0
        """How many idempotency records this slice forgot, oldest first."""

    def begin(self, entry: Entry) -> None:
        """Go on to the next entry."""
        progress = self.progress
        assert entry.index == progress.applied_index + 1, (entry.index, progress.applied_index)
        progress.applied_index = self.index = entry.index
        progress.log_time_ms = self.time_ms = max(progress.log_time_ms, entry.time_ms)
        self.ordinal = 0

    def next_revision(self) -> int:
        """Return the revision of the next document change of this entry."""
        ordinal = self.ordinal
        assert ordinal >> REVISION_ORDINAL_BITS == 0, ordinal
        self.ordinal = ordinal + 1
        return self.index << REVISION_ORDINAL_BITS | ordinal

    def get(self, key: bytes) -> bytes | None:
        """Return the value as this slice leaves it so far."""
        if key in self.changes:
            return self.changes[key]
        if key not in self.fetched and self.foreseen:
            self._fetch(key)
        if key in self.fetched:
            return self.fetched.pop(key)
        return self.engine.get(key)

    def _fetch(self, key: bytes) -> None:
        """Look up together a key, if it was foreseen, and those that are to follow it."""
        try:
            start = self.foreseen.index(key)
        except ValueError:
            return
        keys = self.foreseen[start : start + APPLY_FETCH_KEYS]
        del self.foreseen[: start + APPLY_FETCH_KEYS]
        self.fetched = dict(zip(keys, self.engine.get_many(keys), strict=True))

    def put_meta(self, key: bytes, value: bytes | None) -> None:
        """Set or delete a META or COLLECTION record, and keep the digest over them."""
        digest = self.progress.meta_digest
        old = self.get(key)
        if old is not None:
            digest -= digest_of(key, old)
        if value is not None:
            digest += digest_of(key, value)
        self.progress.meta_digest = digest & DIGEST_MASK
        self.changes[key] = value

    def first_keys(self, start: bytes, stop: bytes, count_max: int) -> list[bytes]:
        """Return the first keys of start <= key < stop, as this slice leaves them so far."""
        staged = {key: value for key, value in self.changes.items() if start <= key < stop}
        found = [key for key, value in staged.items() if value is not None]
        room = len(found) + count_max
        for key, _ in self.engine.scan(start, stop):
            if len(found) == room:
                break
            if key not in staged:
                found.append(key)
        found.sort()
        return found[:count_max]

    def pairs(self, start: bytes, stop: bytes) -> list[tuple[bytes, bytes]]:
        """Return all (key, value) of start <= key < stop, as this slice leaves them so far. For short ranges."""
        staged = {key: value for key, value in self.changes.items() if start <= key < stop}
        stored = self.engine.scan(start, stop)
        if not staged:
            return list(stored)
        merged = dict(stored) | staged
        return [(key, value) for key, value in sorted(merged.items()) if value is not None]

    def finish(self) -> None:
        """Add the counters to the changes."""
        self.changes[self.keys.meta(STATE_NAME)] = encode_progress(self.progress)


def digest_of(key: bytes, value: bytes) -> int:
    """Return the share of one stored pair in the digest, 128 bits."""
    share: int = xxh3_128_intdigest(key[KEY_SCOPE_BYTES:] + value)
    return share


def encode_progress(progress: Progress) -> bytes:
    record: bytes = msgpack.packb(
        (
            STATE_FORMAT,
            progress.feature_level,
            progress.applied_index,
            progress.log_time_ms,
            progress.request_count,
            progress.request_ticket,
            progress.request_horizon_ms,
            progress.request_digest.to_bytes(DIGEST_BYTES, "big"),
            progress.meta_digest.to_bytes(DIGEST_BYTES, "big"),
        )
    )
    check: bytes = xxh3_64_digest(record)
    return record + check


def load_number(engine: Engine, keys: GroupKeys, name: str, default: int) -> int:
    """Return the number in a META record, default if there is none.

    Raises:
        StateCorrupt: it holds no number.
    """
    stored = engine.get(keys.meta(name))
    if stored is None:
        return default
    if not stored.isdigit():
        raise StateCorrupt(f"group {keys.group}: the record META {name!r} holds {stored!r}")
    return int(stored)


def load_progress(engine: Engine, keys: GroupKeys) -> Progress:
    """Return the stored counters, those of an empty machine if there are none.

    Raises:
        StateCorrupt: the record is damaged.
        FormatTooNew: a newer version wrote it, or applied commands that this one does not know.
    """
    stored = engine.get(keys.meta(STATE_NAME))
    if stored is None:
        return Progress()
    record, check = stored[:-_CHECK_BYTES], stored[-_CHECK_BYTES:]
    if xxh3_64_digest(record) != check:
        raise StateCorrupt(f"group {keys.group}: the record META {STATE_NAME!r} fails its checksum")
    state_format, level, *rest = msgpack.unpackb(record)
    if state_format > STATE_FORMAT or level > FEATURE_LEVEL:
        raise FormatTooNew(
            f"group {keys.group}: the state has format {state_format} and feature level {level}; "
            f"this version knows {STATE_FORMAT} and {FEATURE_LEVEL}"
        )
    applied_index, log_time_ms, count, ticket, horizon_ms, request_digest, meta_digest = rest
    return Progress(
        applied_index=Index(applied_index),
        log_time_ms=log_time_ms,
        feature_level=level,
        request_count=count,
        request_ticket=ticket,
        request_horizon_ms=horizon_ms,
        request_digest=int.from_bytes(request_digest, "big"),
        meta_digest=int.from_bytes(meta_digest, "big"),
    )
