"""An Engine in memory, for simulation and tests: a sorted key list beside a dict.

A snapshot is the pair as it was; the first write after it copies (copy on write). It can crash:
`crash` returns the state to a prefix of the writes, at least to the last flush, like RocksDB without its WAL.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator, Sequence
from random import Random
from types import TracebackType
from typing import Self

from raftdoc.storage.engine import Changes, EngineBusy

DELETE_BATCH_KEYS = 1000


class _View:
    """Sorted keys and their values. `shared` says that a snapshot holds it too."""

    __slots__ = ("keys", "shared", "values")

    def __init__(self, keys: list[bytes], values: dict[bytes, bytes]) -> None:
        self.keys = keys
        self.values = values
        self.shared = False

    def copy(self) -> _View:
        return _View(self.keys.copy(), self.values.copy())

    def apply(self, changes: Changes) -> None:
        for key, value in changes.items():
            if value is not None:
                if key not in self.values:
                    insort(self.keys, key)
                self.values[key] = value
            elif self.values.pop(key, None) is not None:
                del self.keys[bisect_left(self.keys, key)]

    def scan(self, start: bytes, stop: bytes, reverse: bool) -> Iterator[tuple[bytes, bytes]]:
        keys = self.keys[bisect_left(self.keys, start) : bisect_left(self.keys, stop)]
        if reverse:
            keys.reverse()
        values = self.values
        return iter([(key, values[key]) for key in keys])


class MemorySnapshot:
    """See EngineSnapshot."""

    def __init__(self, view: _View) -> None:
        self._view = view

    def get(self, key: bytes) -> bytes | None:
        return self._view.values.get(key)

    def scan(self, start: bytes, stop: bytes, *, reverse: bool = False) -> Iterator[tuple[bytes, bytes]]:
        return self._view.scan(start, stop, reverse)

    def close(self) -> None:
        self._view = _View([], {})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class MemoryEngine:
    """See Engine. `busy_writes` makes the next so many writes raise EngineBusy, as a flush that is behind would."""

    def __init__(self) -> None:
        self.busy_writes = 0
        self._view = _View([], {})
        self._flushed = _View([], {})
        # Invariant: _flushed with these applied in order is _view.
        self._unflushed: list[Changes] = []

    def get(self, key: bytes) -> bytes | None:
        return self._view.values.get(key)

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        return [self.get(key) for key in keys]

    def write(self, changes: Changes) -> None:
        if self.busy_writes > 0:
            self.busy_writes -= 1
            raise EngineBusy("refused by the test")
        changes = changes.copy()
        self._own_view().apply(changes)
        self._unflushed.append(changes)

    def scan(self, start: bytes, stop: bytes, *, reverse: bool = False) -> Iterator[tuple[bytes, bytes]]:
        return self._view.scan(start, stop, reverse)

    def snapshot(self) -> MemorySnapshot:
        self._view.shared = True
        return MemorySnapshot(self._view)

    def delete_range(self, start: bytes, stop: bytes) -> None:
        doomed = [key for key, _ in self.scan(start, stop)]
        for position in range(0, len(doomed), DELETE_BATCH_KEYS):
            changes: Changes = dict.fromkeys(doomed[position : position + DELETE_BATCH_KEYS])
            self._own_view().apply(changes)
            self._unflushed.append(changes)

    def flush(self) -> None:
        # Writes may go on beside it, as beside RocksDB's: what comes after the call stays unflushed.
        count = len(self._unflushed)
        for changes in self._unflushed[:count]:
            self._flushed.apply(changes)
        del self._unflushed[:count]

    def crash(self, random: Random) -> None:
        """Lose a random suffix of what was written since the last flush."""
        del self._unflushed[random.randint(0, len(self._unflushed)) :]
        self._view = self._flushed.copy()
        for changes in self._unflushed:
            self._view.apply(changes)

    def flip(self, key: bytes, random: Random) -> None:
        """Damage one bit of the stored value of key, behind the back of everyone."""
        self.flush()
        value = bytearray(self._view.values[key])
        bit = random.randrange(len(value) * 8)
        value[bit // 8] ^= 1 << bit % 8
        self._own_view().values[key] = bytes(value)
        self._flushed.values[key] = bytes(value)

    def approximate_bytes(self, start: bytes, stop: bytes) -> int:
        return sum(len(key) + len(value) for key, value in self._view.scan(start, stop, False))

    def statistics(self) -> dict[str, int]:
        return {"key_count": len(self._view.keys), "unflushed_batch_count": len(self._unflushed)}

    def close(self) -> None:
        """Keep the state: the next owner of this object finds it as a process that starts again finds its files."""

    def _own_view(self) -> _View:
        if self._view.shared:
            self._view = self._view.copy()
        return self._view
