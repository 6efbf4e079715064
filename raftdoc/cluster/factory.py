"""Builds the replicas of this node: from what its log recovered, or new ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

from raftdoc.errors import StateCorrupt
from raftdoc.ids import CATALOG_GROUP, BootId, GroupId, Incarnation, Index, NodeId, Term
from raftdoc.limits import (
    APPEND_BYTES_MAX,
    APPLY_CHANGES_MAX,
    CLOCK_RATE_ERROR_MAX,
    INFLIGHT_BYTES_MAX,
    INFLIGHT_MESSAGES_MAX,
    LEASE_MARGIN_MS,
    NS_PER_MS,
    READ_QUEUE_MAX,
    UNCOMMITTED_BYTES_MAX_GROUP,
)
from raftdoc.node.clock import Clock
from raftdoc.node.incarnations import Incarnations
from raftdoc.node.replica import Replica, StateMachine
from raftdoc.raft import Configuration, Raft, RaftSettings, Restored
from raftdoc.raft.membership import decode_configuration
from raftdoc.raft.messages import HardState
from raftdoc.statemachine.catalog_machine import CatalogMachine
from raftdoc.statemachine.database_machine import DatabaseMachine
from raftdoc.storage.engine import Engine
from raftdoc.storage.keyspace import GroupKeys
from raftdoc.storage.log.log import LogRecord, RecoveredGroup, SharedLog, log_record


@dataclass(frozen=True, slots=True)
class RaftTuning:
    """What an operator may set of Raft."""

    heartbeat_interval_ms: int
    election_timeout_ms: int
    leases_enabled: bool
    cache_bytes_max: int


class ReplicaFactory:
    def __init__(
        self,
        *,
        node: NodeId,
        boot_id: BootId,
        log: SharedLog,
        engine: Engine,
        clock: Clock,
        random: Random,
        tuning: RaftTuning,
    ) -> None:
        self._node = node
        self._boot_id = boot_id
        self._log = log
        self._engine = engine
        self._clock = clock
        self._random = random
        self._tuning = tuning
        self.incarnations = Incarnations(engine)

    def recovered(self, group: GroupId, recovered: RecoveredGroup) -> Replica:
        """Return the replica of a group that the log knows.

        Raises:
            StateCorrupt: the state lacks entries that the log no longer has.
        """
        machine = self.machine(group, recovered.incarnation)
        if machine.applied_index < recovered.compacted_index:
            raise StateCorrupt(
                f"group {group}: the state has applied index {machine.applied_index}, but the log begins after "
                f"{recovered.compacted_index}; remove this node's data and replace the node"
            )
        if machine.applied_index > recovered.last_index:
            raise StateCorrupt(
                f"group {group}: the state has applied index {machine.applied_index}, but the log ends at "
                f"{recovered.last_index}; remove this node's data and replace the node"
            )
        restored = Restored(
            hard_state=recovered.hard_state,
            configuration=recovered.configuration,
            compacted_index=recovered.compacted_index,
            compacted_term=recovered.compacted_term,
            last_index=recovered.last_index,
            last_term=recovered.last_term,
            term_runs=tuple(recovered.term_runs),
            applied_index=machine.applied_index,
            configurations=self._configurations(group, recovered),
            floor=recovered.floor,
        )
        return self._replica(group, recovered.incarnation, restored, machine, is_new=False)

    def new(self, group: GroupId, configuration: Configuration) -> tuple[Replica, LogRecord]:
        """Return a new replica of a group on this node, and the record that makes it durable.

        Safety: where another one was here before, it keeps to what that one promised and acknowledged, and learns who
        belongs to the group from its log, whatever the catalog of this moment says.
        """
        before = self._log.group(group)
        hard_state, floor = HardState(), (Term(0), Index(0))
        if before is not None:
            hard_state, configuration = before.hard_state._replace(commit=Index(0)), Configuration(())
            # Its tombstone may not be in the log yet.
            floor = max(before.floor, (before.last_term, before.last_index))
        restored = Restored(
            hard_state=hard_state,
            configuration=configuration,
            compacted_index=Index(0),
            compacted_term=Term(0),
            last_index=Index(0),
            last_term=Term(0),
            term_runs=(),
            applied_index=Index(0),
            floor=floor,
        )
        incarnation = self.incarnations.fresh(group)
        machine = self.machine(group, incarnation)
        replica = self._replica(group, incarnation, restored, machine, is_new=before is None)
        record = log_record(group, hard_state=hard_state, configuration=configuration, incarnation=incarnation)
        return replica, record

    @property
    def left_groups(self) -> list[GroupId]:
        """The groups of which a replica was here and left."""
        return list(self._log.left_groups)

    def drop_leftovers(self, groups: Mapping[GroupId, RecoveredGroup]) -> None:
        """Remove what the engine holds beside the groups of the log: of installs that did not come to their end."""
        self.incarnations.recover((group, recovered.incarnation) for group, recovered in groups.items())

    def machine(self, group: GroupId, incarnation: Incarnation) -> StateMachine:
        """Load the machine of one copy of a group's state.

        Raises:
            StateCorrupt: a record that cannot be read.
            FormatTooNew: a newer version has written there.
        """
        keys = GroupKeys(group, incarnation)
        if group == CATALOG_GROUP:
            return CatalogMachine(self._engine, keys)
        return DatabaseMachine(self._engine, keys, changes_max=APPLY_CHANGES_MAX)

    def _configurations(self, group: GroupId, recovered: RecoveredGroup) -> tuple[tuple[Index, Configuration], ...]:
        """Return the changes of membership that the log still holds."""
        reader = self._log.reader(group)
        entries = [reader.read(index, index, 1)[0] for index in recovered.configuration_indexes]
        return tuple((entry.index, decode_configuration(entry.payload)) for entry in entries)

    def _replica(
        self, group: GroupId, incarnation: Incarnation, restored: Restored, machine: StateMachine, *, is_new: bool
    ) -> Replica:
        core = Raft(
            self._settings(group, is_new=is_new),
            restored,
            self._log.reader(group),
            Random(self._random.getrandbits(64)),
            self._clock.now_ns(),
        )
        return Replica(group, incarnation, core, machine)

    def _settings(self, group: GroupId, *, is_new: bool) -> RaftSettings:
        tuning = self._tuning
        return RaftSettings(
            node=self._node,
            group=group,
            boot_id=self._boot_id,
            election_timeout_ns=tuning.election_timeout_ms * NS_PER_MS,
            heartbeat_interval_ns=tuning.heartbeat_interval_ms * NS_PER_MS,
            clock_rate_error_max=CLOCK_RATE_ERROR_MAX,
            lease_margin_ns=LEASE_MARGIN_MS * NS_PER_MS,
            leases_enabled=tuning.leases_enabled,
            inflight_messages_max=INFLIGHT_MESSAGES_MAX,
            inflight_bytes_max=INFLIGHT_BYTES_MAX,
            append_bytes_max=APPEND_BYTES_MAX,
            uncommitted_bytes_max=UNCOMMITTED_BYTES_MAX_GROUP,
            holds_lone_entries=True,
            read_queue_max=READ_QUEUE_MAX,
            priority=0,
            cache_bytes_max=tuning.cache_bytes_max,
            refuse_votes_after_boot=not is_new,
        )
