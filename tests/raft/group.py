"""A group of bare cores without time of its own: whatever happens, happens by a call. For state machines of hypothesis.

Every call into a core is followed by the invariants. Replicas of nodes that were removed may leave, and others take
their place with nothing but what the log remembers.
"""

from __future__ import annotations

from random import Random

from raftdoc.ids import BootId, Incarnation, Index, NodeId
from raftdoc.raft import Configuration, MembershipChange, Raft, Ready, Role
from raftdoc.raft.invariants import Invariants
from raftdoc.raft.messages import HardState, Message
from raftdoc.raft.snapshots import SnapshotMeta, SnapshotOffer, SnapshotVerdict

from .disk import Disk
from .lone import MS, N1, N2, N3, N4, settings

VOTERS, NODES = (N1, N2, N3), (N1, N2, N3, N4)
Waiting = tuple[NodeId, NodeId, Message]


class Replica:
    """One node's. Its state machine is no more than an index."""

    def __init__(self, group: Group, node: NodeId) -> None:
        self.group = group
        self.node = node
        self.disk = Disk(Configuration(VOTERS if node in VOTERS else ()))
        self.boot = 0
        self.is_awake = False
        self.durable_applied_index = Index(0)
        self.start()

    def clock(self) -> int:
        return self.group.now_ns

    def start(self) -> None:
        self.boot += 1
        self.is_awake = True
        self.durable_applied_index = max(self.durable_applied_index, self.disk.compacted_index)
        restored = self.disk.restored(self.durable_applied_index)
        own = settings(self.node, self.boot)
        self.core = Raft(own, restored, self.disk, Random(self.boot), self.clock())

    def forget(self) -> None:
        """Leave, and come back as a replica that has nothing; the log remembers what the first one promised."""
        floor = max(self.disk.floor, (self.disk.last_term, self.disk.last_index))
        hard_state = self.disk.hard_state
        self.disk = Disk()
        self.disk.hard_state = HardState(hard_state.term, hard_state.vote)
        self.disk.floor = floor
        self.durable_applied_index = Index(0)


