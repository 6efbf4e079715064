"""What must hold of every node at every moment, and what the world remembers of what was applied."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgpack

from raftdoc.ids import CATALOG_GROUP, GroupId, Incarnation, Index, NodeId, Term
from raftdoc.node.replica import Replica, StateMachine
from raftdoc.raft.invariants import require
from raftdoc.raft.messages import Entry, EntryKind
from raftdoc.simulation.history import RaftPosition
from raftdoc.simulation.nodes.process import Process
from raftdoc.statemachine.database_machine import DatabaseMachine
from raftdoc.statemachine.outcome import OK, Outcome

if TYPE_CHECKING:
    from raftdoc.simulation.nodes.world import World

UNDECIDED = frozenset(("key_expired", "key_ahead", "key_reused"))


class Watch:
    """Of one world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.hash = 0
        self.applied_count = 0
        """Entries, each counted when the first node applies it."""
        self.decided: dict[str, RaftPosition] = {}
        self.effects: dict[str, list[RaftPosition]] = {}
        """Where each idempotency key's write took effect."""
        self._leaders: dict[tuple[GroupId, Term], NodeId] = {}
        self._entries: dict[tuple[GroupId, Index], tuple[Term, bytes]] = {}
        self._digests: dict[tuple[GroupId, Index], dict[str, str]] = {}
        self._applied: dict[GroupId, Index] = {}
        """The highest index that anybody has applied."""
        self._incarnations: dict[tuple[NodeId, GroupId], Incarnation] = {}

    # Told by processes ------------------------------------------------------------------------------

    def turned(self, process: Process) -> None:
        """Look at a node after its turn, and fold what it is now into the hash of the run."""
        now_ns, number = self._world.loop.now_ns, process.machine.number
        folded: list[int] = [self.hash, now_ns, number]
        for group, replica in process.node.replicas.items():
            core, machine = replica.core, replica.machine
            folded += group, core.term, core.last_index, core.commit_index, machine.applied_index
            # While the record of an install is on its way to the disk, the old state is still in force.
            floor = 0 if process.is_installing(group) else core.log.compacted_index
            indexes = floor, machine.applied_index, core.commit_index, core.last_index
            require(indexes == tuple(sorted(indexes)), "I9: indexes out of order", process.id, group, indexes)
            self._look_for_installs(process, replica)
            if replica.is_leader:
                self._look_at_leader(process, replica)
        # Of integers only: the same in every process, whatever PYTHONHASHSEED is.
        self.hash = hash(tuple(folded))

    def applied(
        self,
        process: Process,
        group: GroupId,
        machine: StateMachine,
        entries: Sequence[Entry],
        outcomes: list[list[Outcome]],
    ) -> None:
        """Look at what a state machine has applied: the same everywhere."""
        for entry, results in zip(entries, outcomes, strict=True):
            known = self._entries.setdefault((group, entry.index), (entry.term, entry.payload))
            require(known == (entry.term, entry.payload), "I6: what was applied has changed", group, entry.index)
            if entry.index > self._applied.get(group, 0):
                self._applied[group] = entry.index
                self.applied_count += 1
                if results and group != CATALOG_GROUP:
                    self._note_effects(process.id, group, entry, results)
        self._check_digest(process, group, machine)

    # Asked by the world -----------------------------------------------------------------------------

    def groups(self) -> list[GroupId]:
        """Return the groups that anybody hosts."""
        return list(dict.fromkeys(group for one in self._world.processes.values() for group in one.node.replicas))

    def index_states(self) -> list[str]:
        """Return the states of all indexes, of every replica in turn."""
        found: list[str] = []
        for process in self._world.processes.values():
            for replica in process.node.replicas.values():
                machine = replica.machine
                if isinstance(machine, DatabaseMachine):
                    names = [collection.name for collection in machine.collections()]
                    found += [index.state for name in names for index in machine.indexes(name)]
        return found

    def is_settled(self) -> bool:
        """Return whether everybody has everything, nobody moves, and nobody waits."""
        world = self._world
        living = [machine for machine in world.machines.values() if not machine.is_removed]
        if any(machine.id not in world.processes or world.processes[machine.id].pending() for machine in living):
            return False
        return self._is_catalog_settled() and all(self._is_alike(group) for group in self.groups())

    def states(self) -> list[object]:
        """Return what every node thinks of every group, for who has to find out why."""
        found: list[object] = []
        for process in self._world.processes.values():
            for group, replica in process.node.replicas.items():
                core = replica.core
                indexes = replica.machine.applied_index, core.commit_index, core.last_index
                state = process.id, int(group), core.role.value, core.term, *indexes, core.configuration
                found.append(state)
            found += process.pending()
        return found

    # Inside -----------------------------------------------------------------------------------------

    def _look_for_installs(self, process: Process, replica: Replica) -> None:
        key = process.id, replica.group
        before = self._incarnations.get(key)
        if before != replica.incarnation:
            self._incarnations[key] = replica.incarnation
            if before is not None:
                self._world.count("installed")
                self._world.reached(process, "install")
                self._check_digest(process, replica.group, replica.machine)

    def _look_at_leader(self, process: Process, replica: Replica) -> None:
        group, core = replica.group, replica.core
        leader = self._leaders.get((group, core.term))
        if leader is None:
            self._leaders[group, core.term] = process.id
            self._world.count("elections")
            self._world.note("leads", process.id, "", f"group {group} in term {core.term}")
        else:
            require(leader == process.id, "I1: two leaders in one term", group, core.term, leader, process.id)
        if core.lease_valid(process.machine.clock.peek_ns()):
            self._world.counts["leases"] += 1
            for other in self._world.processes.values():
                rival = other.node.replicas.get(group)
                if other is not process and rival is not None and rival.is_leader:
                    is_valid = rival.core.lease_valid(other.machine.clock.peek_ns())
                    require(not is_valid, "I10: two leases at a time", group, process.id, other.id)

    def _check_digest(self, process: Process, group: GroupId, machine: StateMachine) -> None:
        last, digest = machine.applied_index, machine.digest()
        known = self._digests.setdefault((group, last), digest)
        require(known == digest, "I5: states differ", process.id, group, last, known, digest)

    def _note_effects(self, node: NodeId, group: GroupId, entry: Entry, results: list[Outcome]) -> None:
        assert entry.kind == EntryKind.COMMANDS
        commands: list[list[Any]] = msgpack.unpackb(entry.payload)
        for ordinal, (command, outcome) in enumerate(zip(commands, results, strict=True)):
            if command[2] is None or outcome.replayed or outcome.code in UNDECIDED:
                continue
            key = command[2][0]
            position = RaftPosition(group, entry.index, entry.term, node, ordinal)
            self.decided.setdefault(key, position)
            if outcome.code == OK:
                self.effects.setdefault(key, []).append(position)

    def _is_catalog_settled(self) -> bool:
        """Return whether nobody joins, leaves or moves."""
        world = self._world
        for process in world.processes.values():
            if not process.is_serving:
                return False
            catalog = process.directory.catalog
            states = {node: record.state for node, record in catalog.nodes.items()}
            if any(state not in ("member", "removed", "draining") for state in states.values()):
                return False
            if states.get(process.id) == "removed":
                return False
            if any(record.wanted or record.state != "open" for record in catalog.databases.values()):
                return False
        return True

    def _is_alike(self, group: GroupId) -> bool:
        """Return whether all replicas of a group are equal, under a settled configuration that names them."""
        hosts = {
            one.id: one.node.replicas[group] for one in self._world.processes.values() if group in one.node.replicas
        }
        leaders = [replica for replica in hosts.values() if replica.is_leader]
        if len(leaders) != 1:
            return False
        core = leaders[0].core
        if core.configuration.is_joint() or not core.is_configuration_committed:
            return False
        inside = [hosts[node] for node in core.configuration.members() if node in hosts]
        if len(inside) != len(hosts) or len(inside) != len(list(core.configuration.members())):
            return False
        first = inside[0].machine
        return all(
            replica.core.commit_index == core.last_index == replica.machine.applied_index
            and replica.machine.digest() == first.digest()
            for replica in inside
        )
