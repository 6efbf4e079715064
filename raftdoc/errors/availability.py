"""Nobody's fault: what a node cannot do now, or did too late to say how it went."""

from __future__ import annotations

from typing import Final

from raftdoc.errors.root import RaftdocError
from raftdoc.ids import GroupId, Index, NodeId


class Unavailable(RaftdocError):
    """Nothing was done; the same request may succeed after `retry_after_ms`."""

    code = "unavailable"
    title = "Not available now"
    retryable = True

    def __init__(self, detail: str, *, retry_after_ms: int = 1000) -> None:
        super().__init__(detail)
        self.retry_after_ms = retry_after_ms


class NotLeader(Unavailable):
    code = "not_leader"
    title = "This node does not lead the group"

    def __init__(self, group: GroupId, leader: NodeId | None) -> None:
        super().__init__(f"this node does not lead group {group}; leader: {leader or 'not known'}", retry_after_ms=100)
        self.group = group
        self.leader = leader


class NoLeader(Unavailable):
    code = "no_leader"
    title = "The group has no leader now"


class NotHosted(Unavailable):
    """This node has no replica of the group; `hosts` have, as far as it knows."""

    code = "not_hosted"
    title = "The data is on other nodes"

    def __init__(self, group: GroupId, hosts: tuple[NodeId, ...]) -> None:
        super().__init__(f"this node has no replica of group {group}; ask {', '.join(hosts)}", retry_after_ms=100)
        self.group = group
        self.hosts = hosts


class OverBudget(Unavailable):
    code = "over_budget"
    title = "Too much work is waiting"


class Draining(Unavailable):
    code = "draining"
    title = "This node is stopping"


class NotReady(Unavailable):
    code = "not_ready"
    title = "This node is not ready to serve"

    def __init__(self, missing: tuple[str, ...]) -> None:
        super().__init__("; ".join(missing))
        self.missing = missing


class StalenessNotMet(Unavailable):
    code = "staleness_not_met"
    title = "This node's data may be older than asked for"


class DeadlineExceeded(RaftdocError):
    code = "deadline_exceeded"
    title = "The deadline passed"
    retryable = True


class OutcomeUnknown(RaftdocError):
    code = "outcome_unknown"
    title = "What became of the write is not known"
    retryable = True

    def __init__(self, detail: str) -> None:
        super().__init__(detail, outcome="unknown")


class DiskFull(RaftdocError):
    code = "disk_full"
    title = "The disk is full"
    retryable = True


class Compacted(RaftdocError):
    code = "compacted"
    title = "Older than what is kept"

    def __init__(self, index: Index, first: Index) -> None:
        super().__init__(f"index {index} is compacted; the first kept is {first}")
        self.index = index
        self.first = first


NOT_NOW: Final = (Unavailable, DeadlineExceeded, OutcomeUnknown, DiskFull)
"""What passes: whoever works in the background goes on, and tries again later."""
