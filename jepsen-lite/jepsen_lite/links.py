"""A proxy for each directed pair of nodes, and of client and node: cut, late, lossy, silent, broken in mid-frame.

A connection from a to b has two directions, each with a rule of its own: what a sends follows the rule (a, b), what b
sends back the rule (b, a). A rule that blocks holds the bytes, as TCP does while a cable is out: they come late, or
never when a side gives up. Loss is what TCP makes of it: a wait for the retransmission.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, fields
from random import Random
from typing import TypeAlias

LOOPBACK = "127.0.0.1"
CHUNK_BYTES = 1 << 16
RETRANSMISSION_S = 0.2

Pair: TypeAlias = tuple[str, str]
"""Who sends, who receives."""


@dataclass(frozen=True, slots=True)
class Rule:
    is_blocked: bool = False
    is_silent: bool = False
    """Bytes vanish, and no side is told: a half-open connection."""
    delay_s: float = 0.0
    jitter_s: float = 0.0
    loss: float = 0.0
    """Of chunks: they wait for a retransmission."""
    cut: float = 0.0
    """Of chunks: half of it arrives, then the connection breaks."""
    answer_loss: float = 0.0
    """Of chunks: none of it arrives, and the connection breaks."""


CLEAR = Rule()


class _Broken(ConnectionError):
    """The proxy breaks this connection."""


class Links:
    """All proxies of a run. `counts` says what each rule did to real bytes."""

    def __init__(self, random: Random) -> None:
        self.counts: Counter[str] = Counter()
        self._random = random
        self._rules: dict[Pair, Rule] = {}
        self._changed = asyncio.Event()
        self._servers: list[asyncio.Server] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self, source: str, target: str, port: int) -> int:
        """Listen for source on a new port, and pass on to the port where target listens. Return the new port."""

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.create_task(self._serve((source, target), port, reader, writer))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        server = await asyncio.start_server(accept, LOOPBACK, 0)
        self._servers.append(server)
        return int(server.sockets[0].getsockname()[1])

    def bend(self, pairs: Iterable[Pair], rule: Rule) -> None:
        """Set the rule of these directions. What is not named in rule keeps what another fault set."""
        for pair in pairs:
            self._rules[pair] = _merge(self._rules.get(pair, CLEAR), rule)
        self._wake()

    def restore(self, pairs: Iterable[Pair], rule: Rule) -> None:
        """Take back what bend(pairs, rule) did."""
        for pair in pairs:
            self._rules[pair] = _without(self._rules.get(pair, CLEAR), rule)
        self._wake()

    def heal(self) -> None:
        """Take every rule back."""
        self._rules.clear()
        self._wake()

    async def close(self) -> None:
        """End all connections and listeners."""
        for server in self._servers:
            server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def _rule(self, pair: Pair) -> Rule:
        return self._rules.get(pair, CLEAR)

    async def _serve(self, pair: Pair, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers = [writer]
        try:
            # A connection needs both directions to come about.
            await self._until_open(pair)
            await self._until_open(pair[::-1])
            there_reader, there_writer = await asyncio.open_connection(LOOPBACK, port)
            writers.append(there_writer)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pipe(pair, reader, there_writer))
                group.create_task(self._pipe((pair[1], pair[0]), there_reader, writer))
        except* OSError:
            # Broken by a side or by a rule: both ends see it end.
            pass
        finally:
            for one in writers:
                one.transport.abort()

    async def _pipe(self, pair: Pair, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        is_torn = False
        while chunk := await reader.read(CHUNK_BYTES):
            await self._until_open(pair)
            rule = self._rule(pair)
            if rule.is_silent:
                self.counts["silent"] += 1
                is_torn = True
                continue
            if is_torn:
                raise _Broken("bytes are missing in the middle")
            await self._wait(rule)
            await self._break(rule, chunk, writer)
            writer.write(chunk)
            await writer.drain()
        with suppress(OSError):
            writer.write_eof()

    async def _until_open(self, pair: Pair) -> None:
        if self._rule(pair).is_blocked:
            self.counts["blocked"] += 1
        while self._rule(pair).is_blocked:
            await self._changed.wait()

    async def _wait(self, rule: Rule) -> None:
        wait_s = rule.delay_s + self._random.random() * rule.jitter_s
        if rule.delay_s or rule.jitter_s:
            self.counts["delayed"] += 1
        if rule.loss and self._random.random() < rule.loss:
            self.counts["lost"] += 1
            wait_s += RETRANSMISSION_S
        if wait_s:
            await asyncio.sleep(wait_s)

    async def _break(self, rule: Rule, chunk: bytes, writer: asyncio.StreamWriter) -> None:
        if rule.answer_loss and self._random.random() < rule.answer_loss:
            self.counts["answers lost"] += 1
            raise _Broken("the answer is lost")
        if rule.cut and self._random.random() < rule.cut:
            self.counts["cut"] += 1
            writer.write(chunk[: len(chunk) // 2])
            await writer.drain()
            raise _Broken("cut in mid-frame")


def _merge(old: Rule, new: Rule) -> Rule:
    return Rule(**{one.name: getattr(new, one.name) or getattr(old, one.name) for one in fields(Rule)})


def _without(old: Rule, gone: Rule) -> Rule:
    kept = {one.name: getattr(CLEAR if getattr(gone, one.name) else old, one.name) for one in fields(Rule)}
    return Rule(**kept)
