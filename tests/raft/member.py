"""One node of the simulated world."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING

from raftdoc.ids import BootId, Incarnation, Index, NodeId
from raftdoc.raft import Raft, RaftSettings
from raftdoc.raft.messages import Entry

from .disk import Disk
from .plan import MS

if TYPE_CHECKING:
    from .world import World


class Member:
    """One node: its core, its disk, its clock, and the state machine (which is no more than an index)."""

    def __init__(self, world: World, node: NodeId, settings: Callable[[BootId], RaftSettings]) -> None:
        self.world = world
        self.node = node
        self.disk = Disk(world.configuration)
        self.rate = 1.0
        self.offset_ns = world.random.randrange(1, 10_000) * MS
        self.is_up = False
        self.boot = 0
        self.paused_until_ns = 0
        self.frozen_ns: int | None = None
        self.context = 0
        self.incarnation = Incarnation(1)
        self.states: dict[Incarnation, Index] = {self.incarnation: Index(0)}
        """What is on the disk beside the log: the durable applied index of every incarnation."""
        self.applied_index = Index(0)
        self.value = 0
        self.to_apply: deque[Entry] = deque()
        self.proposed: dict[int, int] = {}
        self.reads: dict[int, int] = {}
        """context -> the least value that its answer may have."""
        self.confirmed: list[tuple[Index, int]] = []
        self.configured_index = Index(0)
        """Where the configuration stood of which the core spoke last."""
        self.is_stalled = False
        self.is_full = False
        self.is_pumping = False
        self.is_flushing = False
        self.persist_slow_until_ns = 0
        self._settings = settings
        self.core: Raft

    @property
    def is_awake(self) -> bool:
        """False while the machine sleeps with its clock: nobody is there to rely on a lease."""
        return self.is_up and self.frozen_ns is None

    def clock(self) -> int:
        if self.frozen_ns is not None:
            return self.frozen_ns
        return self.offset_ns + int(self.world.now_ns * self.rate)

    @property
    def durable_applied_index(self) -> Index:
        return self.states[self.incarnation]

    @durable_applied_index.setter
    def durable_applied_index(self, index: Index) -> None:
        self.states[self.incarnation] = index

    def switch(self, index: Index) -> None:
        """Go over to the state of the incarnation that the log names; what was to be applied is in it."""
        self.incarnation = self.disk.incarnation
        assert self.durable_applied_index == index, (self.states, index)
        self.applied_index = index
        self.value = self.world.value_at(index)
        self.to_apply.clear()
        self.proposed = {at: term for at, term in self.proposed.items() if at > index}

    def start(self) -> None:
        self.boot += 1
        self.is_up = True
        self.context = 0
        self.frozen_ns = None
        self.configured_index = Index(0)
        self.paused_until_ns = 0
        self.incarnation = self.disk.incarnation
        self.applied_index = self.durable_applied_index
        self.value = self.world.value_at(self.applied_index)
        settings = self._settings(BootId(self.boot))
        restored = self.disk.restored(self.applied_index)
        self.core = Raft(settings, restored, self.disk, Random(self.world.random.getrandbits(32)), self.clock())

    def stop(self, kept_count: int) -> None:
        """Crash: what is not durable is gone, but for the first kept_count persist tasks."""
        self.is_up = False
        self.disk.crash(kept_count)
        self.to_apply.clear()
        self.proposed.clear()
        self.reads.clear()
        self.confirmed.clear()
        self.is_stalled = self.is_full = self.is_pumping = self.is_flushing = False
        self.persist_slow_until_ns = 0
