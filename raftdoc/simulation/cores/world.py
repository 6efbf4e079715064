"""One simulated cluster: an event heap of (time, sequence, event), and everything that lives on it.

First faults, with every invariant looked at after every step (safety); then calm, in which a leader has to be found,
writes have to go through, and all replicas have to become equal (liveness).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from random import Random
from typing import Any, Final

import msgpack

from raftdoc.ids import Index, NodeId
from raftdoc.raft import Configuration, PersistTask, Ready, Role
from raftdoc.raft.invariants import Invariants, require
from raftdoc.raft.messages import Entry, EntryKind, Message
from raftdoc.simulation.cores.clients import Client
from raftdoc.simulation.cores.clock import SimulatedClock
from raftdoc.simulation.cores.disk import GROUP, Disk
from raftdoc.simulation.cores.host import Host
from raftdoc.simulation.cores.nemesis import Nemesis
from raftdoc.simulation.cores.network import Network
from raftdoc.simulation.cores.plan import MS, Plan, draw
from raftdoc.simulation.cores.streams import Streams
from raftdoc.simulation.history import RaftPosition, Recorder
from raftdoc.statemachine.outcome import OK, Outcome

LEADER_WITHIN_TIMEOUTS: Final = 10
"""I16: once the faults stop, there is a leader within so many election timeouts."""
READS_MAX: Final = 20
"""How often a client reads in the end that gives up after one attempt."""
EQUAL_WITHIN_TIMEOUTS: Final = 40
"""How long it takes to catch up depends on windows and delays, which are small and long here."""
STEPS_MAX: Final = 400_000
ROLES: Final = {role: number for number, role in enumerate(Role)}
Trace = tuple[int, str, str, str, str]
"""(time, kind, from, to, what)."""


class World:
    """Everything random comes from `seed`; nothing here looks at a clock, or iterates over a set of strings."""

    def __init__(self, seed: int, *, suppressed: frozenset[int] = frozenset(), plan: Plan | None = None) -> None:
        random = Random(seed)
        self.plan = plan = plan or draw(random)
        self.now_ns = 0
        self.steps = 0
        self.counts: Counter[str] = Counter()
        self.hash = seed
        self.trace: list[Trace] | None = None
        self.is_calm = False
        self.loses_answers = False
        self.recorder = Recorder()
        self.decided: dict[str, RaftPosition] = {}
        self.effects: dict[str, list[RaftPosition]] = {}
        """Where each idempotency key's write took effect."""
        self._digests: dict[int, dict[str, str]] = {}
        self._applied_index = 0
        """The highest index that anybody has applied."""
        self._sequence = 0
        self._events: list[tuple[int, int, Callable[..., None], tuple[Any, ...]]] = []
        self._random = Random(random.getrandbits(62))
        self.network = Network(plan, Random(random.getrandbits(62)), self.schedule, self._deliver)
        names = [NodeId(f"n{number}") for number in range(1, plan.voter_count + plan.spare_count + 1)]
        configuration = Configuration(tuple(names[: plan.voter_count]))
        self.hosts = {name: self._host(number, name, configuration, random) for number, name in enumerate(names)}
        self.invariants = Invariants(self.hosts)
        self.clients = [
            Client(self, number, plan, Random(random.getrandbits(62)), self.recorder)
            for number in range(plan.client_count)
        ]
        self.streams = Streams(self, Random(random.getrandbits(62)))
        self.nemesis = Nemesis(self, seed, suppressed)

    def _host(self, number: int, name: NodeId, configuration: Configuration, random: Random) -> Host:
        rate = 1 + random.choice((0.0, 0.5, 1.0)) * self.plan.clock_rate_error
        clock = SimulatedClock(lambda: self.now_ns, offset_ns=random.randrange(1, 10_000) * MS, rate=rate)
        mine = configuration if name in configuration.voters else Configuration(())
        return Host(self, number, name, self.plan, Disk(self.plan.segment_bytes, mine), clock)

    # Running ----------------------------------------------------------------------------------------

    def run(self) -> None:
        """Run to the end.

        Raises:
            InvariantBroken: and whatever else the code under test raises.
        """
        for host in self.hosts.values():
            self._start(host)
        for client in self.clients:
            self.schedule(self.spread(self.plan.think_ns), client.begin)
        self.schedule(self.plan.fault_interval_ns, self.nemesis.decide)
        self._run_until(self.plan.duration_ns, lambda: False)
        down = self._heal()
        self._recover(down)

    def _run_until(self, deadline_ns: int, is_done: Callable[[], bool]) -> None:
        events = self._events
        while events and events[0][0] <= deadline_ns:
            self.now_ns, _, act, arguments = heappop(events)
            self.steps += 1
            act(*arguments)
            if is_done():
                return
        require(self.steps < STEPS_MAX, "I15: events without end", self.steps)

    def _recover(self, down: list[Host]) -> None:
        """I16: calm now, but for a minority that is still down; then for them, too."""
        timeout_ns = self.plan.election_timeout_ns
        goal = self._applied_index + 1
        self._run_until(self.now_ns + LEADER_WITHIN_TIMEOUTS * timeout_ns, self._has_leader)
        require(self._has_leader(), "I16: no leader after the faults stopped", *self._states())
        deadline_ns = self.now_ns + EQUAL_WITHIN_TIMEOUTS * timeout_ns
        self._run_until(deadline_ns, lambda: self._applied_index >= goal)
        require(self._applied_index >= goal, "I16: nothing is written after the faults stopped", *self._states())
        for host in down:
            self._start(host)
        for client in self.clients:
            client.is_stopped = True
        self._run_until(self.now_ns + EQUAL_WITHIN_TIMEOUTS * timeout_ns, self._is_settled)
        require(self._is_settled(), "I16: not the same everywhere", *self._states())
        self._read_all()

    def _read_all(self) -> None:
        """Let clients see every key as it is in the end."""
        keys = [f"k{number}" for number in range(self.plan.key_count)]
        clients = self.clients[: self.plan.key_count]
        while keys:
            wanted = self.counts["ok_get"] + min(len(clients), len(keys))
            for _ in range(READS_MAX):
                self._read_once(clients, keys)
                if self.counts["ok_get"] >= wanted:
                    break
            require(self.counts["ok_get"] >= wanted, "I16: reads fail after the faults stopped", *self._states())
            keys = keys[len(clients) :]

    def _read_once(self, clients: list[Client], keys: list[str]) -> None:
        """Let each client read one key, as often as it tries by itself."""
        for client, key in zip(clients, keys, strict=False):
            client.read(key, "linearizable")
        self._run_until(self.now_ns + self.plan.election_timeout_ns * 10, self._is_settled)
        require(self._is_settled(), "I16: reads are not answered", *self._states())

    def _has_leader(self) -> bool:
        return any(host.is_leader for host in self.hosts.values())

    def _is_settled(self) -> bool:
        """Return whether everybody has everything, and nobody waits."""
        highest = self.invariants.highest_committed
        if any(not client.is_idle for client in self.clients) or self._applied_index < highest:
            return False
        inside = self._members()
        if not inside or not all(host.is_up and host.core.commit_index == highest for host in inside):
            return False
        digests = [host.machine.digest() for host in inside if host.machine.applied_index == highest]
        return len(digests) == len(inside) and all(digest == digests[0] for digest in digests)

    def _members(self) -> list[Host]:
        """Return who belongs to the group; nobody while that is not settled."""
        leaders = [host for host in self.hosts.values() if host.is_leader]
        if len(leaders) != 1:
            return []
        configuration = leaders[0].core.configuration
        if configuration.is_joint() or not configuration.is_voter(leaders[0].node):
            return []
        inside = [host for node, host in self.hosts.items() if node in configuration.members()]
        return inside if all(host.core.configuration == configuration for host in inside) else []

    def _states(self) -> list[tuple[object, ...]]:
        return [
            (host.node, host.core.role.value, host.core.term, host.core.commit_index, host.core.last_index)
            for host in self.hosts.values()
        ]

    # What those who live here ask -------------------------------------------------------------------

    def schedule(self, delay_ns: int, act: Callable[..., None], *arguments: Any) -> None:
        """Have something happen after a while."""
        self._sequence += 1
        heappush(self._events, (self.now_ns + delay_ns, self._sequence, act, arguments))

    def spread(self, mean_ns: int) -> int:
        """Return a duration around a mean."""
        return int(mean_ns * (0.5 + self._random.random())) if mean_ns else 0

    def count(self, name: str) -> None:
        self.counts[name] += 1

    def note(self, kind: str, sender: str, peer: str, text: str) -> None:
        """Remember something for the drawing, if one is wanted."""
        if self.trace is not None:
            self.trace.append((self.now_ns, kind, sender, peer, text))

    def send(self, host: Host, peer: NodeId, message: Message) -> None:
        self.invariants.sent(host.node, peer, message)
        is_sent = self.network.send(host.node, peer, message)
        if self.trace is not None:
            self.note("send" if is_sent else "lose", host.node, peer, repr(message))

    def took(self, host: Host, task: PersistTask) -> None:
        self.invariants.took(host.node, task)
        if self.trace is not None:
            self.note("persist", host.node, "", repr(task))

    def stepped(self, host: Host) -> None:
        """Look at a node after a call into its core, and fold what it is now into the hash of the run."""
        self.invariants.stepped(host.node)
        core = host.core
        state = self.now_ns, host.number, core.term, core.last_index, core.commit_index, ROLES[core.role]
        # Of integers only: the same in every process, whatever PYTHONHASHSEED is.
        self.hash = hash((self.hash, *state))

    def saw(self, host: Host, ready: Ready) -> None:
        if ready.truncated_from is not None:
            self.counts["truncations"] += 1
        if ready.membership is not None:
            self.counts["configurations"] += 1
            self.counts["joint"] += ready.membership.configuration.is_joint()
            self.note("members", host.node, "", repr(ready.membership.configuration))
        for peer in ready.snapshots:
            self.streams.begin(host, peer)
        if ready.failed_reads:
            self.counts["failed_reads"] += len(ready.failed_reads)
        if ready.role is not None:
            if ready.role.role is Role.LEADER:
                self.counts["elections"] += 1
                self.nemesis.elected(host)
            self.note("role", host.node, "", f"{ready.role.role.value} in term {ready.role.term}")

    def applied(self, host: Host, entries: Sequence[Entry], outcomes: list[list[Outcome]]) -> None:
        """Look at what a state machine has applied: the same everywhere, and each key's write at most once."""
        for entry, results in zip(entries, outcomes, strict=True):
            self.invariants.applied(host.node, entry)
            if entry.index > self._applied_index:
                self._applied_index = entry.index
                if results:
                    self._note_effects(host, entry, results)
        self._check_digest(host)

    def installed(self, host: Host) -> None:
        """Look at a state that came in force: the same that others had there."""
        self.count("installed")
        self._check_digest(host)

    def _check_digest(self, host: Host) -> None:
        last, digest = host.machine.applied_index, host.machine.digest()
        known = self._digests.setdefault(last, digest)
        require(known == digest, "I5: replicas differ", host.node, last, known, digest)

    def matched_everywhere(self, host: Host, index: Index) -> None:
        for other in self.hosts.values():
            if other is not host:
                self.schedule(self.spread(self.plan.delay_ns), self._take_matched, other, index)

    def failed(self, host: Host) -> None:
        self.count("disk_failures")
        self.crash(host, self._random.randrange(20, 500) * MS)

    def crash(self, host: Host, down_ns: int) -> None:
        """Stop a node without a word, and start it again after a while."""
        self.count("crashes")
        self.note("crash", host.node, "", "")
        host.stop(self._random)
        self.schedule(down_ns, self._restart, host)

    def wake(self, host: Host, boot: int) -> None:
        """End the sleep of a suspended machine."""
        if host.boot == boot and host.clock_model.is_frozen:
            host.clock_model.thaw()
            host.paused_until_ns = 0
            self.count("suspicions")
            host.suspect_clock()

    # Inside -----------------------------------------------------------------------------------------

    def _deliver(self, sender: NodeId, peer: NodeId, message: Message) -> None:
        self.hosts[peer].deliver(sender, message)

    def _take_matched(self, host: Host, index: Index) -> None:
        if host.is_reachable:
            host.replica.matched_everywhere = max(host.replica.matched_everywhere, index)

    def _start(self, host: Host) -> None:
        host.start(self._random)
        self.note("start", host.node, "", f"life {host.boot}")
        self.invariants.restarted(host.node)

    def _restart(self, host: Host) -> None:
        if not host.is_up and not host.is_kept_down:
            self._start(host)

    def _note_effects(self, host: Host, entry: Entry, results: list[Outcome]) -> None:
        assert entry.kind == EntryKind.COMMANDS
        commands = msgpack.unpackb(entry.payload)
        for ordinal, (command, outcome) in enumerate(zip(commands, results, strict=True)):
            key = command[2][0]
            if outcome.replayed or outcome.code in {"key_expired", "key_ahead", "key_reused"}:
                continue
            position = RaftPosition(GROUP, entry.index, entry.term, host.node, ordinal)
            self.decided.setdefault(key, position)
            if outcome.code == OK:
                self.effects.setdefault(key, []).append(position)

    def _heal(self) -> list[Host]:
        """End all faults; return who stays down for a while yet."""
        self.is_calm = self.network.is_calm = True
        self.loses_answers = False
        self.network.mend()
        hosts = list(self.hosts.values())
        # Where the membership has changed, those left down may be a majority.
        may_be_down = self.plan.is_minority_left_down and not self.counts["changes"]
        down = self._random.sample(hosts[: self.plan.voter_count], (self.plan.voter_count - 1) // 2 * may_be_down)
        for host in hosts:
            self.wake(host, host.boot)
            host.paused_until_ns = host.slow_disk_until_ns = host.slow_apply_until_ns = 0
            host.crash_on_write = False
            host.disk_model.heal()
            if host in down:
                host.is_kept_down = True
                if host.is_up:
                    host.stop(self._random)
            elif not host.is_up:
                self._start(host)
        return down
