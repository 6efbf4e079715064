"""What the clients of a world saw, judged when it is over (I13)."""

from __future__ import annotations

from raftdoc.raft.invariants import require
from raftdoc.simulation.checkers.linearizability import Limits, check_linearizability
from raftdoc.simulation.checkers.models import REGISTER
from raftdoc.simulation.checkers.resolution import resolve, settled
from raftdoc.simulation.checkers.sanity import check_sanity
from raftdoc.simulation.checkers.sessions import check_sessions
from raftdoc.simulation.checkers.sets import check_counter
from raftdoc.simulation.checkers.verdict import Verdict
from raftdoc.simulation.checkers.witness import check_witness
from raftdoc.simulation.history import Operation, operations
from raftdoc.simulation.nodes.clients import COUNTER, session_of_process
from raftdoc.simulation.nodes.world import World

WEAK_READS = frozenset(("stale-get", "min-get"))
LIMITS = Limits(configurations_max=200_000, steps_max=2_000_000)


def judge(world: World) -> None:
    """Judge the history of a world that has run.

    Raises:
        InvariantBroken: I13 does not hold, or cannot be told to hold.
    """
    events = world.recorder.events
    history = operations(events)
    resolution = resolve(history, world.watch.effects)
    registers = [operation for operation in history if operation.key != COUNTER]
    strong = [operation for operation in registers if operation.f not in WEAK_READS]
    counted = [operation for operation in history if operation.key == COUNTER]
    reports = (
        resolution.report,
        check_witness(registers, REGISTER, placed=resolution.placed, stale_reads=WEAK_READS),
        check_linearizability(settled(strong, resolution), REGISTER, LIMITS),
        check_counter(counted),
        check_sessions(history, _session_of),
        check_sanity(events, ok_min={"get": 1}),
    )
    world.counts["unknown_applied"] += resolution.applied_count
    world.counts["unknown_never"] += resolution.never_count
    for report in reports:
        require(report.verdict is Verdict.OK, f"I13: {report.checker}: {report.verdict.value}", *report.details[:3])


def _session_of(operation: Operation) -> object:
    return None if operation.f == "stale-get" else session_of_process(operation.process)
