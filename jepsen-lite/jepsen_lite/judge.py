"""Every checker over a run directory, offline: the run itself is not needed."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from jepsen_lite.cluster_checks import check_cluster
from jepsen_lite.exchange import position_of
from jepsen_lite.nemesis import TARGETS
from jepsen_lite.options import Options, read_test
from jepsen_lite.workloads.registry import WORKLOADS
from jepsen_lite.workloads.workload import Evidence
from raftdoc.simulation.checkers.resolution import resolve
from raftdoc.simulation.checkers.sanity import check_sanity
from raftdoc.simulation.checkers.verdict import Report, Verdict, report, worst
from raftdoc.simulation.history import NEMESIS, Event, RaftPosition, operations, read_history

REQUESTS = "requests.json"
UPDATED = 200
"""What an update is answered with, also one that meant no document; a deletion has another status."""
UNKNOWN_SHARE_MAX = 0.3
NOTICEABLE_NS = 1_000_000_000
"""A fault that was on for less is no fault that was asked for."""
STAMP_NS_MAX = 250_000_000
"""Between an answer and its line in the history."""

Exchanges: TypeAlias = Sequence[tuple[int, int, int]]
"""The index of an invocation, when its request left, when its answer was there."""
EXPECTED_ERRORS = frozenset(
    (
        "no_leader", "not_leader", "over_budget", "draining", "not_ready", "unavailable", "not_hosted", "disk_full",
        "outcome_unknown", "deadline_exceeded", "staleness_not_met", "timeout", "change_pending",
        "precondition_failed", "duplicate_key", "document_not_found", "cas-mismatch", "empty",
        "broken: ConnectionResetError", "broken: BrokenPipeError", "broken: IncompleteReadError",
    )
)  # fmt: skip
"""What a client may meet while things are broken. Anything else is a bug of the product or of the harness."""


class Judgement(NamedTuple):
    verdict: Verdict
    reports: list[Report]


def judge(directory: Path) -> Judgement:
    """Judge a run, and write results.json."""
    options, found = read_test(directory), _read(directory, "run.json")
    events = list(read_history(directory / "history.jsonl"))
    evidence = evidence_of(directory, events, found)
    workload = WORKLOADS[options.workload]()
    reports = [*_guarded(options.workload, lambda: type(workload).check(evidence))]
    if workload.is_resolved:
        reports += _guarded("resolution", lambda: [_resolution(evidence)])
    reports += _guarded("errors", lambda: [_check_errors(events)])
    reports += _guarded("cluster", lambda: [check_cluster(found, directory, logs_of(directory))])
    exchanges = _read(directory, "exchanges.json")
    reports += _guarded("sanity", lambda: [_sanity(events, options, workload.ok_min, found, exchanges)])
    reports.append(report("run", [], list(found["troubles"])))
    judgement = Judgement(worst(one.verdict for one in reports), reports)
    _write_results(directory, judgement, events)
    return judgement


def summary(directory: Path) -> dict[str, Any]:
    """Return a run in numbers: operations by outcome, how often its faults were noticed, what the machine withheld."""
    found = _read(directory, "run.json")
    events = read_history(directory / "history.jsonl")
    counts = Counter(event.type for event in events if event.process != NEMESIS and event.type != "invoke")
    return {"operations": dict(counts), "seen": found.get("seen", {}), "starved_s": found.get("starved_s", 0.0)}


def _guarded(name: str, check: Callable[[], Sequence[Report]]) -> list[Report]:
    """Return what a checker says; one that cannot make sense of its input leaves the verdict unknown."""
    try:
        return list(check())
    except (ValueError, KeyError, TypeError, AssertionError, IndexError, AttributeError) as error:
        return [report(name, [], [f"the checker raised {error!r}"])]


def evidence_of(directory: Path, events: Sequence[Event], found: Mapping[str, Any]) -> Evidence:
    is_looked_up = (directory / REQUESTS).exists()
    # A workload's last look means nothing beside keys that nobody asked for.
    final = found.get("final") if is_looked_up else None
    return Evidence(
        events, operations(events), effects_of(directory, events), final, is_looked_up, found.get("starved_s", 0.0)
    )


def effects_of(directory: Path, events: Sequence[Event]) -> dict[str, list[RaftPosition]]:
    """Return where each write took effect that did, by idempotency key; empty where the cluster was not asked."""
    requests = _read(directory, REQUESTS) if (directory / REQUESTS).exists() else {}
    answered = {one.id for one in operations(events) if one.type == "ok"}
    return {
        id_: _places(record)
        for id_, record in requests.items()
        if record is not None and (id_ in answered or not _is_of_nothing(record))
    }


def _is_of_nothing(record: Mapping[str, Any]) -> bool:
    """Return whether a write found nothing to change: an effect only for who was answered so."""
    return record["etag"] is None and record["status"] == UPDATED


def _resolution(evidence: Evidence) -> Report:
    if not evidence.is_looked_up:
        return report("resolution", [], ["the cluster was not asked about its keys: it did not heal"])
    return resolve(evidence.operations, evidence.effects).report


def _places(record: Mapping[str, Any]) -> list[RaftPosition]:
    """Return where the write of a looked up key took effect."""
    if record["outcome"] != "applied":
        return []
    group = int(record["index"].split(":")[0])
    if record["etag"] is None:
        # A deletion leaves no revision: that it happened is known, not where.
        return [RaftPosition(group, -1, 0, "")]  # type: ignore[arg-type]
    return [position_of(record["etag"], group)]


def _check_errors(events: Sequence[Event]) -> Report:
    """Return whether clients met only what they may."""
    counts = Counter(event.error for event in events if event.error is not None and event.process != NEMESIS)
    strange = [
        f"{count} times {error}"
        for error, count in counts.items()
        if error not in EXPECTED_ERRORS and not error.startswith("unreachable")
    ]
    return report("errors", strange)


def _sanity(
    events: Sequence[Event], options: Options, ok_min: Mapping[str, int], found: Mapping[str, Any], exchanges: Exchanges
) -> Report:
    brief = _brief(events)
    faults = [event for event in events if event.process != NEMESIS or event.f not in {TARGETS, *brief}]
    least = {f: max(1, int(count * options.seconds / 10)) for f, count in ok_min.items()}
    checked = check_sanity(faults, ok_min=least, faults_seen=found.get("seen", {}), unknown_share_max=UNKNOWN_SHARE_MAX)
    ran = {event.f for event in faults if event.process == NEMESIS}
    missing = [f"{name} was asked for and never ran long enough" for name in options.nemesis if name not in ran]
    if options.has_packages:
        # A package is a random choice: some of the faults have to have run.
        missing = [] if ran else ["no fault ran"]
    missing += _stamps(events, exchanges)
    skipped = [f"{name} cannot be had here: {why}" for name, why in found.get("skipped", {}).items()]
    return report("sanity", [], [*checked.details, *missing, *skipped])


def _brief(events: Sequence[Event]) -> set[str]:
    """Return the faults that were on for too short a time, all in all, for anybody to notice: the run was over."""
    began: dict[str, int] = {}
    took: Counter[str] = Counter()
    for event in events:
        if event.process == NEMESIS and event.type == "invoke":
            began[event.f] = event.time
        elif event.process == NEMESIS and event.f in began:
            took[event.f] += event.time - began.pop(event.f)
    return {name for name, ns in took.items() if ns < NOTICEABLE_NS}


def _stamps(events: Sequence[Event], exchanges: Exchanges) -> list[str]:
    """Return what the recorder stamped at another time than the senders' own watch says."""
    completed: dict[int, int] = {}
    stops: dict[int, Event] = {}
    for event in events:
        if event.type == "invoke":
            completed[event.process] = event.index
        elif event.process != NEMESIS:
            stops[completed[event.process]] = event
    wrong = []
    for start, sent_ns, received_ns in exchanges:
        if events[start].time > sent_ns:
            wrong.append(f"the invocation {start} was recorded after its request had left")
        if start in stops and not 0 <= stops[start].time - received_ns <= STAMP_NS_MAX:
            wrong.append(f"the completion of {start} was recorded at another time than it came")
    if not exchanges:
        wrong.append("no sender kept its own times")
    return wrong


def _read(directory: Path, name: str) -> Any:
    return json.loads((directory / name).read_text())


def logs_of(directory: Path) -> Any:
    """Return the logs of the nodes as `read_logs` saw them, by node."""
    return _read(directory, "logs.json") if (directory / "logs.json").exists() else {}


def _write_results(directory: Path, judgement: Judgement, events: Sequence[Event]) -> None:
    counts = Counter(f"{event.f} {event.type}" for event in events if event.process != NEMESIS)
    results = {
        "verdict": judgement.verdict.value,
        "reports": [
            {"checker": one.checker, "verdict": one.verdict.value, "details": one.details} for one in judgement.reports
        ],
        "counts": dict(sorted(counts.items())),
    }
    (directory / "results.json").write_text(json.dumps(results, indent=1) + "\n")
