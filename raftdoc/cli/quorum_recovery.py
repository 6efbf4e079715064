"""The loss of a quorum, made good on one stopped node: its groups go on with those who are left.

A group that has lost its majority elects nobody, and cannot agree on going on without it. So its configuration is
rewritten from outside: one entry more at the end of this node's log, which names the survivors as the only voters.
Whatever only the lost nodes had is gone, acknowledged or not. That is why nothing here runs by itself.

Each survivor is recovered for itself, and each appends to a log of its own length. For two of them never to hold
different entries under one index and term, which replication could not tell apart, the entry's term is unlike any
other: terms rise to the next multiple of TERM_BLOCK, and each survivor has its own one behind it. Elections go on
above all of those.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from raftdoc.cli.stopped_node import StoppedNode
from raftdoc.ids import GroupId, Index, NodeId, Term
from raftdoc.raft import Configuration
from raftdoc.raft.membership import decode_configuration, encode_configuration
from raftdoc.raft.messages import Entry, EntryKind, HardState
from raftdoc.raft.quorum import has_quorum
from raftdoc.storage.data_directory import DataDirectory
from raftdoc.storage.log.log import LogRecord, SharedLog, log_record

TERM_BLOCK: Final = 1 << 20
"""More elections than a cluster sees in its life."""
ELECTIONS_AFTER: Final = 1 << 12
"""Behind the start of a block, above the terms of all survivors."""
ENTRIES_MAX: Final = 1 << 40


class GroupPlan(NamedTuple):
    """What is to be done for one group on this node."""

    group: GroupId
    database: str | None
    voters: tuple[NodeId, ...]
    """As they are."""
    survivors: tuple[NodeId, ...]
    """Of them, who is left; empty: the group is lost."""
    is_rewritten: bool
    """False: the survivors are a majority, or this node is none of them."""


def plans(node: StoppedNode, survivors: Sequence[NodeId]) -> Iterator[GroupPlan]:
    """Yield what is to be done for each group of the node, by group.

    Raises:
        LogCorrupt, StateCorrupt: as at a start of the node.
    """
    for report in node.groups():
        configuration = configuration_of(node, report.group)
        voters = configuration.all_voters()
        left = tuple(sorted(voter for voter in voters if voter in survivors))
        has_majority = bool(voters) and has_quorum(configuration, survivors)
        is_rewritten = not has_majority and node.identity.node in left
        yield GroupPlan(report.group, report.database, voters, left, is_rewritten)


def configuration_of(node: StoppedNode, group: GroupId) -> Configuration:
    """Return the newest configuration in a group's log, committed or not: it is the one in force."""
    found = node.log.groups[group].configuration
    for entry in node.entries(group, Index(1), ENTRIES_MAX):
        if entry.kind == EntryKind.CONFIGURATION:
            found = decode_configuration(entry.payload)
    return found


def rewrite(path: Path, node: NodeId, todo: Iterable[GroupPlan], survivors: Sequence[NodeId]) -> None:
    """Append the new configurations to the log of the node, all of them in one frame; durable on return.

    Raises:
        DataDirectoryLocked: the node runs.
        LogCorrupt, OSError: nothing was changed, or what was is not known: run it again.
    """
    identity = DataDirectory.identity_at(path)
    directory = DataDirectory.open(path, cluster=identity.cluster, node=identity.node)
    try:
        log = SharedLog.open(directory.log_path)
        try:
            pending = log.append([_record(log, plan, node, survivors) for plan in todo])
            log.write([pending])
            log.durable(pending)
        finally:
            log.close()
    finally:
        directory.close()


def _record(log: SharedLog, plan: GroupPlan, node: NodeId, survivors: Sequence[NodeId]) -> LogRecord:
    recovered = log.groups[plan.group]
    block = Term((recovered.hard_state.term // TERM_BLOCK + 1) * TERM_BLOCK)
    own_term = Term(block + sorted(survivors).index(node))
    payload = encode_configuration(Configuration(plan.survivors))
    time_ms = int(time.time() * 1000)
    entry = Entry(Index(recovered.last_index + 1), own_term, EntryKind.CONFIGURATION, time_ms, payload)
    hard_state = HardState(Term(block + ELECTIONS_AFTER), None, recovered.hard_state.commit)
    return log_record(plan.group, entries=(entry,), hard_state=hard_state)
