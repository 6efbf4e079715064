"""The copies of groups in the state engine: numbers for fresh ones, and the end of those that are of no more use.

A group's live incarnation is what the log says. Every other one is what an install left behind, or a group that
left this node: found at the start, and removed in slices beside everything else.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Iterable

from raftdoc.ids import GroupId, Incarnation
from raftdoc.limits import INCARNATION_DROP_KEYS, INCARNATION_DROP_PAUSE_MS
from raftdoc.storage.engine import Changes, Engine, EngineBusy
from raftdoc.storage.keyspace import GroupKeys, group_range, parse_head

log = logging.getLogger("raftdoc.node")


class Incarnations:
    """Called on the loop only."""

    def __init__(self, engine: Engine) -> None:
        self.dropped_keys = 0
        """Since this node started."""
        self._engine = engine
        self._given: dict[GroupId, Incarnation] = {}
        """The newest one per group that this process knows of, whatever of it is stored already, or still."""
        self._doomed: deque[GroupKeys] = deque()
        self._position = b""
        """Where the first of them goes on: a scan over what was just deleted is slow."""
        self._timer: asyncio.TimerHandle | None = None
        self._is_closed = False

    @property
    def doomed_count(self) -> int:
        """How many incarnations are still to be removed."""
        return len(self._doomed)

    def fresh(self, group: GroupId) -> Incarnation:
        """Return an incarnation of which nothing is stored, and never was in this process."""
        stored = next(iter(self._engine.scan(*group_range(group), reverse=True)), None)
        newest = 0 if stored is None else parse_head(stored[0]).incarnation
        incarnation = Incarnation(max(newest, self._given.get(group, 0)) + 1)
        self._given[group] = incarnation
        return incarnation

    def is_stored(self, group: GroupId, incarnation: Incarnation) -> bool:
        """Return whether anything of it is in the engine."""
        return next(iter(self._engine.scan(*GroupKeys(group, incarnation).range())), None) is not None

    def recover(self, live: Iterable[tuple[GroupId, Incarnation]]) -> list[GroupKeys]:
        """Begin to drop everything that is stored and is not live; return what. Before any other call."""
        wanted = set(live)
        for group, incarnation in wanted:
            self._given[group] = incarnation
        leftovers = [keys for keys in self._stored() if (keys.group, keys.incarnation) not in wanted]
        for keys in leftovers:
            log.info("leftover of an unfinished install group=%d incarnation=%d", keys.group, keys.incarnation)
            self.drop(keys)
        return leftovers

    def drop(self, keys: GroupKeys) -> None:
        """Remove an incarnation in the background, bounded keys at a time; after a crash `recover` goes on."""
        self._given[keys.group] = max(keys.incarnation, self._given.get(keys.group, Incarnation(0)))
        self._doomed.append(keys)
        self._schedule()

    def close(self) -> None:
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()

    def _stored(self) -> list[GroupKeys]:
        """Return every incarnation that is stored; one seek each."""
        found: list[GroupKeys] = []
        start, stop = b"", b"\xff" * 9
        while (first := next(iter(self._engine.scan(start, stop)), None)) is not None:
            head = parse_head(first[0])
            found.append(GroupKeys(head.group, head.incarnation))
            start = found[-1].range()[1]
        return found

    def _schedule(self) -> None:
        if self._timer is None and self._doomed and not self._is_closed:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(INCARNATION_DROP_PAUSE_MS / 1000, self._slice)

    def _slice(self) -> None:
        self._timer = None
        keys = self._doomed[0]
        start, stop = keys.range()
        changes: Changes = {}
        for key, _ in self._engine.scan(max(start, self._position), stop):
            changes[key] = None
            if len(changes) == INCARNATION_DROP_KEYS:
                break
        try:
            if changes:
                self._engine.write(changes)
        except EngineBusy:
            self._schedule()
            return
        self.dropped_keys += len(changes)
        if len(changes) == INCARNATION_DROP_KEYS:
            self._position = next(reversed(changes)) + b"\x00"
        else:
            self._doomed.popleft()
            self._position = b""
        self._schedule()
