"""Files of a stopped node: a bit flipped, an end cut off, everything gone. It has to refuse, and gets them back."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final, NamedTuple, TypeAlias

from jepsen_lite.faults.fault import Plain, World

REFUSED = {65, 78}
"""Corruption, and a name that belongs to another directory."""
REFUSAL_TIMEOUT_S = 8.0
POLL_S = 0.05


class Harm(NamedTuple):
    words: str
    mend: Callable[[], None] = lambda: None
    """Take it back, where the file is still there."""


Act: TypeAlias = Callable[[Path, Random], Harm]
NO_HARM: Final = Harm("")


@dataclass(slots=True)
class Damage(Plain):
    """One node is killed, its files are damaged, it is started. Noticed: it ends by itself, with the code for that.

    Then it gets back what it had when it was killed, as from a disk that was only unplugged. A node that starts in
    spite of the damage has not read that place yet. It goes on with what it has written since, and only the harm is
    mended; what it took for true meanwhile is found by its digests.
    """

    act: Act = lambda _path, _random: NO_HARM
    harm: Harm = NO_HARM
    node: str | None = None
    copying: asyncio.Task[Any] | None = None
    is_damaged: bool = False
    refused_count: int = 0

    async def start(self, world: World) -> Any:
        (node,) = world.target("one")
        if node in world.hurt or self.node is not None:
            return "busy"
        world.hurt.add(node)
        self.node = node
        await world.cluster.kill(node)
        data = world.cluster.data(node)
        # The copy is damaged: what is put back has never been touched, also when this is broken off.
        data.rename(_kept(data))
        self.copying = asyncio.create_task(asyncio.to_thread(shutil.copytree, _kept(data), data, symlinks=True))
        await asyncio.shield(self.copying)
        self.harm = self.act(data, world.random)
        self.is_damaged = True
        world.cluster.nodes[node].may_end_with |= REFUSED
        world.cluster.start(node)
        return {"node": node, "damage": self.harm.words}

    async def stop(self, world: World) -> Any:
        node = self.node
        if node is None:
            return "nothing"
        if self.copying is not None:
            await asyncio.wait([self.copying])
        is_refused = self.is_damaged and await self._refuses(world, node)
        self.refused_count += is_refused
        await self._put_back(world, node, is_whole=self.is_damaged and not is_refused)
        world.hurt.discard(node)
        self.node, self.copying, self.is_damaged = None, None, False
        return {"node": node, "refused": is_refused}

    async def _put_back(self, world: World, node: str, *, is_whole: bool) -> None:
        """Give a node what it had, but where it serves with what it has."""
        data = world.cluster.data(node)
        if is_whole:
            await world.cluster.kill(node)
            self.harm.mend()
            shutil.rmtree(_kept(data), ignore_errors=True)
        elif _kept(data).exists():
            await world.cluster.kill(node)
            shutil.rmtree(data, ignore_errors=True)
            _kept(data).rename(data)
        world.cluster.start(node)

    async def seen(self, world: World) -> int:
        return self.refused_count

    async def _refuses(self, world: World, node: str) -> bool:
        """Return whether the node ended by itself within some seconds, or never came to serve."""
        for _ in range(int(REFUSAL_TIMEOUT_S / POLL_S)):
            if not world.cluster.is_running(node):
                return True
            if await world.cluster.is_ready(node):
                return False
            await asyncio.sleep(POLL_S)
        return not (world.cluster.data(node) / "format.json").exists()


def _kept(data: Path) -> Path:
    return data.with_name(f"{data.name}.kept")


def _files(data: Path) -> list[Path]:
    """Return the files that what was acknowledged stands in: segments of the log, tables of the state."""
    return [*(data / "log").glob("*.log"), *(data / "state").glob("*.sst")]


def flip_bit(data: Path, random: Random) -> Harm:
    """Flip a bit of a byte that is not zero, in the first half of what a file holds."""
    path = random.choice(_files(data))
    content = path.read_bytes()
    used = [at for at, byte in enumerate(content) if byte]
    if not used:
        return Harm(f"nothing in {path.name}")
    place = used[random.randrange(max(len(used) // 2, 1))]
    good = content[place]
    bad = good ^ 1 << random.randrange(8)
    _replace_byte(path, place, good, bad)
    return Harm(f"{path.relative_to(data)} at {place}", lambda: _replace_byte(path, place, bad, good))


def _replace_byte(path: Path, place: int, old: int, new: int) -> None:
    """Write a byte where the other one stands; nothing where the file is gone, or has become another."""
    if path.exists():
        with path.open("r+b") as file:
            if os.pread(file.fileno(), 1, place) == bytes([old]):
                os.pwrite(file.fileno(), bytes([new]), place)


def truncate(data: Path, random: Random) -> Harm:
    """Cut a file in the middle of what it holds."""
    path = random.choice(_files(data))
    content = path.read_bytes().rstrip(b"\0")
    size = len(content) // 2
    os.truncate(path, size)
    return Harm(f"{path.relative_to(data)} to {size}")


def wipe(data: Path, random: Random) -> Harm:
    """Take everything."""
    shutil.rmtree(data)
    data.mkdir()
    return Harm("everything")
