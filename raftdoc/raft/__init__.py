"""The consensus core: pure and synchronous. No clock, no chance, no I/O, no callbacks out.

The caller's duties:

1. One core per group and node. `now_ns` comes from a clock that is read after what happened happened: a frame
   was received, a round is about to be sent. It rises; where it jumps, either way, call `on_clock_suspect` before
   anything else is handed in.
2. After any number of calls, take `ready()` if `has_ready()`, and do all that it says.
3. `messages` may leave at once. `persist` is made durable as one atomic record, tasks in the order they were handed
   out; then call `on_persisted(mark)` and let `messages_after` leave, not before (P1-P3). If that fails, call
   `on_persist_failed` and stop the node: nothing is ever tried again (P9).
4. `entries` are applied in order, once, and `on_applied` tells how far. What the state machine holds must not be
   ahead of what it says it holds (P8).
5. A read of `reads` may be answered when the state machine has applied its index. A lease read may be answered when
   `lease_valid` is true with a clock read *after* the read, and all that is committed is applied.
6. `tick` at least twice per heartbeat interval. Tell when the disk stalls for W / 2, when it fills, when it has space.
7. `compact` only what is durably applied, and not while `is_installing`; the record that makes it durable names
   `configuration_at` that index. Whoever lacks what is gone needs the state.
8. For each peer of `snapshots`, stream the state at some applied index, not below the log's compaction point, with its
   (index, term) and `configuration_at` it; then call `on_snapshot_status`, once, whatever became of it.
9. When a leader offers its state, ask `offer_snapshot`. Stage it beside the live one, in a fresh incarnation, for as
   long as it takes; when all of it is verified and durable call `install_snapshot`. The record of that task has the
   whole `reset` in it, synced. When `installed` comes, go over to that incarnation before anything else of that Ready:
   what was handed out to be applied before is void, and proposals up to that index are unknown.
10. A membership is asked for as a whole, with `change_membership`; new voters are learners first (`catch_up`).
    `membership` tells what is in force, and whether it is committed. Ids of nodes are not used again for others.
11. At a start, read the CONFIGURATION entries after the compaction point from the log (`Restored.configurations`). A
    replica that is made after its group starts with a configuration of nobody.
12. A host of many groups may spare what does nothing. No tick is needed before `due_ns`, asked anew after any other
    call; clock, disk and stall are told to all at once. `hear` and `heard` take a heartbeat and its answer where they
    say only that somebody is there, and then Ready has nothing; where they refuse, the message is stepped.

    core.step(sender, message, now_ns)              # and tick, propose, read, on_persisted, on_applied ...
    if core.has_ready():
        ready = core.ready()
        send(ready.messages)
        disk.append(ready.persist)                  # later: core.on_persisted(mark), send(messages_after)
        machine.apply(ready.entries)                # later: core.on_applied(index)

It does not apply, time, retry proposals, or know what a command or a state is.

Where to read: `state` (what all roles share, and what becomes durable when), `election`, `follower`, `leader` with
`replication`, `progress`, `reads`, `lease` and `transfer`; then `membership` (the list of configurations),
`reconfiguration` and `catch_up` (how a leader changes them), `installation` (how a follower's log begins anew).
"""

from raftdoc.raft.core import Raft
from raftdoc.raft.log import EntryReader, LogView
from raftdoc.raft.membership import CatchUp, MembershipChange, decode_configuration, encode_configuration
from raftdoc.raft.ready import (
    LogMark,
    MembershipEvent,
    PersistTask,
    Ready,
    Rejection,
    RejectReason,
    Role,
    RoleChange,
)
from raftdoc.raft.settings import Configuration, RaftSettings, Restored
from raftdoc.raft.snapshots import LogReset, SnapshotMeta, SnapshotOffer, SnapshotVerdict

__all__ = [
    "CatchUp",
    "Configuration",
    "EntryReader",
    "LogMark",
    "LogReset",
    "LogView",
    "MembershipChange",
    "MembershipEvent",
    "PersistTask",
    "Raft",
    "RaftSettings",
    "Ready",
    "RejectReason",
    "Rejection",
    "Restored",
    "Role",
    "RoleChange",
    "SnapshotMeta",
    "SnapshotOffer",
    "SnapshotVerdict",
    "decode_configuration",
    "encode_configuration",
]
