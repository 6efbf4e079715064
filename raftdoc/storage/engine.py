"""The seam between state machines and what keeps their bytes: an ordered map with atomic batches.

Two implementations, one conformance suite (`tests/storage/test_engine_conformance.py`): `rocksdb`
for nodes, `memory` for simulation and tests. Keys and values are bytes; order is that of memcmp.

Durability: a write is durable after the next `flush` that began after it, and not before. After a
crash the engine holds a *prefix* of the writes, in their order, at least up to the last finished
flush: a batch is there whole or not at all, and never without the batches before it.

Threads: everything but `flush` and `delete_range` is called by one thread; these two may run beside it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Protocol, Self, TypeAlias

Changes: TypeAlias = dict[bytes, bytes | None]
"""What one batch does: key to its new value, None deletes. Also serves as the overlay of what is being applied."""


class EngineBusy(Exception):
    """The engine is behind with flushing and took nothing of the batch: write the same batch again later.

    Not an error of the tree in `raftdoc.errors`: it never reaches a caller, apply waits and goes on.
    """


class EngineSnapshot(Protocol):
    """The state at one moment, whatever is written afterwards. Pins disk space until closed."""

    def get(self, key: bytes) -> bytes | None: ...

    def scan(self, start: bytes, stop: bytes, *, reverse: bool = False) -> Iterator[tuple[bytes, bytes]]: ...

    def close(self) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...


class Engine(Protocol):
    """An ordered map of bytes. Every method may raise StateCorrupt, which stops the node."""

    def get(self, key: bytes) -> bytes | None:
        """Return the value of key, None if there is none."""
        ...

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return the value of each key, in their order: for RocksDB half the work of as many `get`."""
        ...

    def write(self, changes: Changes) -> None:
        """Apply all changes at once, or none.

        Raises:
            EngineBusy: nothing was written; the same changes may be written later.
        """
        ...

    def scan(self, start: bytes, stop: bytes, *, reverse: bool = False) -> Iterator[tuple[bytes, bytes]]:
        """Yield (key, value) of start <= key < stop in order, as the state was at the moment of the call.

        Drop the iterator when done with it: like a snapshot, it pins what it sees.
        """
        ...

    def snapshot(self) -> EngineSnapshot:
        """Return a view of the state as it is now."""
        ...

    def delete_range(self, start: bytes, stop: bytes) -> None:
        """Delete the keys of start <= key < stop that are there at the call, in small batches.

        Not atomic as a whole. Takes about a second per million keys: call it in a thread.
        """
        ...

    def flush(self) -> None:
        """Make everything written before the call durable. Blocks: call it in a thread.

        Raises:
            DiskFull: nothing is lost and nothing more is durable; call it again later.
        """
        ...

    def approximate_bytes(self, start: bytes, stop: bytes) -> int:
        """Return about how many bytes on disk the range takes; what is not flushed may not count."""
        ...

    def statistics(self) -> dict[str, int]:
        """Return gauges for /metrics, by name with unit."""
        ...

    def close(self) -> None:
        """Release everything; whether that flushes is open. Iterators and snapshots are to be dropped before."""
        ...
