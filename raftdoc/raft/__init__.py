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
7. The state is never copied: `compact` only what is durably applied, and what every member has.

    core.step(sender, message, now_ns)              # and tick, propose, read, on_persisted, on_applied ...
    if core.has_ready():
        ready = core.ready()
        send(ready.messages)
        disk.append(ready.persist)                  # later: core.on_persisted(mark), send(messages_after)
        machine.apply(ready.entries)                # later: core.on_applied(index)

It does not apply, time, retry proposals, or know what a command is. Membership change and snapshots stand beside
these roles when they come; quorums already take both halves of a joint configuration.
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
