"""Sets and counters: one read at the end, or many on the way.

add e; read -> elements         nothing acknowledged is missing, nothing is there that nobody added, nothing twice
add n; read -> number           every read lies between what must have been added and what may have been
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from itertools import accumulate

from raftdoc.simulation.checkers.models import freeze
from raftdoc.simulation.checkers.verdict import Report, report
from raftdoc.simulation.history import Operation

READS = frozenset(("get", "read"))


def check_set(operations: Sequence[Operation]) -> Report:
    """Judge the last read of all elements; without an ok read after the last add the verdict is unknown."""
    adds = [operation for operation in operations if operation.f == "add"]
    reads = [operation for operation in operations if operation.f in READS and operation.type == "ok"]
    last_stop = max((operation.stop for operation in adds if operation.stop is not None), default=-1)
    final = next((operation for operation in reversed(reads) if operation.start > last_stop), None)
    if final is None:
        return report("set", [], ["no read of the set after the last add"])
    return report("set", _judge(final.result, adds))


def _judge(elements: Sequence[object], adds: Sequence[Operation]) -> list[str]:
    counts: Counter[Hashable] = Counter(freeze(element) for element in elements)
    acknowledged = [freeze(operation.value) for operation in adds if operation.type == "ok"]
    possible = {freeze(operation.value) for operation in adds if operation.type != "fail"}
    illegal = [f"lost: {element!r}" for element in acknowledged if element not in counts]
    illegal += [f"from nowhere: {element!r}" for element in counts if element not in possible]
    illegal += [f"{count} times: {element!r}" for element, count in counts.items() if count > 1]
    return illegal


def check_counter(operations: Sequence[Operation]) -> Report:
    """Judge every read of a counter that begins at 0 and to which numbers of either sign are added.

    A read sees at least the additions acknowledged before it began, at most those invoked before it was over, and of
    each sign whatever happens to be worse.
    """
    size = 1 + max((operation.stop or operation.start for operation in operations), default=0)
    lower, upper = [0] * size, [0] * size
    for operation in operations:
        if operation.f == "add" and operation.type != "fail":
            grows, shrinks = (upper, lower) if operation.value >= 0 else (lower, upper)
            grows[operation.start] += operation.value
            if operation.stop is not None:
                shrinks[operation.stop] += operation.value
    # Of a number of which it is not known whether it counts yet, the lower bound takes what is negative, the upper
    # bound what is positive.
    lower, upper = list(accumulate(lower)), list(accumulate(upper))
    illegal = []
    for operation in operations:
        if operation.f in READS and operation.type == "ok":
            assert operation.stop is not None
            least = min(lower[operation.start : operation.stop + 1])
            most = max(upper[operation.start : operation.stop + 1])
            if not least <= operation.result <= most:
                illegal.append(f"read {operation.result}, which is not from {least} to {most}: {operation}")
    return report("counter", illegal)