class Group:
    def __init__(self) -> None:
        self.now_ns = 10_000 * MS
        self.waiting: list[Waiting] = []
        self.wanted: list[tuple[NodeId, NodeId]] = []
        """(leader, peer) of each snapshot that a leader asked for."""
        self.cut: frozenset[NodeId] = frozenset()
        self.replicas = {node: Replica(self, node) for node in NODES}
        self.invariants = Invariants(self.replicas)

    # Time and nodes -------------------------------------------------------------------------------

    def tick(self, node: NodeId, after_ms: int) -> None:
        """Let time pass for everybody, and have one notice it."""
        self.now_ns += after_ms * MS
        if self.replicas[node].is_awake:
            self.replicas[node].core.tick(self.now_ns)
            self._collect(node)

    def crash(self, node: NodeId, kept_count: int) -> None:
        replica = self.replicas[node]
        replica.is_awake = False
        replica.disk.crash(min(kept_count, len(replica.disk.pending)))

    def start(self, node: NodeId) -> None:
        self.replicas[node].start()
        self.invariants.restarted(node)
        self._collect(node)

    def may_leave(self, node: NodeId) -> bool:
        """Return whether a committed configuration leaves the node out, and no leader reckons with it any more."""
        cores = [replica.core for replica in self.replicas.values() if replica.is_awake]
        newest = max(cores, key=lambda core: core.commit_index, default=None)
        if newest is None or newest.commit_index < self.invariants.highest_committed:
            return False
        is_out = node not in newest.configuration_at(newest.commit_index).members()
        leads = self.replicas[node].core.role is Role.LEADER
        return is_out and not leads and not any(node in dict(core.match_indexes()) for core in cores)

    def replace(self, node: NodeId) -> None:
        self.crash(node, len(self.replicas[node].disk.pending))
        self.replicas[node].forget()
        self.invariants.replaced(node)
        self.start(node)

    # What is asked of them ------------------------------------------------------------------------

    def propose(self, node: NodeId) -> None:
        self.replicas[node].core.propose(b"x", 0, self.now_ns)
        self._collect(node)

    def change(self, node: NodeId, voters: tuple[NodeId, ...], learners: tuple[NodeId, ...]) -> None:
        self.replicas[node].core.change_membership(MembershipChange(voters, learners), self.now_ns)
        self._collect(node)

    def transfer(self, node: NodeId) -> None:
        self.replicas[node].core.transfer(None, self.now_ns)
        self._collect(node)

    def compact(self, node: NodeId) -> None:
        """Make durable what is applied, and let go of the log below it."""
        replica = self.replicas[node]
        core, index = replica.core, replica.core.applied_index
        if index > core.log.compacted_index and not core.is_installing and core.may_compact(self.now_ns):
            replica.durable_applied_index = index
            replica.disk.compact(index, core.log.term_at(index), core.configuration_at(index))
            core.compact(index)
            self.invariants.stepped(node)

    # Messages and disks ---------------------------------------------------------------------------

    def deliver(self, position: int) -> None:
        sender, peer, message = self.waiting.pop(position)
        self.arrive(sender, peer, message)

    def arrive(self, sender: NodeId, peer: NodeId, message: Message) -> None:
        if self.replicas[peer].is_awake and (sender in self.cut) == (peer in self.cut):
            self.replicas[peer].core.step(sender, message, self.now_ns)
            self._collect(peer)

    def persist(self, node: NodeId) -> None:
        """Make the oldest task durable."""
        replica = self.replicas[node]
        task = replica.disk.complete()
        replica.core.on_persisted(task.mark, self.now_ns)
        self._post(node, task.messages_after)
        self._collect(node)

    def stream(self, leader: NodeId, peer: NodeId) -> None:
        """Bring the leader's state to a peer, all at once."""
        sender, receiver = self.replicas[leader], self.replicas[peer]
        if not (sender.is_awake and receiver.is_awake):
            return
        core, index = sender.core, sender.core.applied_index
        term, configuration = core.log.term_at(index), core.configuration_at(index)
        offer = SnapshotOffer(core.term, index, term, BootId(sender.boot))
        verdict = receiver.core.offer_snapshot(leader, offer, self.now_ns)
        if verdict is SnapshotVerdict.ACCEPT:
            meta = SnapshotMeta(core.term, index, term, configuration, 0)
            receiver.core.install_snapshot(meta, Incarnation(receiver.disk.incarnation + 1), self.now_ns)
        core.on_snapshot_status(peer, verdict is not SnapshotVerdict.REFUSED, self.now_ns)
        self._collect(peer)
        self._collect(leader)

    def settle(self, rounds: int = 20) -> None:
        """Let disks and network do their work for a while."""
        for _ in range(rounds):
            for node, replica in self.replicas.items():
                while replica.is_awake and replica.disk.pending:
                    self.persist(node)
            arriving, self.waiting = self.waiting, []
            for message in arriving:
                self.arrive(*message)

    # Inside ---------------------------------------------------------------------------------------

    def _collect(self, node: NodeId) -> None:
        replica = self.replicas[node]
        self.invariants.stepped(node)
        while replica.core.has_ready():
            self._take(replica, replica.core.ready())
            self.invariants.stepped(node)

    def _take(self, replica: Replica, ready: Ready) -> None:
        if ready.persist is not None:
            self.invariants.took(replica.node, ready.persist)
            replica.disk.submit(ready.persist, self.now_ns)
        self._post(replica.node, ready.messages)
        self.wanted += [(replica.node, peer) for peer in ready.snapshots]
        if ready.installed is not None:
            replica.durable_applied_index = ready.installed.index
        for entry in ready.entries:
            self.invariants.applied(replica.node, entry)
            replica.core.on_applied(entry.index, self.now_ns)

    def _post(self, node: NodeId, messages: list[tuple[NodeId, Message]]) -> None:
        for peer, message in messages:
            self.invariants.sent(node, peer, message)
            self.waiting.append((node, peer, message))
