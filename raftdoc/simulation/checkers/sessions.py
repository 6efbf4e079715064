"""What one client may expect of its own past, whichever node answers: its reads never go back behind what it wrote
(read-your-writes) or read (monotonic reads).

Judged by the raft index of the answers: a read that saw less than an answer the same client had before it asked is
behind. That what it saw is really the state at that index is the witness checker's business.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from raftdoc.simulation.checkers.verdict import Report, report
from raftdoc.simulation.history import Operation


def check_sessions(operations: Sequence[Operation], session_of: Callable[[Operation], object]) -> Report:
    """Return whether no session ever went back.

    Args:
        session_of: whose operation it is, None where it makes no promise: a client lives longer than its processes,
            and a plain stale read may see anything.
    """
    floors: dict[tuple[object, int], Operation] = {}
    illegal = []
    for operation in operations:
        session = session_of(operation)
        position = operation.raft
        if session is None or position is None or operation.type == "info":
            continue
        place = session, int(position.group)
        before = floors.get(place)
        if before is not None:
            assert before.raft is not None
            is_before = before.stop is not None and before.stop < operation.start
            if is_before and position.index < before.raft.index:
                illegal.append(f"session {session} went back: {operation} after {before}")
        if before is None or before.raft is None or position.index > before.raft.index:
            floors[place] = operation
    return report("sessions", illegal)
