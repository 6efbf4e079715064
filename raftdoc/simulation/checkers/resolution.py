"""What became of the writes: from the committed log, which says of every idempotency key where it took effect.

A write that was acknowledged took effect once; one that failed never did; one of which nobody knows, at most once.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import NamedTuple

from raftdoc.simulation.checkers.verdict import Report, report
from raftdoc.simulation.history import Operation, RaftPosition

OBSERVED = frozenset(("cas-mismatch", "precondition_failed", "duplicate_key", "document_not_found"))
"""Errors that are themselves answers of the state machine: the command was applied, and changed nothing."""


class Resolution(NamedTuple):
    report: Report
    placed: dict[str, RaftPosition]
    """Where each unknown write took effect that did, by idempotency key."""
    applied_count: int
    never_count: int


def resolve(operations: Sequence[Operation], effects: Mapping[str, Sequence[RaftPosition]]) -> Resolution:
    """Compare what clients were told with `effects`: where, every time, the write of a key took effect."""
    illegal: list[str] = []
    placed: dict[str, RaftPosition] = {}
    never_count = 0
    known = {operation.id for operation in operations if operation.id is not None}
    illegal += [f"a phantom: {key} took effect, and nobody sent it" for key in effects if key not in known]
    for operation in operations:
        if operation.id is None:
            continue
        found = effects.get(operation.id, ())
        fault = _fault(operation, found)
        if fault is not None:
            illegal.append(f"{fault}: {operation}")
        elif operation.type == "info":
            if found:
                placed[operation.id] = found[0]
            else:
                never_count += 1
    return Resolution(report("resolution", illegal), placed, len(placed), never_count)


def settled(operations: Sequence[Operation], resolution: Resolution) -> list[Operation]:
    """Return the operations with what the log says of unknown writes, so that nobody has to guess about them.

    Those that never took effect are left out. Those that did were done before the first answer that speaks of a place
    behind theirs in the log; where nothing does, it stays open when.
    """
    answers = _first_answers(operations)
    found = []
    for operation in operations:
        if operation.type != "info" or operation.id is None:
            found.append(operation)
        elif operation.id in resolution.placed:
            place = resolution.placed[operation.id]
            indexes, stops = answers.get(place.group, ([], []))
            later = bisect_right(indexes, place.index)
            # An answer that was there before the question is the witness' to judge.
            known = later < len(stops) and stops[later] > operation.start
            found.append(operation._replace(type="ok", stop=stops[later]) if known else operation)
    return found


def _first_answers(operations: Sequence[Operation]) -> dict[int, tuple[list[int], list[int]]]:
    """Return by group the rising log indexes in answers, and for each the first answer at it or behind it."""
    by_group: dict[int, list[tuple[int, int]]] = {}
    for operation in operations:
        if operation.raft is not None and operation.stop is not None:
            by_group.setdefault(operation.raft.group, []).append((operation.raft.index, operation.stop))
    found = {}
    for group, pairs in by_group.items():
        pairs.sort()
        stops = list(accumulate((stop for _, stop in reversed(pairs)), min))
        found[group] = [index for index, _ in pairs], stops[::-1]
    return found


def _fault(operation: Operation, found: Sequence[RaftPosition]) -> str | None:
    if len(found) > 1:
        return f"took effect {len(found)} times, at {list(found)}"
    if operation.type == "ok" and not found:
        return "was acknowledged and never took effect"
    if operation.type == "ok" and operation.raft is not None:
        told = operation.raft[:2]
        return None if told == found[0][:2] else f"was told to be at {told}, and is at {found[0]}"
    if operation.type == "fail" and found:
        return f"failed for certain, and took effect at {found[0]}"
    return None
