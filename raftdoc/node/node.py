"""THE TURN: one loop, many replicas, one fsync.

Whatever happens to a node goes into its inbox: messages, proposals, reads, finished writes, ticks. A turn takes
all of it at once, steps every replica it touches, and then does each thing once:

    1. messages of peers           -> core.step
    2. finished writes of the log  -> core.on_persisted, and the messages that waited for them
    3. a tick, when one is due     -> core.tick, deadlines, the clock watchdog, a stalled disk
    4. proposals and reads         -> core.propose, core.read: one entry and one context per group
    5. every Ready                 -> one frame per peer, one frame of the log to the log writer
    6. apply, in slices            -> the waiting calls are answered; a leader's next entry is worked out ahead

No `await` stands between reading and writing replica state: the turn is the lock.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from random import Random
from typing import Any, NamedTuple

from raftdoc.errors import DiskFailed, Draining, NoLeader, NotLeader, OverBudget, RaftdocError
from raftdoc.ids import CATALOG_GROUP, GroupId, Index, NodeId
from raftdoc.limits import APPLY_SLICE_MS, NS_PER_MS, PROPOSALS_WAITING_MAX, READ_QUEUE_MAX
from raftdoc.node.admission import admit
from raftdoc.node.clock import Clock
from raftdoc.node.digests import Digests
from raftdoc.node.early import EarlyMessages
from raftdoc.node.forwarding import Forwarding, Served
from raftdoc.node.health import Health
from raftdoc.node.heartbeats import hear_all, note_late, split_responses
from raftdoc.node.log_writer import Persister, Ticket, persist_record
from raftdoc.node.metrics import NodeMetrics
from raftdoc.node.outbox import Outbox
from raftdoc.node.proposals import Proposal
from raftdoc.node.reads import ReadWaiter
from raftdoc.node.replica import Replica
from raftdoc.node.snapshot_stream import SnapshotHost
from raftdoc.node.staleness import Staleness
from raftdoc.raft import LogMark, Ready
from raftdoc.raft.messages import HardState, Message
from raftdoc.storage.log.log import LogRecord, SharedLog, log_record
from raftdoc.transport.transport import Transport
from raftdoc.wire.messages import (
    Forward,
    Forwarded,
    HeartbeatResponses,
    Heartbeats,
    MatchedEverywhere,
    Ping,
    Pong,
    StateDigest,
)


class Note(NamedTuple):
    """What to do for one group once a frame of the log is durable."""

    replica: Replica
    mark: LogMark
    messages: list[tuple[NodeId, Message]]


class Node:
    """Hosts the replicas of this process. Every method is called on the loop."""

    def __init__(
        self,
        *,
        node: NodeId,
        clock: Clock,
        log: SharedLog,
        transport: Transport,
        metrics: NodeMetrics,
        random: Random,
        election_timeout_ms: int,
        on_fatal: Callable[[BaseException], None],
        on_applied: Callable[[Replica], None],
    ) -> None:
        self.node = node
        self.clock = clock
        self.replicas: dict[GroupId, Replica] = {}
        self.staleness = Staleness()
        self.metrics = metrics
        self.health = Health(clock, log, election_timeout_ms)
        self.is_draining = False
        self._now_ns = clock.now_ns
        self._log = log
        self._persister: Persister | None = None
        self._transport = transport
        self._outbox = Outbox(transport)
        self._on_fatal = on_fatal
        self._on_applied = on_applied
        self._loop = asyncio.get_running_loop()
        self._is_scheduled = False
        self._is_closed = False
        self._inbox: list[tuple[NodeId, list[tuple[GroupId, Any]]]] = []
        self._durable: list[Ticket] = []
        self._is_tick_due = False
        self._early = EarlyMessages()
        self._touched: dict[GroupId, Replica] = {}
        self._patient: dict[GroupId, Replica] = {}
        self._records: list[LogRecord] = []
        self._digests = Digests(node)
        self._forwarding = Forwarding(random.getrandbits(62))
        self._context = random.getrandbits(32)
        self._services: dict[type, Callable[[NodeId, GroupId, Any], None]] = {}
        self.snapshots: SnapshotHost | None = None
        transport.set_receiver(self.receive, self.unreachable)

    # What others hand in --------------------------------------------------------------------------

    def start(self, persister: Persister) -> None:
        self._persister = persister

    def serve(self, kind: type, handler: Callable[[NodeId, GroupId, Any], None]) -> None:
        """Have messages of a kind that is not the node's own handled elsewhere: within the turn, without waiting."""
        self._services[kind] = handler

    def host_snapshots(self, snapshots: SnapshotHost) -> None:
        """Have snapshots sent and taken in. Without, a follower that the log does not reach back to stays behind."""
        self.snapshots = snapshots

    def receive(self, peer: NodeId, items: list[tuple[GroupId, Any]]) -> None:
        """Take a frame of a peer."""
        self._inbox.append((peer, items))
        if not note_late(self.replicas, peer, items, self._now_ns):
            self.wake()

    def unreachable(self, peer: NodeId) -> None:
        """Take note that the link to a peer broke."""
        now_ns = self._now_ns()
        self._forwarding.unreachable(peer)
        self.staleness.forget(peer)
        for replica in self.replicas.values():
            replica.core.on_unreachable(peer, now_ns)
            self.touch(replica)

    def persisted(self, tickets: list[Ticket]) -> None:
        """Take what the log writer has made durable."""
        self._durable.extend(tickets)
        self.wake()

    def persist_failed(self, error: OSError) -> None:
        """Stop: a failed write or fsync is never retried (P9)."""
        for replica in self.replicas.values():
            replica.core.on_persist_failed()
        self._on_fatal(DiskFailed(f"writing the log failed: {error}; what was not acknowledged is unknown"))

    def tick(self) -> None:
        self._is_tick_due = True
        self.wake()

    def touch(self, replica: Replica) -> None:
        """Have the replica's Ready collected in the next turn."""
        self._touched[replica.group] = replica
        self.wake()

    def wake(self) -> None:
        if not self._is_scheduled and not self._is_closed:
            self._is_scheduled = True
            self._loop.call_soon(self._run_turn)

    # What the database asks -----------------------------------------------------------------------

    def propose(self, replica: Replica, proposal: Proposal, *, is_patient: bool = False) -> None:
        """Queue a command on the leader's replica; its waiter has the Outcome once it is applied here.

        A patient one goes with the next turn that proposes anything, or with the next tick.

        Raises:
            NotLeader, OverBudget, Draining, DiskFull: nothing was proposed.
        """
        if not self.hosts(replica):
            raise NotLeader(replica.group, None)
        admit(replica, is_draining=self.is_draining)
        if is_patient:
            replica.proposals.add_patient(proposal)
            self._patient[replica.group] = replica
            replica.due_ns = 0
        else:
            replica.proposals.add(proposal)
            self.touch(replica)

    def forward(self, peer: NodeId, group: GroupId, proposal: Proposal) -> None:
        """Send a command to the leader of its group; same answer as `propose`.

        Raises:
            NoLeader: there is no link to the leader; nothing was sent.
            OverBudget: too many commands wait for leaders elsewhere.
        """
        if not self._transport.connected(peer):
            raise NoLeader(f"the leader of group {group}, {peer}, is not connected", retry_after_ms=200)
        if self._forwarding.waiting_count >= PROPOSALS_WAITING_MAX:
            raise OverBudget("too many writes wait for leaders on other nodes")
        self._forwarding.add(peer, group, proposal)
        self.wake()

    def read_barrier(self, replica: Replica, deadline_ns: int) -> asyncio.Future[None]:
        """Return a future that is done when this node's state may answer a linearizable read that has arrived now.

        Raises:
            OverBudget: too many reads are waiting.
            Draining: this node has stopped.
            NotLeader: the replica has left this node.
        """
        if self._is_closed:
            raise Draining("this node has stopped")
        if not self.hosts(replica):
            raise NotLeader(replica.group, None)
        if replica.reads.waiting_count >= READ_QUEUE_MAX:
            raise OverBudget("too many reads wait for confirmation", retry_after_ms=200)
        # Safety: the commit index is taken before the lease is looked at. A pause between the two then only
        # makes the lease fail; the other way round it would let an old commit index pass.
        commit_index = replica.core.commit_index
        if replica.core.lease_valid(self._now_ns()):
            return self.wait_applied(replica, commit_index, deadline_ns)
        future: asyncio.Future[None] = self._loop.create_future()
        replica.reads.ask(ReadWaiter(future, deadline_ns))
        self.touch(replica)
        return future

    def wait_applied(self, replica: Replica, index: Index, deadline_ns: int) -> asyncio.Future[None]:
        """Return a future that is done when index is applied here."""
        future: asyncio.Future[None] = self._loop.create_future()
        if replica.machine.applied_index >= index:
            future.set_result(None)
        else:
            replica.reads.wait_applied(index, ReadWaiter(future, deadline_ns))
            self.touch(replica)
        return future

    def add_replica(self, replica: Replica, record: LogRecord | None) -> None:
        """Host a replica; `record` makes a new one durable with the next turn's frame."""
        assert replica.group not in self.replicas, replica.group
        self.replicas[replica.group] = replica
        if record is not None:
            self._records.append(record)
        for peer, message in self._early.take(replica.group):
            self.receive(peer, [(replica.group, message)])
        self.touch(replica)

    def remove_replica(self, group: GroupId, error: RaftdocError, *, is_gone: bool) -> None:
        """Stop hosting a replica and leave a tombstone in the log.

        Unless the whole group is gone, the log remembers what this replica promised: another may be made here.
        """
        replica = self.replicas.pop(group)
        self._touched.pop(group, None)
        self._patient.pop(group, None)
        replica.close(error)
        self._digests.forget(group)
        self.staleness.forget_group(group)
        if self.snapshots is not None:
            self.snapshots.forget(group)
        promised = None if is_gone else HardState(replica.core.term, replica.core.vote)
        self._records.append(log_record(group, tombstone=True, hard_state=promised))
        self.wake()

    def hosts(self, replica: Replica) -> bool:
        """Return whether a replica is still here: its group may have left, and have come back with another one."""
        return self.replicas.get(replica.group) is replica

    def record(self, record: LogRecord) -> None:
        """Have a record of the log written with the next turn's frame."""
        self._records.append(record)
        self.wake()

    def relocate(self, bytes_max: int) -> None:
        """Write live entries of the log's oldest segment again at its head, where lagging groups keep it from going."""
        assert self._persister is not None
        pending = self._log.relocate(bytes_max)
        if pending is not None and self._persister.submit(ticket := Ticket(pending, [], self._now_ns())):
            self.persisted([ticket])

    def send(self, peer: NodeId, group: GroupId, message: Any) -> None:
        """Send a message of the node itself with the next turn."""
        self._outbox.put(peer, group, message)
        self.wake()

    def close(self) -> None:
        """Take no more turns and answer everybody who waits."""
        self._is_closed = True
        error = Draining("this node stops")
        for replica in self.replicas.values():
            replica.close(error)
        if self.snapshots is not None:
            self.snapshots.close()
        self._forwarding.close(error)

    # The turn -------------------------------------------------------------------------------------

    def _run_turn(self) -> None:
        self._is_scheduled = False
        if self._is_closed:
            return
        try:
            self._turn()
        except Exception as error:  # noqa: BLE001  # Edge: a replica in an unknown state must not go on.
            self._is_closed = True
            self._on_fatal(error)

    def _turn(self) -> None:
        now_ns = self._now_ns()
        self.metrics.turns.value += 1
        if self._inbox:
            inbox, self._inbox = self._inbox, []
            for peer, items in inbox:
                self._take(peer, items, now_ns)
        if self._durable:
            self._take_durable(now_ns)
        if self._is_tick_due:
            self._take_tick(now_ns)
        for peer, group, forward in self._forwarding.take(now_ns):
            self._outbox.put(peer, group, forward)
        if self._patient and any(replica.proposals.is_due for replica in self._touched.values()):
            self._board()
        touched = [replica for replica in self._touched.values() if self.hosts(replica)]
        self._touched = {}
        for replica in touched:
            if replica.proposals.is_due:
                replica.propose(self.clock.wall_ms(), now_ns)
            if replica.reads.asking:
                self._context += 1
                replica.ask(self._context, now_ns)
        self._hand_out(touched, now_ns)
        self._apply(touched, now_ns)
        if self.snapshots is not None and self.snapshots.turn(now_ns):
            self.wake()

    def _board(self) -> None:
        """Let what is in no hurry go with this turn, whose frame of the log and messages leave anyway."""
        patient, self._patient = self._patient, {}
        for replica in patient.values():
            replica.proposals.is_due = bool(replica.proposals.queued)
        self._touched.update(patient)

    def _take(self, peer: NodeId, items: list[tuple[GroupId, Any]], now_ns: int) -> None:
        for group, message in items:
            kind = type(message)
            if kind is Forward:
                self._serve(peer, message, now_ns)
            elif kind is Forwarded:
                self._forwarding.answered(message)
            elif kind is Ping:
                pong = self.staleness.pong(peer, message, self.replicas.values(), now_ns, self.clock.wall_ms())
                self._outbox.put(peer, group, pong)
            elif kind is Pong:
                self.staleness.heard(peer, message, now_ns, self.clock.wall_ms())
            elif kind is Heartbeats:
                self._take_beats(peer, message, now_ns)
            elif kind is HeartbeatResponses:
                self._take_responses(peer, message, now_ns)
            elif kind in self._services:
                self._services[kind](peer, group, message)
            else:
                self._step(peer, group, message, now_ns)

    def _take_beats(self, peer: NodeId, message: Heartbeats, now_ns: int) -> None:
        """Answer the heartbeats that say nothing new; step the others."""
        answer, news = hear_all(self.replicas, peer, message, now_ns)
        if answer is not None:
            self._outbox.put(peer, CATALOG_GROUP, answer)
        for group, beat in news:
            self._step(peer, group, beat, now_ns)

    def _take_responses(self, peer: NodeId, message: HeartbeatResponses, now_ns: int) -> None:
        """Note who answers; step what means more than that."""
        for group, response in split_responses(message):
            replica = self.replicas.get(group)
            if replica is None or not replica.core.heard(peer, response, now_ns):
                self._step(peer, group, response, now_ns)

    def _step(self, peer: NodeId, group: GroupId, message: Any, now_ns: int) -> None:
        replica = self.replicas.get(group)
        if replica is None:
            self._early.keep(peer, group, message)
            return
        kind = type(message)
        if kind is MatchedEverywhere:
            replica.matched_everywhere = max(replica.matched_everywhere, message.index)
            return
        if kind is StateDigest:
            self._digests.heard(peer, group, message, replica.core.configuration.voters)
            return
        replica.core.step(peer, message, now_ns)
        self._touched[group] = replica

    def _serve(self, peer: NodeId, request: Forward, now_ns: int) -> None:
        """Propose what a peer forwarded."""
        replica = self.replicas.get(request.group)
        if Served(peer, request, self.send).propose(replica, now_ns, is_draining=self.is_draining):
            self._touched[request.group] = self.replicas[request.group]

    def _take_durable(self, now_ns: int) -> None:
        tickets, self._durable = self._durable, []
        for done in tickets:
            self._acknowledge(done, now_ns)
            # A replica that has left must not stand in the place of one that came after it.
            self._touched.update((note.replica.group, note.replica) for note in done.notes if self.hosts(note.replica))

    def _acknowledge(self, ticket: Ticket, now_ns: int) -> None:
        """Tell everybody that a frame of the log is durable."""
        self._log.durable(ticket.pending)
        for note in ticket.notes:
            replica: Replica = note.replica
            if self.hosts(replica):
                replica.core.on_persisted(note.mark, now_ns)
                self._outbox.put_all(replica.group, note.messages)

    def _take_tick(self, now_ns: int) -> None:
        self._is_tick_due = False
        assert self._persister is not None
        skew_ms = self.staleness.wall_skew_ms()
        verdict = self.health.check(now_ns, self._persister.oldest_submitted_ns(), skew_ms)
        self._forwarding.sweep(now_ns)
        if verdict.is_clock_suspect:
            self.staleness.on_clock_suspect()
        concerns_all = verdict.concerns_all
        for replica in self.replicas.values():
            if replica.due_ns <= now_ns or concerns_all:
                replica.tick(verdict, now_ns)
                # What it leaves to be done is taken, and its next time found, at the end of this turn.
                self._touched[replica.group] = replica
        if self.snapshots is not None:
            self.snapshots.tick(now_ns)

    def _hand_out(self, touched: Iterable[Replica], now_ns: int) -> None:
        """Send what may leave and give the log its frame; where the disk is quick, what waited for that as well."""
        assert self._persister is not None
        while True:
            records, notes = self._collect(touched)
            # The peers' disks work while this node's does.
            self._outbox.send()
            if not records:
                return
            ticket = Ticket(self._log.append(records), notes, now_ns)
            if not self._persister.submit(ticket):
                return
            now_ns = self._now_ns()
            self._acknowledge(ticket, now_ns)

    def _collect(self, touched: Iterable[Replica]) -> tuple[list[LogRecord], list[Note]]:
        """Take every Ready: one frame of the log for all groups, messages into the outbox."""
        records, self._records = self._records, []
        notes: list[Note] = []
        for replica in touched:
            if not (replica.core.has_ready() and self.hosts(replica)):
                continue
            ready = replica.core.ready()
            self._outbox.put_all(replica.group, ready.messages)
            if self.snapshots is not None and (ready.snapshots or ready.installed is not None):
                self._take_snapshots(self.snapshots, replica, ready)
            replica.handle(ready)
            if ready.role is not None:
                self.metrics.role_changed(replica.group, ready.role)
            task = ready.persist
            if task is not None:
                records.append(persist_record(replica.group, task))
                notes.append(Note(replica, task.mark, task.messages_after))
        return records, notes

    def _take_snapshots(self, snapshots: SnapshotHost, replica: Replica, ready: Ready) -> None:
        """Send what is wanted; put in force what the log has switched to, before its entries that follow are taken."""
        if ready.snapshots:
            snapshots.wanted(replica, ready.snapshots)
        if ready.installed is not None:
            snapshots.installed(replica, ready.installed)
            self._on_applied(replica)

    def _apply(self, touched: Iterable[Replica], now_ns: int) -> None:
        """Apply slices until the turn's time is used up, but one at least; what is left goes on in the next turn."""
        until_ns = self._now_ns() + APPLY_SLICE_MS * NS_PER_MS
        served: list[Replica] = []
        for replica in touched:
            if not self.hosts(replica):
                continue  # the catalog has just said so, in this very loop
            has_more = replica.has_to_apply(now_ns)
            if has_more and (not served or self._now_ns() < until_ns + APPLY_SLICE_MS * NS_PER_MS):
                served.append(replica)
                before, before_bytes = replica.applied_entries, replica.applied_bytes
                has_more = replica.apply_until(until_ns, now_ns, self._now_ns)
                if replica.applied_entries != before:
                    self.metrics.applied_entries.value += replica.applied_entries - before
                    self.metrics.applied_bytes.value += replica.applied_bytes - before_bytes
                    self._digests.tell(replica, self._outbox.put)
                    self._on_applied(replica)
            if has_more or replica.core.has_ready() or replica.proposals.is_due or replica.reads.asking:
                self.touch(replica)
            replica.look_ahead()
        for replica in served:
            # Who was passed over comes first in the next turn.
            again = self._touched.pop(replica.group, None)
            if again is not None:
                self._touched[replica.group] = again
        for replica in touched:
            if self._now_ns() >= until_ns:
                return
            replica.prepare()
