"""What goes wrong in a simulated world: each fault is a method, drawn by name from the plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raftdoc.ids import Index
from raftdoc.raft import CatchUp, MembershipChange, Rejection, Role

from .member import Member
from .plan import MS

if TYPE_CHECKING:
    from .world import World


LEADERS_ONLY = ("transfer", "change")


class Faults:
    def __init__(self, world: World) -> None:
        self._world = world
        self._random = world.random

    def inject(self, name: str) -> None:
        """Have a fault befall somebody, the leader more often than others."""
        world = self._world
        leaders = [member for member in world.members.values() if member.is_up and member.core.role is Role.LEADER]
        member = world.random.choice(list(world.members.values()))
        prefers_leader = world.random.random() < (0.9 if name.startswith(LEADERS_ONLY) else 0.6)
        target = world.random.choice(leaders) if leaders and prefers_leader else member
        if target.is_up and (world.now_ns >= target.paused_until_ns or name.startswith("crash")):
            getattr(self, name)(target)

    def isolate_leader(self, member: Member) -> None:
        for peer in self._world.members:
            self._world.cut |= {(member.node, peer), (peer, member.node)}

    def bounce_others(self, member: Member) -> None:
        """L3, L4: one node is deaf and may campaign; all others but the leader restart, or their clocks leap."""
        deaf = self._random.choice([one for one in self._world.members.values() if one is not member] or [member])
        self._world.cut |= {(member.node, deaf.node), (deaf.node, member.node)}
        wait_ns = self._random.randrange(1, 3 * self._world.plan.election_timeout_ns)
        self._world.at(wait_ns, self._bounce, member, deaf)

    def _bounce(self, leader: Member, deaf: Member) -> None:
        if self._world.is_calm:
            return
        self.isolate_leader(leader)
        is_jump = self._random.random() < 0.5
        for one in self._world.members.values():
            if not one.is_up or one in {leader, deaf}:
                continue
            if is_jump and self._world.now_ns >= one.paused_until_ns:
                self.jump_clock(one)
            else:
                self._world.crash(one, self._random.randrange(5, 40) * MS)

    def partition(self, member: Member) -> None:
        if self._world.is_calm:
            return
        side = {node for node in self._world.members if self._random.random() < 0.5}
        self._world.split(side)

    def one_way(self, member: Member) -> None:
        peer = self._random.choice(list(self._world.members))
        self._world.cut.add(self._random.choice(((member.node, peer), (peer, member.node))))

    def crash(self, member: Member) -> None:
        self._world.crash(member)

    def crash_leader(self, member: Member) -> None:
        """Crash right after something was handed to the disk."""
        self._world.pump(member)
        self._world.crash(member)

    def crash_all(self, member: Member) -> None:
        for one in self._world.members.values():
            if one.is_up:
                self._world.crash(one)

    def pause(self, member: Member) -> None:
        member.paused_until_ns = self._world.now_ns + self._random.randrange(20, 1200) * MS

    def transfer(self, member: Member) -> None:
        target = self._random.choice([None, None, *self._world.members])
        if member.core.role is Role.LEADER:
            self._world.counts["transfers"] += 1
        member.core.transfer(target, member.clock())
        self._world.stepped(member)

    def transfer_and_cut(self, member: Member) -> None:
        """Cut the leader off, or the group in two, just after the order has left."""
        self.transfer(member)
        cut = self._random.choice((self._isolate, self.partition))
        self._world.at(self._random.randrange(2 * self._world.plan.delay_ns), cut, member)

    def _isolate(self, member: Member) -> None:
        if not self._world.is_calm:
            self.isolate_leader(member)

    def stall_disk(self, member: Member) -> None:
        member.persist_slow_until_ns = self._world.now_ns + self._random.randrange(50, 1500) * MS

    def fill_disk(self, member: Member) -> None:
        member.is_full = not member.is_full
        member.core.on_disk_full(member.is_full, member.clock())
        self._world.stepped(member)

    def fail_disk(self, member: Member) -> None:
        """P9: a failed fsync stops the node; what was on its way may be on the disk or not."""
        member.core.on_persist_failed()
        self._world.stepped(member)
        self._world.crash(member)

    def jump_clock(self, member: Member) -> None:
        """L4: the clock leaps, and the host's watchdog sees it."""
        member.offset_ns += self._random.randrange(-1000, 2000) * MS
        self._suspect(member, member.boot)

    def freeze_clock(self, member: Member) -> None:
        """L4: the machine is suspended, its clock with it; the watchdog sees it first of all when it wakes."""
        if self._world.now_ns < member.paused_until_ns:
            return
        asleep_ns = self._random.randrange(20, 1200) * MS
        member.paused_until_ns = self._world.now_ns + asleep_ns
        member.frozen_ns = member.clock()
        self._world.at(asleep_ns, self.wake, member, member.boot)

    def wake(self, member: Member, boot: int) -> None:
        if member.boot == boot and member.frozen_ns is not None:
            member.offset_ns = member.frozen_ns - int(self._world.now_ns * member.rate)
            member.frozen_ns = None
            self._suspect(member, boot)

    def _suspect(self, member: Member, boot: int) -> None:
        if member.is_up and member.boot == boot:
            self._world.counts["suspicions"] += 1
            member.core.on_clock_suspect(member.clock())
            self._world.stepped(member)

    def unreachable(self, member: Member) -> None:
        member.core.on_unreachable(self._random.choice(list(self._world.members)), member.clock())
        self._world.stepped(member)

    def compact(self, member: Member) -> None:
        """Let everybody flush, and go of what all are known to hold."""
        core = member.core
        everywhere = core.min_match_index()
        for one in self._world.members.values():
            if not one.is_up:
                continue
            one.durable_applied_index = one.applied_index
            self._let_go(one, min(one.durable_applied_index, everywhere))

    def compact_alone(self, member: Member) -> None:
        """Flush, and go of any part of what is applied, whoever lacks it."""
        member.durable_applied_index = member.applied_index
        first, last = member.core.log.compacted_index, member.durable_applied_index
        if first < last:
            self._let_go(member, Index(self._random.randint(first + 1, last)))

    def _let_go(self, member: Member, index: Index) -> None:
        core = member.core
        if index > core.log.compacted_index:
            self._world.counts["compactions"] += 1
            member.disk.compact(index, core.log.term_at(index), core.configuration_at(index))
            core.compact(index)
            self._world.invariants.stepped(member.node)

    def change(self, member: Member) -> None:
        """Ask for another membership: some of the voters, some of the learners that have caught up, any learners."""
        core, chance = member.core, self._random.random
        stays = self._random.choice((0.2, 0.8))
        voters = [node for node in core.configuration.voters if chance() < stays]
        fit = [node for node in self._world.members if core.catch_up(node) is CatchUp.CAUGHT_UP]
        voters += [node for node in fit if node not in voters and chance() < 0.7]
        learners = [node for node in self._world.members if node not in voters and chance() < 0.5]
        change = MembershipChange(tuple(voters), tuple(learners))
        result = core.change_membership(change, member.clock())
        if isinstance(result, Rejection):
            self._world.counts[f"refused_{result.reason.value}"] += 1
        else:
            self._world.counts["changes"] += 1
        self._world.stepped(member)

    def change_twice(self, member: Member) -> None:
        self.change(member)
        self._world.at(self._random.randrange(4 * self._world.plan.delay_ns), self._change_again, member, member.boot)

    def _change_again(self, member: Member, boot: int) -> None:
        if member.is_up and member.boot == boot and self._world.now_ns >= member.paused_until_ns:
            self.change(member)

    def change_and_cut(self, member: Member) -> None:
        """Cut the leader off, or the group in two, just after an entry with a configuration has left."""
        self.change(member)
        cut = self._random.choice((self._isolate, self.partition))
        self._world.at(self._random.randrange(4 * self._world.plan.delay_ns), cut, member)

    def old_snapshot(self, member: Member) -> None:
        """Have a state that was streamed once be offered, or complete, again."""
        self._world.streams.repeat(member)
