"""The two engines behind one face, for the conformance suite."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from raftdoc.limits import MIB
from raftdoc.storage.engine import Engine
from raftdoc.storage.memory import MemoryEngine
from raftdoc.storage.rocksdb import RocksEngine


class EnginePlace(Protocol):
    """Where an engine's bytes are; may be opened again after a close."""

    def open(self) -> Engine: ...


class MemoryPlace:
    def __init__(self, path: Path) -> None:
        self._engine = MemoryEngine()

    def open(self) -> Engine:
        return self._engine


class RocksPlace:
    def __init__(self, path: Path) -> None:
        self._path = path

    def open(self) -> Engine:
        return small_rocks(self._path)


def small_rocks(path: Path, *, write_buffer_bytes: int = 1 * MIB) -> RocksEngine:
    return RocksEngine(path, block_cache_bytes=4 * MIB, write_buffer_bytes=write_buffer_bytes)
