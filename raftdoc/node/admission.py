"""Who may propose: role and budgets, checked before a command is queued."""

from __future__ import annotations

from raftdoc.errors import Draining, NotLeader, OverBudget
from raftdoc.limits import APPLY_LAG_ENTRIES_MAX, PROPOSALS_WAITING_MAX, UNCOMMITTED_BYTES_MAX_NODE
from raftdoc.node.replica import Replica


def admit(replica: Replica, *, is_draining: bool) -> None:
    """Let a command be queued on a replica, or say why not; nothing is half done.

    Raises:
        NotLeader: with the leader, where it is known.
        Draining: this node is handing its groups over.
        OverBudget: too much waits already.
    """
    if not replica.is_leader:
        raise NotLeader(replica.group, replica.core.leader)
    if is_draining:
        raise Draining("this node is handing over its groups", retry_after_ms=100)
    proposals = replica.proposals
    if proposals.waiting_count >= PROPOSALS_WAITING_MAX:
        raise OverBudget(f"{proposals.waiting_count} writes wait in group {replica.group}")
    lag = replica.core.commit_index - replica.machine.applied_index
    if lag >= APPLY_LAG_ENTRIES_MAX or replica.is_busy:
        raise OverBudget(f"{lag} entries wait to be applied in group {replica.group}")
    if proposals.in_flight_bytes > UNCOMMITTED_BYTES_MAX_NODE:
        raise OverBudget("too many bytes wait to be committed")
