"""LogFiles in memory, with the faults of a disk: for simulation and tests.

Every operation is seen at once, as a process sees its page cache, and durable once `settle` was called; with
`auto_settle` that is at once. A simulated disk that takes time lets the log write, and settles when the time has
passed. `crash` loses what was not settled the way real storage does: the log does one thing after another and
each is durable when it returns, so what survives is a prefix of the operations and any sectors of the next one.

Faults: `crash`, `flip` and `zero` damage what is there, `capacity_bytes` fills up, `fail` makes writes fail.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from errno import EIO, ENOENT, ENOSPC
from pathlib import Path
from random import Random
from typing import Final

SECTOR_BYTES: Final = 512


@dataclass(slots=True)
class Operation:
    """One thing done to the disk, with what is needed to undo it. Tests read the first four fields."""

    kind: str
    """create, write, rename or delete."""
    name: str
    offset: int
    size: int
    target: str
    """The new name, of a rename."""
    content: _Content | None
    """Of the file; of a rename, of the file that was replaced."""
    old: bytes
    new: bytes


class _Content:
    """What a file holds, under whatever name."""

    __slots__ = ("data",)

    def __init__(self, data: bytearray) -> None:
        self.data = data


class MemoryFile:
    """See LogFile."""

    __slots__ = ("_content", "_disk", "_generation", "_name")

    def __init__(self, disk: MemoryFiles, name: str, content: _Content) -> None:
        self._disk = disk
        self._name = name
        self._content = content
        self._generation = disk.generation

    def write(self, buffers: Sequence[bytes], offset: int) -> None:
        assert self._generation == self._disk.generation, "opened before a crash"
        self._disk.write(self._name, self._content, offset, b"".join(buffers))

    def read(self, offset: int, size: int) -> bytes:
        return bytes(self._content.data[offset : offset + size])

    def size(self) -> int:
        return len(self._content.data)

    def sync(self) -> None:
        self._disk.settle()

    def close(self) -> None:
        pass


class MemoryFiles:
    """See LogFiles. One directory of one simulated disk; it outlives the crashes of its node."""

    def __init__(self, *, capacity_bytes: int = 1 << 40, auto_settle: bool = True) -> None:
        self.capacity_bytes = capacity_bytes
        self.auto_settle = auto_settle
        self.unsettled: list[Operation] = []
        """What was done and is not durable yet, oldest first."""
        self.write_count = 0
        self.generation = 0
        """How often it crashed: files opened before do not work any more."""
        self._contents: dict[str, _Content] = {}
        self._is_failing = False

    def names(self) -> list[str]:
        return list(self._contents)

    def create(self, name: str, size: int, *, zeroed: bool) -> None:
        assert name not in self._contents, name
        self._allocate(size)
        self._do(Operation("create", name, 0, size, "", _Content(bytearray(size)), b"", b""))

    def open(self, name: str, *, writable: bool = False) -> MemoryFile:
        return MemoryFile(self, name, self._content(name))

    def rename(self, old: str, new: str) -> None:
        self._content(old)
        self._do(Operation("rename", old, 0, 0, new, self._contents.get(new), b"", b""))

    def delete(self, name: str) -> None:
        self._do(Operation("delete", name, 0, 0, "", self._content(name), b"", b""))

    def sync_names(self) -> None:
        self.settle()

    def free_bytes(self) -> int:
        return max(0, self.capacity_bytes - sum(len(content.data) for content in self._contents.values()))

    def path(self, name: str) -> Path:
        return Path("/memory") / name

    def write(self, name: str, content: _Content, offset: int, new: bytes) -> None:
        """Write to a file; for MemoryFile."""
        stop = offset + len(new)
        self._allocate(max(0, stop - len(content.data)))
        self._do(Operation("write", name, offset, len(new), "", content, bytes(content.data[offset:stop]), new))
        self.write_count += 1
        if self._is_failing:
            raise OSError(EIO, "the disk failed")

    def settle(self) -> None:
        """Make everything durable that was done so far."""
        self.unsettled.clear()

    def fail(self) -> None:
        """Let every write from now on end with EIO. Whether it is durable stays open, as with a real disk."""
        self._is_failing = True

    def crash(self, random: Random) -> None:
        """Lose power: a random prefix of what is not settled survives, and some sectors of the operation after it."""
        self.crash_after(random.randint(0, len(self.unsettled)), lambda _: random.random() < 0.5)

    def crash_after(self, count: int, survives: Callable[[int], bool]) -> None:
        """Lose power after `count` unsettled operations; `survives` says which sectors (from 0) of the next did too."""
        operations = self.unsettled.copy()
        for operation in reversed(operations):
            self._undo(operation)
        for operation in operations[:count]:
            self._redo(operation)
        if count < len(operations):
            self._redo_partly(operations[count], survives)
        self.unsettled.clear()
        self.generation += 1
        self._is_failing = False

    def flip(self, name: str, offset: int, bit: int = 0) -> None:
        """Damage one bit."""
        self._content(name).data[offset] ^= 1 << bit

    def zero(self, name: str, start: int, stop: int | None = None) -> None:
        """Lose what was written from start on: it reads as the zeros that were there before."""
        data = self._content(name).data
        stop = len(data) if stop is None else stop
        data[start:stop] = bytes(stop - start)

    def truncate(self, name: str, size: int) -> None:
        """Cut a file off."""
        del self._content(name).data[size:]

    def copy(self) -> MemoryFiles:
        """Return a disk with the same content, all of it durable."""
        other = MemoryFiles(capacity_bytes=self.capacity_bytes, auto_settle=self.auto_settle)
        other._contents = {name: _Content(bytearray(content.data)) for name, content in self._contents.items()}
        return other

    def _content(self, name: str) -> _Content:
        if name not in self._contents:
            raise FileNotFoundError(ENOENT, "no such file", name)
        return self._contents[name]

    def _allocate(self, size: int) -> None:
        if size > self.free_bytes():
            raise OSError(ENOSPC, "the disk is full")

    def _do(self, operation: Operation) -> None:
        self._redo(operation)
        if not self.auto_settle:
            self.unsettled.append(operation)

    def _redo(self, operation: Operation) -> None:
        if operation.kind == "rename":
            self._contents[operation.target] = self._contents.pop(operation.name)
        elif operation.kind == "delete":
            del self._contents[operation.name]
        else:
            assert operation.content is not None
            if operation.kind == "create":
                self._contents[operation.name] = operation.content
            else:
                operation.content.data[operation.offset : operation.offset + operation.size] = operation.new

    def _redo_partly(self, operation: Operation, survives: Callable[[int], bool]) -> None:
        if operation.kind != "write":
            if survives(0):
                self._redo(operation)
            return
        assert operation.content is not None
        data = operation.content.data
        stop = operation.offset + operation.size
        data.extend(bytes(max(0, stop - len(data))))
        for sector in range(operation.offset // SECTOR_BYTES, (stop - 1) // SECTOR_BYTES + 1):
            start = max(operation.offset, sector * SECTOR_BYTES)
            until = min(stop, (sector + 1) * SECTOR_BYTES)
            if survives(sector - operation.offset // SECTOR_BYTES):
                data[start:until] = operation.new[start - operation.offset : until - operation.offset]

    def _undo(self, operation: Operation) -> None:
        if operation.kind == "create":
            del self._contents[operation.name]
        elif operation.kind == "rename":
            self._contents[operation.name] = self._contents.pop(operation.target)
            if operation.content is not None:
                self._contents[operation.target] = operation.content
        else:
            assert operation.content is not None
            if operation.kind == "delete":
                self._contents[operation.name] = operation.content
            else:
                operation.content.data[operation.offset : operation.offset + operation.size] = operation.old
