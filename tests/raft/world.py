"""A deterministic world over bare cores: an event heap, a network, disks, clocks, clients and faults, from one seed.

Safety is checked after every step (raftdoc/raft/invariants.py), reads against a register whose value is the index of
the last command: a read may never return less than what was acknowledged or read before it began.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable
from heapq import heappop, heappush
from random import Random
from typing import Any

from raftdoc.ids import BootId, GroupId, Index, NodeId
from raftdoc.raft import Configuration, RaftSettings, Rejection, Role
from raftdoc.raft.invariants import Invariants, require
from raftdoc.raft.messages import EntryKind, Message

from .faults import Faults
from .member import Member
from .plan import MS, Plan, draw
from .streams import Streams


class World:
    def __init__(self, seed: int, plan: Plan | None = None) -> None:
        self.random = Random(seed)
        self.plan = plan = plan or draw(self.random)
        self.now_ns = 0
        self.counts: Counter[str] = Counter()
        self._sequence = 0
        self._events: list[tuple[int, int, Callable[..., None], tuple[Any, ...]]] = []
        self.cut: set[tuple[NodeId, NodeId]] = set()
        self.is_calm = False
        self._goal = 0
        """Calm ends when so much is committed, everywhere."""
        self._floor = 0
        """The highest value that was acknowledged or read."""
        self._values: list[int] = []
        names = [NodeId(f"n{number}") for number in range(1, plan.node_count + 1)]
        voters, others = names[: plan.voter_count], names[plan.voter_count :]
        self.configuration = Configuration(tuple(voters), learners=tuple(others[: plan.learner_count]))
        self.members = {name: Member(self, name, self._settings_of(name, number)) for number, name in enumerate(names)}
        for name in others[plan.learner_count :]:
            # Made after its group: it hears who belongs to it when somebody makes it a member.
            self.members[name].disk.configuration = Configuration(())
        self.streams = Streams(self)
        self._faults = Faults(self)
        self.invariants = Invariants(self.members)
        for member in self.members.values():
            member.rate = 1 + self.random.choice((0.0, 0.5, 1.0)) * plan.clock_rate_error
            self._start(member)

    # Running --------------------------------------------------------------------------------------

    def run(self) -> Counter[str]:
        """Faults first, then calm, in which the group has to recover; return how often what happened."""
        self.at(self.plan.client_interval_ns, self._client)
        self.at(self.plan.fault_interval_ns, self._fault)
        if self.plan.change_interval_ns:
            self.at(self.plan.change_interval_ns, self._change)
        self._run_until(self.plan.duration_ns, lambda: False)
        self._heal()
        start_ns, timeout_ns = self.now_ns, self.plan.election_timeout_ns
        self._goal = self.invariants.highest_committed + 1
        self._run_until(start_ns + 10 * timeout_ns, self._has_leader)
        require(self._has_leader(), "I16: no leader after the faults stopped", self._states())
        # How long it takes to catch up depends on windows and delays, which are small and long here.
        self._run_until(start_ns + 100 * timeout_ns, self._has_converged)
        require(self._has_converged(), "I16: not the same everywhere", self._goal, self._states())
        return self.counts

    def _run_until(self, deadline_ns: int, is_done: Callable[[], bool]) -> None:
        events = self._events
        while events and events[0][0] <= deadline_ns and not is_done():
            self.now_ns, _, act, arguments = heappop(events)
            self.counts["steps"] += 1
            act(*arguments)

    def at(self, delay_ns: int, act: Callable[..., None], *arguments: Any) -> None:
        self._sequence += 1
        heappush(self._events, (self.now_ns + delay_ns, self._sequence, act, arguments))

    def _has_leader(self) -> bool:
        return any(member.core.role is Role.LEADER for member in self.members.values())

    def _has_converged(self) -> bool:
        """Return whether whoever belongs to the group has all, and no change of who that is goes on."""
        highest = self.invariants.highest_committed
        leaders = [member.core for member in self.members.values() if member.core.role is Role.LEADER]
        if highest < self._goal or len(leaders) != 1 or leaders[0].configuration.is_joint():
            return False
        if not leaders[0].configuration.is_voter(leaders[0].node):
            return False
        inside = [self.members[node] for node in leaders[0].configuration.members()]
        return all(
            member.core.commit_index == highest == member.applied_index
            and member.core.configuration == leaders[0].configuration
            for member in inside
        )

    def _states(self) -> list[tuple[object, ...]]:
        cores = [member.core for member in self.members.values()]
        return [(core.role.value, core.term, core.commit_index, core.last_index, core.applied_index) for core in cores]

    def value_at(self, index: Index) -> int:
        position = bisect_right(self._values, index)
        return self._values[position - 1] if position else 0

    def _settings_of(self, node: NodeId, number: int) -> Callable[[BootId], RaftSettings]:
        plan = self.plan

        def settings(boot_id: BootId) -> RaftSettings:
            return RaftSettings(
                node=node,
                group=GroupId(1),
                boot_id=boot_id,
                election_timeout_ns=plan.election_timeout_ns,
                heartbeat_interval_ns=plan.heartbeat_interval_ns,
                clock_rate_error_max=0.01,
                lease_margin_ns=5 * MS,
                leases_enabled=plan.leases_enabled,
                inflight_messages_max=plan.inflight_messages_max,
                inflight_bytes_max=1 << 16,
                append_bytes_max=plan.append_bytes_max,
                uncommitted_bytes_max=plan.uncommitted_bytes_max,
                holds_lone_entries=plan.holds_lone_entries,
                read_queue_max=50,
                cache_bytes_max=plan.cache_bytes_max,
                priority=number if plan.has_priorities else 0,
                refuse_votes_after_boot=boot_id > 1,
            )

        return settings

    # Nodes ----------------------------------------------------------------------------------------

    def _start(self, member: Member) -> None:
        member.start()
        self.invariants.restarted(member.node)
        self.at(self.random.randrange(self.plan.tick_ns), self._tick, member, member.boot)

    def crash(self, member: Member, down_ns: int = 0) -> None:
        self.counts["crashes"] += 1
        member.stop(self.random.randint(0, len(member.disk.pending)))
        self.at(down_ns or self.random.randrange(20, 1000) * MS, self._restart, member)

    def _restart(self, member: Member) -> None:
        if not member.is_up:
            self._start(member)

    def _tick(self, member: Member, boot: int) -> None:
        if not member.is_up or member.boot != boot:
            return
        self.at(self.plan.tick_ns, self._tick, member, boot)
        if self.now_ns < member.paused_until_ns:
            return
        core, pending, now_ns = member.core, member.disk.pending, member.clock()
        oldest_ns = pending[0].submitted_ns if pending else self.now_ns
        is_stalled = self.now_ns - oldest_ns > self.plan.election_timeout_ns // 2
        if is_stalled != member.is_stalled:
            self.counts["stalls"] += is_stalled
            member.is_stalled = is_stalled
            core.on_disk_stalled(is_stalled, now_ns)
        core.tick(now_ns)
        self.stepped(member)

    def stepped(self, member: Member) -> None:
        """What the host does after a call into the core."""
        self.invariants.stepped(member.node)
        if not self.plan.is_lazy:
            self.pump(member)
        elif not member.is_pumping:
            member.is_pumping = True
            self.at(self.random.randrange(3 * MS), self._pump_late, member, member.boot)

    def _pump_late(self, member: Member, boot: int) -> None:
        if member.is_up and member.boot == boot:
            member.is_pumping = False
            self.pump(member)

    def pump(self, member: Member) -> None:
        core = member.core
        while core.has_ready():
            ready = core.ready()
            if ready.persist is not None:
                task = ready.persist
                self.invariants.took(member.node, task)
                member.disk.submit(task, self.now_ns)
                self._flush(member)
            for peer, message in ready.messages:
                self._send(member, peer, message)
            for context, index in ready.reads:
                member.confirmed.append((index, member.reads.pop(context)))
            for context in ready.failed_reads:
                self.counts["failed_reads"] += 1
                del member.reads[context]
            if ready.truncated_from is not None:
                self.counts["truncations"] += 1
            for peer in ready.snapshots:
                self.at(0, self._stream, member, member.boot, peer)
            if ready.installed is not None:
                self.counts["installed"] += 1
                member.switch(ready.installed.index)
            if ready.membership is not None:
                self.counts["configurations"] += 1
                self.counts["rollbacks"] += ready.membership.index < member.configured_index
                self.counts["joint"] += ready.membership.configuration.is_joint()
                member.configured_index = ready.membership.index
            if ready.role is not None and ready.role.role is Role.LEADER:
                self.counts["elections"] += 1
            if ready.entries:
                member.to_apply.extend(ready.entries)
                self.at(self.spread(self.plan.apply_ns), self._apply, member, member.boot)
            if ready.reads:
                self._serve(member)
            self.invariants.stepped(member.node)

    # Disk and state machine -----------------------------------------------------------------------

    def _flush(self, member: Member) -> None:
        """Begin an fsync of all that waits for one, if none is under way."""
        pending = member.disk.pending
        if pending and not member.is_flushing:
            member.is_flushing = True
            wait_ns = max(0, member.persist_slow_until_ns - self.now_ns) + self.spread(self.plan.persist_ns)
            self.at(wait_ns, self._flushed, member, member.boot, len(pending))

    def _flushed(self, member: Member, boot: int, count: int) -> None:
        if not member.is_up or member.boot != boot:
            return
        if self.now_ns < member.paused_until_ns:
            self.at(member.paused_until_ns - self.now_ns, self._flushed, member, boot, count)
            return
        for _ in range(count):
            task = member.disk.complete()
            member.core.on_persisted(task.mark, member.clock())
            for peer, message in task.messages_after:
                self._send(member, peer, message)
        member.is_flushing = False
        self.stepped(member)
        self._flush(member)

    def _apply(self, member: Member, boot: int) -> None:
        if not member.is_up or member.boot != boot or not member.to_apply:
            return
        while member.to_apply:
            entry = member.to_apply.popleft()
            self.invariants.applied(member.node, entry)
            member.applied_index = entry.index
            if entry.kind == EntryKind.COMMANDS:
                member.value = entry.index
                if not self._values or self._values[-1] < entry.index:
                    self._values.append(entry.index)
            if member.proposed.pop(entry.index, None) == entry.term:
                self.counts["acknowledged"] += 1
                self._floor = max(self._floor, entry.index)
        member.core.on_applied(member.applied_index, member.clock())
        self._serve(member)
        self.stepped(member)

    def _serve(self, member: Member) -> None:
        waiting, member.confirmed = member.confirmed, []
        for index, floor in waiting:
            if member.applied_index >= index:
                self._read_returned(member, floor, "index")
            else:
                member.confirmed.append((index, floor))

    def _read_returned(self, member: Member, floor: int, way: str) -> None:
        self.counts[f"reads_by_{way}"] += 1
        require(member.value >= floor, "I13: a stale read", way, member.node, member.value, floor)
        self._floor = max(self._floor, member.value)

    # Network --------------------------------------------------------------------------------------

    def _send(self, member: Member, peer: NodeId, message: Message) -> None:
        self.invariants.sent(member.node, peer, message)
        plan, random = self.plan, self.random
        if (member.node, peer) in self.cut or (plan.drop and not self.is_calm and random.random() < plan.drop):
            return
        self.at(self.delay(), self._deliver, member.node, peer, message)
        if plan.duplicate and random.random() < plan.duplicate:
            self.at(self.delay(), self._deliver, member.node, peer, message)

    def delay(self) -> int:
        tail_ns = self.plan.delay_tail_ns
        if tail_ns and not self.is_calm and self.random.random() < 0.05:
            return self.random.randrange(tail_ns)
        return self.spread(self.plan.delay_ns)

    def spread(self, mean_ns: int) -> int:
        return int(mean_ns * (0.5 + self.random.random())) if mean_ns else 0

    def _deliver(self, sender: NodeId, peer: NodeId, message: Message) -> None:
        member = self.members[peer]
        if not member.is_up or (sender, peer) in self.cut:
            return
        if self.now_ns < member.paused_until_ns:
            self.at(member.paused_until_ns - self.now_ns, self._deliver, sender, peer, message)
            return
        member.core.step(sender, message, member.clock())
        self.stepped(member)

    def split(self, side: set[NodeId]) -> None:
        """Cut all links between those of one side and the others."""
        self.cut = {(one, other) for one in self.members for other in self.members if (one in side) != (other in side)}

    def _stream(self, member: Member, boot: int, peer: NodeId) -> None:
        if member.is_up and member.boot == boot:
            self.streams.begin(member, peer)

    # Clients --------------------------------------------------------------------------------------

    def _client(self) -> None:
        self.at(self.spread(self.plan.client_interval_ns), self._client)
        ups = [member for member in self.members.values() if member.is_up and self.now_ns >= member.paused_until_ns]
        if not ups or 0 < self._goal <= self.invariants.highest_committed:
            return
        leaders = [member for member in ups if member.core.role is Role.LEADER]
        is_pause = self.plan.burst_ns and not self.is_calm and self.now_ns // self.plan.burst_ns % 6
        if is_pause or self.random.random() < self.plan.read_share:
            self._read(self.random.choice(leaders if leaders and self.random.random() < 0.6 else ups))
        else:
            self._propose(self.random.choice(leaders or ups))

    def _propose(self, member: Member) -> None:
        payload = b"%d" % self._sequence
        result = member.core.propose(payload, self.now_ns // MS, member.clock())
        if isinstance(result, Rejection):
            self.counts[f"rejected_{result.reason.value}"] += 1
            return
        member.proposed[result[1]] = result[0]
        self.stepped(member)

    def _read(self, member: Member) -> None:
        core = member.core
        if core.lease_valid(member.clock()) and member.applied_index >= core.commit_index:
            self._read_returned(member, self._floor, "lease")
            return
        # Numbers begin again with each life: an answer to an earlier life's question must not be taken for this one's.
        member.context += 1
        member.reads[member.context] = self._floor
        core.read(member.context, member.clock())
        self.stepped(member)

    # Faults ---------------------------------------------------------------------------------------

    def _fault(self) -> None:
        if self.is_calm:
            return
        self.at(self.spread(self.plan.fault_interval_ns), self._fault)
        if self.random.random() < 0.4:
            self.cut.clear()
        if self.plan.faults:
            self._faults.inject(self.random.choice(self.plan.faults))

    def _change(self) -> None:
        """Have somebody ask for another membership, as an operator would of a leader."""
        if not self.is_calm:
            self.at(self.spread(self.plan.change_interval_ns), self._change)
            self._faults.inject("change")

    def _heal(self) -> None:
        self.is_calm = True
        self.cut.clear()
        for member in self.members.values():
            self._faults.wake(member, member.boot)
            member.paused_until_ns = 0
            member.persist_slow_until_ns = 0
            if not member.is_up:
                self._start(member)
            elif member.is_full:
                member.is_full = False
                member.core.on_disk_full(False, member.clock())
                self.stepped(member)
