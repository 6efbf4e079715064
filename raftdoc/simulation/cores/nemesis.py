"""What breaks: one decision after the other, each drawn from its own number, so that one can be left out and the
others stay what they are. That is what shrinking rests on.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING, Final

from raftdoc.ids import NodeId
from raftdoc.raft import CatchUp, MembershipChange, Rejection, Role
from raftdoc.simulation.cores.host import Host
from raftdoc.simulation.cores.plan import MS

if TYPE_CHECKING:
    from raftdoc.simulation.cores.world import World

DECISION_FACTOR: Final = 1_000_003
LEADER_SHARE: Final = 0.6
MEND_SHARE: Final = 0.4


class Nemesis:
    """Of one world. `suppressed` are the numbers of decisions that do nothing."""

    def __init__(self, world: World, seed: int, suppressed: frozenset[int]) -> None:
        self._world = world
        self._seed = seed
        self._suppressed = suppressed
        self._random = Random(seed * DECISION_FACTOR)
        self.decision_count = 0
        self._deposed: Host | None = None
        """Who was left with a minority, and is to meet the next leader."""

    def decide(self) -> None:
        """Do the next thing, and come back for another."""
        world = self._world
        if world.is_calm:
            return
        number = self.decision_count
        self.decision_count += 1
        # Each decision has a chance of its own: what is left out changes no other.
        self._random = random = Random(self._seed * DECISION_FACTOR + number)
        world.schedule(int(world.plan.fault_interval_ns * (0.5 + random.random())), self.decide)
        mends = random.random() < MEND_SHARE
        if number in self._suppressed:
            return
        if mends:
            world.network.mend()
            world.loses_answers = False
        if world.plan.faults:
            self._break(random.choice(world.plan.faults), random)

    def _break(self, name: str, random: Random) -> None:
        target = self._target(name, random)
        if target.is_up and (self._world.now_ns >= target.paused_until_ns or name.startswith("crash")):
            act: Callable[[Host, Random], None] = getattr(self, f"_{name}")
            self._world.note("fault", "nemesis", target.node, name)
            self._world.count(f"fault_{name}")
            act(target, random)

    def _target(self, name: str, random: Random) -> Host:
        hosts = list(self._world.hosts.values())
        anyone = random.choice(hosts)
        leaders = [host for host in hosts if host.is_leader]
        share = 0.9 if name.startswith(("transfer", "change", "old_answers")) else LEADER_SHARE
        return random.choice(leaders) if random.random() < share and leaders else anyone

    # Network ----------------------------------------------------------------------------------------

    def _isolate_leader(self, host: Host, random: Random) -> None:
        """Cut a node off from its peers; its clients still reach it."""
        self._world.network.isolate(host.node, self._world.hosts)

    def _partition(self, host: Host, random: Random) -> None:
        self._split({node for node in self._world.hosts if random.random() < 0.5})

    def _minority(self, host: Host, random: Random) -> None:
        """Figure 3.7: leave a leader with one peer; then put it together with the next leader, without the peer."""
        others = [one for one in self._world.hosts.values() if one is not host]
        if others:
            self._split({host.node, random.choice(others).node})
            self._deposed = host
            if random.random() < 0.5:
                wait_ns = int(self._world.plan.election_timeout_ns * (1 + 2 * random.random()))
                self._world.schedule(wait_ns, self._minority_again, host, random)

    def _minority_again(self, host: Host, random: Random) -> None:
        leaders = [one for one in self._world.hosts.values() if one.is_leader and one is not host]
        if leaders and not self._world.is_calm:
            self._split({host.node, random.choice(leaders).node})

    def elected(self, host: Host) -> None:
        """Cut the next leader off, but for the last one, before anything of its term has left.

        What it replaces there may win elsewhere yet: with the peer that the last one was left with.
        """
        deposed, self._deposed = self._deposed, None
        if deposed is not None and deposed is not host and not self._world.is_calm:
            self._split({host.node, deposed.node})

    def _split(self, side: set[NodeId]) -> None:
        """Cut the nodes of a side off from all others, and nobody else."""
        nodes = list(self._world.hosts)
        self._world.network.mend()
        self._world.network.cut((one, other) for one in nodes for other in nodes if (one in side) != (other in side))

    def _one_way(self, host: Host, random: Random) -> None:
        peer = random.choice(list(self._world.hosts))
        self._world.network.cut([random.choice(((host.node, peer), (peer, host.node)))])

    def _bounce_others(self, host: Host, random: Random) -> None:
        """L3, L4: one node is deaf and may campaign; all others but the leader restart, or their clocks leap."""
        others = [one for one in self._world.hosts.values() if one is not host]
        if not others:
            return
        deaf = random.choice(others)
        self._world.network.isolate(host.node, [deaf.node])
        wait_ns = random.randrange(1, 3 * self._world.plan.election_timeout_ns)
        self._world.schedule(wait_ns, self._bounce, host, deaf, random)

    def _bounce(self, leader: Host, deaf: Host, random: Random) -> None:
        world = self._world
        if world.is_calm:
            return
        world.network.isolate(leader.node, world.hosts)
        is_leap = random.random() < 0.5
        for one in world.hosts.values():
            if not one.is_up or one is leader or one is deaf:
                continue
            if is_leap and world.now_ns >= one.paused_until_ns:
                self._jump_clock(one, random)
            else:
                world.crash(one, random.randrange(5, 40) * MS)

    def _unreachable(self, host: Host, random: Random) -> None:
        host.core.on_unreachable(random.choice(list(self._world.hosts)), host.clock())
        host.touch()

    def _old_messages(self, host: Host, random: Random) -> None:
        self._world.network.send_again(random, random.randrange(1, 20))

    def _old_answers(self, host: Host, random: Random) -> None:
        """Have a leader be told again what it was told when it led before."""
        self._world.network.answer_again(random, random.randrange(1, 20), host.node, host.core.term)

    def _lose_answers(self, host: Host, random: Random) -> None:
        self._world.loses_answers = True

    # Processes --------------------------------------------------------------------------------------

    def _crash(self, host: Host, random: Random) -> None:
        self._world.crash(host, random.randrange(20, 1000) * MS)

    def _crash_on_write(self, host: Host, random: Random) -> None:
        """Crash right after the next vote or entries were handed to the file."""
        host.crash_on_write = True

    def _crash_twice(self, host: Host, random: Random) -> None:
        """Crash, and once more while the node is still finding its feet."""
        self._world.crash(host, random.randrange(5, 60) * MS)
        self._world.schedule(random.randrange(60, 300) * MS, self._crash_again, host)

    def _crash_again(self, host: Host) -> None:
        if host.is_up and not self._world.is_calm:
            self._world.crash(host, 50 * MS)

    def _crash_all(self, host: Host, random: Random) -> None:
        for one in self._world.hosts.values():
            if one.is_up:
                self._world.crash(one, random.randrange(20, 600) * MS)

    def _pause(self, host: Host, random: Random) -> None:
        host.paused_until_ns = self._world.now_ns + random.randrange(20, 1200) * MS

    def _slow_apply(self, host: Host, random: Random) -> None:
        host.slow_apply_until_ns = self._world.now_ns + random.randrange(50, 1500) * MS

    def _transfer(self, host: Host, random: Random) -> None:
        target = random.choice([None, None, *self._world.hosts])
        if host.core.role is Role.LEADER:
            self._world.count("transfers")
        host.core.transfer(target, host.clock())
        host.touch()

    def _transfer_and_cut(self, host: Host, random: Random) -> None:
        """Cut the leader off, or the group in two, just after the order has left."""
        self._transfer(host, random)
        cut = random.choice((self._isolate_leader, self._partition))
        self._world.schedule(random.randrange(2 * self._world.plan.delay_ns), self._cut_late, cut, host, random)

    def _cut_late(self, cut: Callable[[Host, Random], None], host: Host, random: Random) -> None:
        if not self._world.is_calm:
            cut(host, random)

    # Disks ------------------------------------------------------------------------------------------

    def _stall_disk(self, host: Host, random: Random) -> None:
        host.slow_disk_until_ns = self._world.now_ns + random.randrange(50, 1500) * MS

    def _fill_disk(self, host: Host, random: Random) -> None:
        host.disk_model.fill(not host.disk_model.is_filled)

    def _fail_disk(self, host: Host, random: Random) -> None:
        """P9: the next write fails; what it wrote may be there or not, and the node stops."""
        host.disk_model.files.fail()

    def _busy_engine(self, host: Host, random: Random) -> None:
        host.disk_model.engine.busy_writes = random.randrange(1, 6)

    def _flush(self, host: Host, random: Random) -> None:
        """Let everybody flush, and go of what all are known to hold."""
        for one in self._world.hosts.values():
            if one.is_reachable:
                one.flush()

    def _flush_alone(self, host: Host, random: Random) -> None:
        """Let go of log that others may lack."""
        host.flush(is_alone=True)

    def _old_snapshot(self, host: Host, random: Random) -> None:
        self._world.streams.offer_again(host, random)

    # Membership -------------------------------------------------------------------------------------

    def _change(self, host: Host, random: Random) -> None:
        """Ask for another membership: some of the voters, some of the learners that have caught up, any learners."""
        core, nodes = host.core, list(self._world.hosts)
        voters = [node for node in core.configuration.voters if random.random() < 0.8]
        fit = [node for node in nodes if core.catch_up(node) is CatchUp.CAUGHT_UP]
        voters += [node for node in fit if node not in voters and random.random() < 0.7]
        learners = [node for node in nodes if node not in voters and random.random() < 0.5]
        result = core.change_membership(MembershipChange(tuple(voters), tuple(learners)), host.clock())
        self._world.count(f"refused_{result.reason.value}" if isinstance(result, Rejection) else "changes")
        host.touch()

    def _change_twice(self, host: Host, random: Random) -> None:
        self._change(host, random)
        self._world.schedule(random.randrange(4 * self._world.plan.delay_ns), self._change_again, host, random)

    def _change_again(self, host: Host, random: Random) -> None:
        if host.is_reachable and not self._world.is_calm:
            self._change(host, random)

    def _change_and_cut(self, host: Host, random: Random) -> None:
        """Cut the leader off, or the group in two, just after an entry with a configuration has left."""
        self._change(host, random)
        cut = random.choice((self._isolate_leader, self._partition))
        self._world.schedule(random.randrange(4 * self._world.plan.delay_ns), self._cut_late, cut, host, random)

    # Clocks -----------------------------------------------------------------------------------------

    def _jump_clock(self, host: Host, random: Random) -> None:
        """L4: the clock leaps, and the host's watchdog sees it."""
        host.clock_model.leap(random.randrange(-1000, 2000) * MS)
        self._world.count("suspicions")
        host.suspect_clock()

    def _freeze_clock(self, host: Host, random: Random) -> None:
        """L4: the machine is suspended, its clock with it; the watchdog sees it first of all when it wakes."""
        asleep_ns = random.randrange(20, 1200) * MS
        host.paused_until_ns = self._world.now_ns + asleep_ns
        host.clock_model.freeze()
        self._world.schedule(asleep_ns, self._world.wake, host, host.boot)
