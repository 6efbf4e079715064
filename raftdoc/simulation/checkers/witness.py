"""One pass over a history whose answers say where in the log they come from.

The raft index proposes an order: writes at their entry, reads after the last entry they saw. If the model allows that
order and real time agrees with it, the history is linearizable; nothing has to be searched.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from raftdoc.simulation.checkers.models import ILLEGAL, Call, Model, State
from raftdoc.simulation.checkers.verdict import Report, report
from raftdoc.simulation.history import Operation, RaftPosition

STALE_READS = frozenset(("stale-get",))
"""Reads of any state there was: their place in the log is checked, not when they happened."""


class _Placed(NamedTuple):
    position: RaftPosition
    is_read: bool
    operation: Operation
    call: Call

    @property
    def order(self) -> tuple[int, int, bool, int]:
        """A read sees all of the entry that it says."""
        return self.position.group, self.position.index, self.is_read, self.position.ordinal or 0


def check_witness(
    operations: Sequence[Operation],
    model: Model,
    *,
    placed: Mapping[str, RaftPosition] | None = None,
    stale_reads: Collection[str] = STALE_READS,
) -> Report:
    """Return whether the order of the raft indexes explains every answer.

    Args:
        placed: where unknown writes took effect, by their idempotency key. Those that are not in it did not take
            effect; without it, a key with an unknown write that does not fit is undecided.
        stale_reads: names of reads that need not see what was there when they were asked.
    """
    illegal: list[str] = []
    unknown: list[str] = []
    order = _place(operations, model, placed or {}, stale_reads, unknown)
    order.sort(key=lambda one: one.order)
    loose = _unordered(order)
    if placed is None:
        loose |= {one.key for one in operations if one.type == "info"}
    for message, key in (*_replay(order, model), *_real_time(order, stale_reads)):
        (unknown if key in loose else illegal).append(message)
    return report("witness", illegal, unknown)


def _place(
    operations: Sequence[Operation],
    model: Model,
    placed: Mapping[str, RaftPosition],
    stale_reads: Collection[str],
    unknown: list[str],
) -> list[_Placed]:
    order = []
    for operation in operations:
        is_stale = operation.f in stale_reads
        call = model.call_of(operation._replace(f="get") if is_stale else operation)
        if call is None:
            continue
        position = operation.raft or placed.get(operation.id or "")
        if position is not None:
            is_read = position.ordinal is None and model.is_pure(call)
            order.append(_Placed(position, is_read, operation, call))
        elif operation.type != "info":
            unknown.append(f"an answer without its place in the log: {operation}")
    return order


def _unordered(order: Sequence[_Placed]) -> set[str | None]:
    """Return the keys of which several commands are in one entry, and it is not known in which order."""
    found = set()
    for before, after in pairwise(one for one in order if not one.is_read):
        if before.position[:2] == after.position[:2] and None in {before.position.ordinal, after.position.ordinal}:
            found |= {before.operation.key, after.operation.key}
    return found


def _replay(order: Sequence[_Placed], model: Model) -> list[tuple[str, str | None]]:
    """Return what the model does not allow in this order; a key is left alone after its first fault."""
    states: dict[str | None, State] = {}
    faults: list[tuple[str, str | None]] = []
    for one in order:
        key = one.operation.key
        before = states.get(key, model.initial)
        if before is ILLEGAL:
            continue
        states[key] = after = model.step(before, one.call)
        if after is ILLEGAL:
            faults.append((f"key {key}: holds {before!r} at index {one.position.index}, but {one.operation}", key))
    return faults


def _real_time(order: Sequence[_Placed], stale_reads: Collection[str]) -> list[tuple[str, str | None]]:
    """Return who comes after an operation that began only when it was over, key by key."""
    latest: dict[tuple[int, str | None], Operation] = {}
    faults: list[tuple[str, str | None]] = []
    for one in order:
        operation = one.operation
        if operation.f in stale_reads:
            continue
        place = int(one.position.group), operation.key
        before = latest.get(place)
        if before is not None and operation.stop is not None and operation.stop < before.start:
            faults.append((f"{operation} was over before {before} began, whose place is earlier", operation.key))
        if before is None or operation.start > before.start:
            latest[place] = operation
    return faults
