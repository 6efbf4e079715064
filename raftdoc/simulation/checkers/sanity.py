"""Whether enough happened for the other verdicts to mean something. What is missing makes the verdict unknown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from raftdoc.simulation.checkers.verdict import Report, report
from raftdoc.simulation.history import NEMESIS, Event


def check_sanity(
    events: Sequence[Event],
    *,
    ok_min: Mapping[str, int],
    faults_seen: Mapping[str, int] | None = None,
    unknown_share_max: float = 1.0,
) -> Report:
    """Return whether the run had a load and the faults were real.

    Args:
        ok_min: how many ok answers each kind of operation needs.
        faults_seen: by fault, how often the nodes themselves noticed it; a fault that ran has to be in it, above 0.
        unknown_share_max: of operations whose outcome stayed unknown.
    """
    counts = Counter((event.f, event.type) for event in events if event.process != NEMESIS)
    missing = [
        f"only {counts[f, 'ok']} ok answers to {f}, at least {least} are needed"
        for f, least in ok_min.items()
        if counts[f, "ok"] < least
    ]
    invoked = sum(count for (_, type_), count in counts.items() if type_ == "invoke")
    unknown = sum(count for (_, type_), count in counts.items() if type_ == "info")
    if unknown > unknown_share_max * invoked:
        missing.append(f"{unknown} of {invoked} operations have an unknown outcome")
    if not invoked:
        missing.append("no operation at all")
    return report("sanity", [], missing + _faults(events, faults_seen))


def _faults(events: Sequence[Event], seen: Mapping[str, int] | None) -> list[str]:
    """Return which faults nobody noticed, and during which no operation was under way."""
    missing = []
    running: dict[str, int] = {}
    overlapped: dict[str, bool] = {}
    pending = 0
    for event in events:
        if event.process != NEMESIS:
            pending += 1 if event.type == "invoke" else -1
            overlapped.update(dict.fromkeys(running, True))
        elif event.type == "invoke":
            running[event.f] = running.get(event.f, 0) + 1
            overlapped[event.f] = overlapped.get(event.f, False) or pending > 0
        elif running.get(event.f, 0) > 1:
            running[event.f] -= 1
        else:
            running.pop(event.f, None)
    missing += [f"no operation overlaps {fault}" for fault, is_overlapped in overlapped.items() if not is_overlapped]
    if seen is not None:
        missing += [f"no node noticed {fault}" for fault in overlapped if not seen.get(fault)]
    return missing
