"""One simulated node: the production replica - core, state machine, waiting calls - under a host without a loop.

What `raftdoc.node.node.Node` does in a turn happens here in the same order: messages, finished writes, ticks,
proposals and reads, then every Ready, then apply.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any, Protocol

from raftdoc.ids import BootId, Incarnation, Index, NodeId
from raftdoc.limits import LEASE_MARGIN_MS, READ_QUEUE_MAX
from raftdoc.node.health import Verdict
from raftdoc.node.log_writer import persist_record
from raftdoc.node.replica import Replica
from raftdoc.raft import PersistTask, Raft, RaftSettings, Ready, Role
from raftdoc.raft.messages import Entry, Message
from raftdoc.simulation.cores.clock import SimulatedClock
from raftdoc.simulation.cores.disk import GROUP, Disk, Durable
from raftdoc.simulation.cores.plan import MS, Plan
from raftdoc.statemachine.database_machine import DatabaseMachine
from raftdoc.statemachine.outcome import Outcome
from raftdoc.storage.keyspace import GroupKeys
from raftdoc.storage.log.log import log_record

COLLECTION = "registers"


class Surroundings(Protocol):
    """What a host asks of its world."""

    now_ns: int
    is_calm: bool

    def schedule(self, delay_ns: int, act: Callable[..., None], *arguments: Any) -> None: ...

    def send(self, host: Host, peer: NodeId, message: Message) -> None: ...

    def took(self, host: Host, task: PersistTask) -> None: ...

    def stepped(self, host: Host) -> None: ...

    def saw(self, host: Host, ready: Ready) -> None: ...

    def applied(self, host: Host, entries: Sequence[Entry], outcomes: list[list[Outcome]]) -> None: ...

    def installed(self, host: Host) -> None: ...

    def failed(self, host: Host) -> None:
        """The disk failed: the node stops."""

    def spread(self, mean_ns: int) -> int: ...

    def count(self, name: str) -> None: ...

    def matched_everywhere(self, host: Host, index: Index) -> None:
        """A leader tells the others up to where every member holds the log."""


class Machine:
    """A state machine that lets the world see what is applied. See `raftdoc.node.replica.StateMachine`."""

    __slots__ = ("_host", "database")

    def __init__(self, host: Host, database: DatabaseMachine) -> None:
        self._host = host
        self.database = database

    @property
    def applied_index(self) -> Index:
        return self.database.applied_index

    @property
    def log_time_ms(self) -> int:
        return self.database.log_time_ms

    def digest(self) -> dict[str, str]:
        return self.database.digest()

    def apply(self, entries: Sequence[Entry]) -> list[list[Outcome]]:
        outcomes = self.database.apply(entries)
        self._host.world.applied(self._host, entries[: len(outcomes)], outcomes)
        return outcomes

    def weight(self, command: bytes) -> int:
        return self.database.weight(command)

    def prepare(self, entry: Entry) -> None:
        self.database.prepare(entry)


class Host:
    """Outlives its lives. `replica` is that of the newest life, running or not."""

    def __init__(self, world: Surroundings, number: int, node: NodeId, plan: Plan, disk: Disk, clock: SimulatedClock):
        self.world = world
        self.number = number
        self.node = node
        self.disk_model = disk
        self.clock_model = clock
        self.clock = clock.now_ns
        self.is_up = False
        self.boot = 0
        self.paused_until_ns = 0
        self.slow_disk_until_ns = 0
        self.slow_apply_until_ns = 0
        self.crash_on_write = False
        """Crash when the next record is handed to the file, or when it is just durable."""
        self.is_kept_down = False
        """Only the end of the run starts it again."""
        self.replica: Replica
        self.machine: Machine
        self._plan = plan
        self._is_turning = False
        self._is_writing = False
        self._is_applying = False
        self._is_stalled = False
        self._is_full = False
        self._context = 0
        self._flushed_index = Index(0)
        self._next_incarnation = Incarnation(0)

    # What the invariants look at --------------------------------------------------------------------

    @property
    def core(self) -> Raft:
        return self.replica.core

    @property
    def disk(self) -> Durable:
        return self.disk_model.durable

    @property
    def is_awake(self) -> bool:
        """False while the machine sleeps with its clock: nobody is there to rely on a lease."""
        return self.is_up and not self.clock_model.is_frozen

    @property
    def durable_applied_index(self) -> Index:
        return self.replica.durable_applied_index

    @property
    def boot_id(self) -> BootId:
        return BootId(self.boot * 64 + self.number)

    @property
    def is_leader(self) -> bool:
        return self.is_up and self.core.role is Role.LEADER

    @property
    def is_reachable(self) -> bool:
        return self.is_up and self.world.now_ns >= self.paused_until_ns

    # Lives ------------------------------------------------------------------------------------------

    def start(self, random: Random) -> None:
        """Begin a life on what the disk holds."""
        self.boot += 1
        self.is_up = True
        self.paused_until_ns = 0
        self.clock_model.thaw()
        self._is_turning = self._is_writing = self._is_applying = self._is_stalled = self._is_full = False
        recovered = self.disk_model.open()
        self.machine = self.open_machine(recovered.incarnation)
        restored = self.disk_model.restored(recovered, self.machine.applied_index)
        reader = self.disk_model.log.reader(GROUP)
        core = Raft(self._settings(), restored, reader, Random(random.getrandbits(62)), self.clock())
        self.replica = Replica(GROUP, recovered.incarnation, core, self.machine)
        self._flushed_index = self.machine.applied_index
        # Numbers of questions begin where nobody's did: an answer to an earlier life must not be taken for one.
        self._context = random.getrandbits(32)
        self.world.schedule(random.randrange(self._plan.tick_ns), self._tick, self.boot)

    def stop(self, random: Random) -> None:
        """Crash: what was not durable is gone, but for what a disk may keep of it. Nobody is told anything."""
        self.is_up = False
        self.crash_on_write = False
        self.slow_disk_until_ns = self.slow_apply_until_ns = 0
        self.disk_model.crash(random)

    def open_machine(self, incarnation: Incarnation) -> Machine:
        """Load the state machine of an incarnation."""
        keys = GroupKeys(GROUP, incarnation)
        database = DatabaseMachine(self.disk_model.engine, keys, requests_max=self._plan.requests_max)
        return Machine(self, database)

    def _settings(self) -> RaftSettings:
        plan = self._plan
        return RaftSettings(
            node=self.node,
            group=GROUP,
            boot_id=self.boot_id,
            election_timeout_ns=plan.election_timeout_ns,
            heartbeat_interval_ns=plan.heartbeat_interval_ns,
            clock_rate_error_max=0.01,
            lease_margin_ns=LEASE_MARGIN_MS * MS,
            leases_enabled=plan.leases_enabled,
            inflight_messages_max=plan.inflight_messages_max,
            inflight_bytes_max=plan.inflight_bytes_max,
            append_bytes_max=plan.append_bytes_max,
            uncommitted_bytes_max=plan.uncommitted_bytes_max,
            holds_lone_entries=plan.holds_lone_entries,
            read_queue_max=READ_QUEUE_MAX,
            cache_bytes_max=plan.cache_bytes_max,
            priority=self.number if plan.has_priorities else 0,
            refuse_votes_after_boot=self.boot > 1,
        )

    # What happens to it -----------------------------------------------------------------------------

    def deliver(self, sender: NodeId, message: Message) -> None:
        """Take a message; while the process is paused it waits in the socket."""
        if not self.is_up:
            return
        if self.world.now_ns < self.paused_until_ns:
            self.world.schedule(self.paused_until_ns - self.world.now_ns, self.deliver, sender, message)
            return
        self.core.step(sender, message, self.clock())
        self.touch()

    def touch(self) -> None:
        """Have what follows from a call into the core done: at once, or when the turn comes to it."""
        self.world.stepped(self)
        if not self._plan.turn_ns:
            self._turn()
        elif not self._is_turning:
            self._is_turning = True
            self.world.schedule(self.world.spread(self._plan.turn_ns), self._late_turn, self.boot)

    def suspect_clock(self) -> None:
        """The watchdog has seen the clock leap: the core learns of it before anything else."""
        if self.is_up:
            self.core.on_clock_suspect(self.clock())
            self.touch()

    def _late_turn(self, boot: int) -> None:
        if self.is_up and self.boot == boot:
            if self.world.now_ns < self.paused_until_ns:
                self.world.schedule(self.paused_until_ns - self.world.now_ns, self._late_turn, boot)
                return
            self._is_turning = False
            self._turn()

    def _tick(self, boot: int) -> None:
        if not self.is_up or self.boot != boot:
            return
        self.world.schedule(self._plan.tick_ns, self._tick, boot)
        if self.world.now_ns < self.paused_until_ns:
            return
        verdict, now_ns = self._verdict(), self.clock()
        self.replica.look_ahead()
        self.replica.prepare()
        if self.replica.due_ns <= now_ns or verdict.concerns_all:
            self.replica.tick(verdict, now_ns)
        self.touch()
        if self.is_up and self.replica.is_busy:
            self._apply(boot)

    def _verdict(self) -> Verdict:
        """Look at the disk, as `raftdoc.node.health` does."""
        pending, now_ns = self.disk_model.pending, self.world.now_ns
        is_stalled = bool(pending) and now_ns - pending[0].submitted_ns > self._plan.election_timeout_ns // 2
        stall_changed = is_stalled if is_stalled != self._is_stalled else None
        self._is_stalled = is_stalled
        is_full = self.disk_model.is_full()
        full_changed = is_full if is_full != self._is_full else None
        self._is_full = is_full
        return Verdict(False, False, stall_changed, full_changed)

    # The turn ---------------------------------------------------------------------------------------

    def _turn(self) -> None:
        replica, core = self.replica, self.core
        if replica.proposals.queued:
            replica.propose(self.clock_model.wall_ms(), self.clock())
        if replica.reads.asking:
            self._context += 1
            replica.ask(self._context, self.clock())
        while self.is_up and core.has_ready():
            ready = core.ready()
            self.world.saw(self, ready)
            task = ready.persist
            if task is not None:
                self._submit(task)
            for peer, message in ready.messages:
                self.world.send(self, peer, message)
            if ready.installed is not None:
                self._switch()
            replica.handle(ready)
            self.world.stepped(self)
            self._write()
        if self.is_up and replica.to_apply and not self._is_applying:
            self._begin_apply()

    def _switch(self) -> None:
        """Put the state in force that the log names durably by now."""
        start, stop = GroupKeys(GROUP, self.replica.incarnation).range()
        self.machine = self.open_machine(self._next_incarnation)
        self.replica.switch(self._next_incarnation, self.machine)
        self.disk_model.engine.delete_range(start, stop)
        self.world.installed(self)

    def _submit(self, task: PersistTask) -> None:
        self.world.took(self, task)
        record = persist_record(GROUP, task)
        if task.reset is not None:
            self._next_incarnation = task.reset.incarnation
        self.disk_model.submit(record, self.world.now_ns, task.mark, task.messages_after)

    # The disk ---------------------------------------------------------------------------------------

    def _write(self) -> None:
        """Begin to write all that waits, if nothing is being written."""
        if not self.disk_model.pending or self._is_writing:
            return
        try:
            count = self.disk_model.write()
        except OSError:
            self.core.on_persist_failed()
            self.world.failed(self)
            return
        if self.crash_on_write:
            self.world.failed(self)
            return
        self._is_writing = True
        wait_ns = max(0, self.slow_disk_until_ns - self.world.now_ns) + self.world.spread(self._plan.persist_ns)
        self.world.schedule(wait_ns, self._written, self.boot, count)

    def _written(self, boot: int, count: int) -> None:
        if not self.is_up or self.boot != boot:
            return
        if self.world.now_ns < self.paused_until_ns:
            self.world.schedule(self.paused_until_ns - self.world.now_ns, self._written, boot, count)
            return
        self._is_writing = False
        self.disk_model.settle()
        for _ in range(count):
            pending = self.disk_model.complete()
            if pending.mark is not None:
                self.core.on_persisted(pending.mark, self.clock())
                for peer, message in pending.messages_after:
                    self.world.send(self, peer, message)
        self.touch()
        self._write()

    def flush(self, *, is_alone: bool = False) -> None:
        """Make the state durable, and let go of the log that every member has and whose effect is durable here.

        `is_alone`: whoever lacks it, as when the log is over its budget; they need a snapshot then.
        """
        replica, core = self.replica, self.core
        self.disk_model.engine.flush()
        replica.durable_applied_index = self._flushed_index = self.machine.applied_index
        if replica.is_leader:
            replica.matched_everywhere = core.min_match_index()
            self.world.matched_everywhere(self, replica.matched_everywhere)
        index = replica.durable_applied_index
        if not is_alone:
            index = min(index, replica.matched_everywhere)
        if index > core.log.compacted_index:
            compacted = index, core.log.term_at(index)
            configuration = core.configuration_at(index)
            core.compact(index)
            self.world.count("compactions")
            record = log_record(GROUP, compacted=compacted, configuration=configuration)
            self.disk_model.submit(record, self.world.now_ns, None, [])
            self.world.stepped(self)
            self._write()

    # Apply and serve --------------------------------------------------------------------------------

    def _begin_apply(self) -> None:
        wait_ns = max(0, self.slow_apply_until_ns - self.world.now_ns) + self.world.spread(self._plan.apply_ns)
        if not wait_ns:
            self._apply(self.boot)
            return
        self._is_applying = True
        self.world.schedule(wait_ns, self._apply, self.boot)

    def _apply(self, boot: int) -> None:
        if not self.is_up or self.boot != boot:
            return
        if self.world.now_ns < self.paused_until_ns:
            self.world.schedule(self.paused_until_ns - self.world.now_ns, self._apply, boot)
            return
        self._is_applying = False
        while self.replica.to_apply and self.replica.apply(self.clock(), self.clock()):
            pass
        due = self._plan.compaction_entries
        if due and self.machine.applied_index - self._flushed_index >= due:
            self.flush(is_alone=self._plan.compacts_alone and not self.world.is_calm)
        self.touch()
