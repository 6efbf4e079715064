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

from .member import Member
from .plan import MS, Plan, draw


class World:
    def __init__(self, seed: int, plan: Plan | None = None) -> None:
        self.random = Random(seed)
        self.plan = plan = plan or draw(self.random)
        self.now_ns = 0
        self.counts: Counter[str] = Counter()
        self._sequence = 0
        self._events: list[tuple[int, int, Callable[..., None], tuple[Any, ...]]] = []
        self._cut: set[tuple[NodeId, NodeId]] = set()
        self._is_calm = False
        self._goal = 0
        """Calm ends when so much is committed, everywhere."""
        self._floor = 0
        """The highest value that was acknowledged or read."""
        self._values: list[int] = []
        names = [NodeId(f"n{number}") for number in range(1, plan.voter_count + plan.learner_count + 1)]
        self.configuration = Configuration(tuple(names[: plan.voter_count]), learners=tuple(names[plan.voter_count :]))
        self.members = {name: Member(self, name, self._settings_of(name, number)) for number, name in enumerate(names)}
        self.invariants = Invariants(self.members)
        for member in self.members.values():
            member.rate = 1 + self.random.choice((0.0, 0.5, 1.0)) * plan.clock_rate_error
            self._start(member)

    # Running --------------------------------------------------------------------------------------

    def run(self) -> Counter[str]:
        """Faults first, then calm, in which the group has to recover; return how often what happened."""
        self._at(self.plan.client_interval_ns, self._client)
        self._at(self.plan.fault_interval_ns, self._fault)
        self._run_until(self.plan.duration_ns, lambda: False)
        self._heal()
        start_ns, timeout_ns = self.now_ns, self.plan.election_timeout_ns
        self._goal = self.invariants.highest_committed + 1
        self._run_until(start_ns + 10 * timeout_ns, self._has_leader)
        require(self._has_leader(), "I16: no leader after the faults stopped", self._states())
        # How long it takes to catch up depends on windows and delays, which are small and long here.
        self._run_until(start_ns + 40 * timeout_ns, self._has_converged)
        require(self._has_converged(), "I16: not the same everywhere", self._goal, self._states())
        return self.counts

    def _run_until(self, deadline_ns: int, is_done: Callable[[], bool]) -> None:
        events = self._events
        while events and events[0][0] <= deadline_ns and not is_done():
            self.now_ns, _, act, arguments = heappop(events)
            self.counts["steps"] += 1
            act(*arguments)

    def _at(self, delay_ns: int, act: Callable[..., None], *arguments: Any) -> None:
        self._sequence += 1
        heappush(self._events, (self.now_ns + delay_ns, self._sequence, act, arguments))

    def _has_leader(self) -> bool:
        return any(member.core.role is Role.LEADER for member in self.members.values())

    def _has_converged(self) -> bool:
        highest = self.invariants.highest_committed
        return highest >= self._goal and all(
            member.core.commit_index == highest == member.applied_index for member in self.members.values()
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
        self._at(self.random.randrange(self.plan.tick_ns), self._tick, member, member.boot)

    def _crash(self, member: Member, down_ns: int = 0) -> None:
        self.counts["crashes"] += 1
        member.stop(self.random.randint(0, len(member.disk.pending)))
        self._at(down_ns or self.random.randrange(20, 1000) * MS, self._restart, member)

    def _restart(self, member: Member) -> None:
        if not member.is_up:
            self._start(member)

    def _tick(self, member: Member, boot: int) -> None:
        if not member.is_up or member.boot != boot:
            return
        self._at(self.plan.tick_ns, self._tick, member, boot)
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
        self._stepped(member)

    def _stepped(self, member: Member) -> None:
        """What the host does after a call into the core."""
        self.invariants.stepped(member.node)
        if not self.plan.is_lazy:
            self._pump(member)
        elif not member.is_pumping:
            member.is_pumping = True
            self._at(self.random.randrange(3 * MS), self._pump_late, member, member.boot)

    def _pump_late(self, member: Member, boot: int) -> None:
        if member.is_up and member.boot == boot:
            member.is_pumping = False
            self._pump(member)

    def _pump(self, member: Member) -> None:
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
            if ready.role is not None and ready.role.role is Role.LEADER:
                self.counts["elections"] += 1
            if ready.entries:
                member.to_apply.extend(ready.entries)
                self._at(self._spread(self.plan.apply_ns), self._apply, member, member.boot)
            if ready.reads:
                self._serve(member)
            self.invariants.stepped(member.node)

    # Disk and state machine -----------------------------------------------------------------------

    def _flush(self, member: Member) -> None:
        """Begin an fsync of all that waits for one, if none is under way."""
        pending = member.disk.pending
        if pending and not member.is_flushing:
            member.is_flushing = True
            wait_ns = max(0, member.persist_slow_until_ns - self.now_ns) + self._spread(self.plan.persist_ns)
            self._at(wait_ns, self._flushed, member, member.boot, len(pending))

    def _flushed(self, member: Member, boot: int, count: int) -> None:
        if not member.is_up or member.boot != boot:
            return
        if self.now_ns < member.paused_until_ns:
            self._at(member.paused_until_ns - self.now_ns, self._flushed, member, boot, count)
            return
        for _ in range(count):
            task = member.disk.complete()
            member.core.on_persisted(task.mark, member.clock())
            for peer, message in task.messages_after:
                self._send(member, peer, message)
        member.is_flushing = False
        self._stepped(member)
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
        self._stepped(member)

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
        if (member.node, peer) in self._cut or (plan.drop and not self._is_calm and random.random() < plan.drop):
            return
        self._at(self._delay(), self._deliver, member.node, peer, message)
        if plan.duplicate and random.random() < plan.duplicate:
            self._at(self._delay(), self._deliver, member.node, peer, message)

    def _delay(self) -> int:
        tail_ns = self.plan.delay_tail_ns
        if tail_ns and not self._is_calm and self.random.random() < 0.05:
            return self.random.randrange(tail_ns)
        return self._spread(self.plan.delay_ns)

    def _spread(self, mean_ns: int) -> int:
        return int(mean_ns * (0.5 + self.random.random())) if mean_ns else 0

    def _deliver(self, sender: NodeId, peer: NodeId, message: Message) -> None:
        member = self.members[peer]
        if not member.is_up or (sender, peer) in self._cut:
            return
        if self.now_ns < member.paused_until_ns:
            self._at(member.paused_until_ns - self.now_ns, self._deliver, sender, peer, message)
            return
        member.core.step(sender, message, member.clock())
        self._stepped(member)

    # Clients --------------------------------------------------------------------------------------

    def _client(self) -> None:
        self._at(self._spread(self.plan.client_interval_ns), self._client)
        ups = [member for member in self.members.values() if member.is_up and self.now_ns >= member.paused_until_ns]
        if not ups or 0 < self._goal <= self.invariants.highest_committed:
            return
        leaders = [member for member in ups if member.core.role is Role.LEADER]
        is_pause = self.plan.burst_ns and not self._is_calm and self.now_ns // self.plan.burst_ns % 6
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
        self._stepped(member)

    def _read(self, member: Member) -> None:
        core = member.core
        if core.lease_valid(member.clock()) and member.applied_index >= core.commit_index:
            self._read_returned(member, self._floor, "lease")
            return
        # Numbers begin again with each life: an answer to an earlier life's question must not be taken for this one's.
        member.context += 1
        member.reads[member.context] = self._floor
        core.read(member.context, member.clock())
        self._stepped(member)

    # Faults ---------------------------------------------------------------------------------------

    def _fault(self) -> None:
        if self._is_calm:
            return
        self._at(self._spread(self.plan.fault_interval_ns), self._fault)
        if self.random.random() < 0.4:
            self._cut.clear()
        if not self.plan.faults:
            return
        name = self.random.choice(self.plan.faults)
        leaders = [member for member in self.members.values() if member.is_up and member.core.role is Role.LEADER]
        member = self.random.choice(list(self.members.values()))
        prefers_leader = self.random.random() < (0.9 if name.startswith("transfer") else 0.6)
        target = self.random.choice(leaders) if leaders and prefers_leader else member
        if target.is_up and (self.now_ns >= target.paused_until_ns or name.startswith("crash")):
            getattr(self, f"_fault_{name}")(target)

    def _fault_isolate_leader(self, member: Member) -> None:
        for peer in self.members:
            self._cut |= {(member.node, peer), (peer, member.node)}

    def _fault_bounce_others(self, member: Member) -> None:
        """L3, L4: one node is deaf and may campaign; all others but the leader restart, or their clocks leap."""
        deaf = self.random.choice([one for one in self.members.values() if one is not member] or [member])
        self._cut |= {(member.node, deaf.node), (deaf.node, member.node)}
        wait_ns = self.random.randrange(1, 3 * self.plan.election_timeout_ns)
        self._at(wait_ns, self._bounce, member, deaf)

    def _bounce(self, leader: Member, deaf: Member) -> None:
        if self._is_calm:
            return
        self._fault_isolate_leader(leader)
        is_jump = self.random.random() < 0.5
        for one in self.members.values():
            if not one.is_up or one in {leader, deaf}:
                continue
            if is_jump and self.now_ns >= one.paused_until_ns:
                self._fault_jump_clock(one)
            else:
                self._crash(one, self.random.randrange(5, 40) * MS)

    def _fault_partition(self, member: Member) -> None:
        if self._is_calm:
            return
        side = {node for node in self.members if self.random.random() < 0.5}
        self._cut = {(one, other) for one in self.members for other in self.members if (one in side) != (other in side)}

    def _fault_one_way(self, member: Member) -> None:
        peer = self.random.choice(list(self.members))
        self._cut.add(self.random.choice(((member.node, peer), (peer, member.node))))

    def _fault_crash(self, member: Member) -> None:
        self._crash(member)

    def _fault_crash_leader(self, member: Member) -> None:
        """Crash right after something was handed to the disk."""
        self._pump(member)
        self._crash(member)

    def _fault_crash_all(self, member: Member) -> None:
        for one in self.members.values():
            if one.is_up:
                self._crash(one)

    def _fault_pause(self, member: Member) -> None:
        member.paused_until_ns = self.now_ns + self.random.randrange(20, 1200) * MS

    def _fault_transfer(self, member: Member) -> None:
        target = self.random.choice([None, None, *self.members])
        if member.core.role is Role.LEADER:
            self.counts["transfers"] += 1
        member.core.transfer(target, member.clock())
        self._stepped(member)

    def _fault_transfer_and_cut(self, member: Member) -> None:
        """Cut the leader off, or the group in two, just after the order has left."""
        self._fault_transfer(member)
        cut = self.random.choice((self._isolate, self._fault_partition))
        self._at(self.random.randrange(2 * self.plan.delay_ns), cut, member)

    def _isolate(self, member: Member) -> None:
        if not self._is_calm:
            self._fault_isolate_leader(member)

    def _fault_stall_disk(self, member: Member) -> None:
        member.persist_slow_until_ns = self.now_ns + self.random.randrange(50, 1500) * MS

    def _fault_fill_disk(self, member: Member) -> None:
        member.is_full = not member.is_full
        member.core.on_disk_full(member.is_full, member.clock())
        self._stepped(member)

    def _fault_fail_disk(self, member: Member) -> None:
        """P9: a failed fsync stops the node; what was on its way may be on the disk or not."""
        member.core.on_persist_failed()
        self._stepped(member)
        self._crash(member)

    def _fault_jump_clock(self, member: Member) -> None:
        """L4: the clock leaps, and the host's watchdog sees it."""
        member.offset_ns += self.random.randrange(-1000, 2000) * MS
        self._suspect(member, member.boot)

    def _fault_freeze_clock(self, member: Member) -> None:
        """L4: the machine is suspended, its clock with it; the watchdog sees it first of all when it wakes."""
        if self.now_ns < member.paused_until_ns:
            return
        asleep_ns = self.random.randrange(20, 1200) * MS
        member.paused_until_ns = self.now_ns + asleep_ns
        member.frozen_ns = member.clock()
        self._at(asleep_ns, self._wake, member, member.boot)

    def _wake(self, member: Member, boot: int) -> None:
        if member.boot == boot and member.frozen_ns is not None:
            member.offset_ns = member.frozen_ns - int(self.now_ns * member.rate)
            member.frozen_ns = None
            self._suspect(member, boot)

    def _suspect(self, member: Member, boot: int) -> None:
        if member.is_up and member.boot == boot:
            self.counts["suspicions"] += 1
            member.core.on_clock_suspect(member.clock())
            self._stepped(member)

    def _fault_unreachable(self, member: Member) -> None:
        member.core.on_unreachable(self.random.choice(list(self.members)), member.clock())
        self._stepped(member)

    def _fault_compact(self, member: Member) -> None:
        """Let everybody flush, and go of what all are known to hold."""
        core = member.core
        everywhere = core.min_match_index()
        for one in self.members.values():
            if not one.is_up:
                continue
            one.durable_applied_index = one.applied_index
            index = min(one.durable_applied_index, everywhere)
            if index > one.core.log.compacted_index:
                self.counts["compactions"] += 1
                one.disk.compact(index, one.core.log.term_at(index), one.core.configuration_at(index))
                one.core.compact(index)
                self.invariants.stepped(one.node)

    def _heal(self) -> None:
        self._is_calm = True
        self._cut.clear()
        for member in self.members.values():
            self._wake(member, member.boot)
            member.paused_until_ns = 0
            member.persist_slow_until_ns = 0
            if not member.is_up:
                self._start(member)
            elif member.is_full:
                member.is_full = False
                member.core.on_disk_full(False, member.clock())
                self._stepped(member)
