"""The pages of a run, and the page of all runs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from jepsen_lite.judge import effects_of, evidence_of, logs_of
from jepsen_lite.options import read_test
from jepsen_lite.views.failure import failure
from jepsen_lite.views.page import Scale, bands_of, colour_of, legend, linked, names_of, page, section, verdict
from jepsen_lite.views.plots import COLOURS, ROLE_COLOURS, WORDS, faults, latencies, leaders, rates
from jepsen_lite.views.timeline import Run, name_of, page_of, timeline
from jepsen_lite.workloads.register import known_of
from raftdoc.simulation.checkers.linearizability import Limits, check_keys
from raftdoc.simulation.checkers.models import REGISTER
from raftdoc.simulation.checkers.verdict import Verdict
from raftdoc.simulation.history import Event, HistoryInvalid, operations, read_history

REPORT = "report.html"
INDEX = "index.html"
LINKED = ("timeline.html", "test.json", "history.jsonl", "results.json", "run.json", "roles.json", "nodes")
OUTCOMES = ("ok", "fail", "info")
ROLES_TOLD = ("leader", "follower", "pre_candidate", "candidate")


def write_report(directory: Path) -> Path:
    """Write report.html and the timeline of a run, and the index above it. Return the report's path."""
    results = json.loads((directory / "results.json").read_text())
    events = list(read_history(directory / "history.jsonl"))
    title = _title(directory)
    parts = [
        f"<p class='quiet'>{_facts(directory, events)}</p>",
        f"<p class='quiet'><a href='../{INDEX}'>all runs</a> · "
        + " · ".join(f'<a href="{name}">{name}</a>' for name in LINKED)
        + "</p>",
        _verdicts(results),
        *_failures(directory, results),
        *_plots(directory, events),
        _counts(results),
    ]
    (directory / REPORT).write_text(page(title, parts, badge=results["verdict"]))
    _write_timeline(directory, title, events)
    write_index(directory.parent)
    return directory / REPORT


def _title(directory: Path) -> str:
    options = read_test(directory)
    nemesis = "packages of faults" if options.has_packages else ", ".join(options.nemesis) or "no fault"
    return f"{options.workload} with {nemesis}"


def _facts(directory: Path, events: Sequence[Event]) -> str:
    options = read_test(directory)
    test = json.loads((directory / "test.json").read_text())
    return escape(
        f"{options.nodes} nodes, {options.replicas} replicas, {options.clients} clients, {options.seconds:g} s, "
        f"seed {options.seed}; "
        f"{len(events)} events; raftdoc {test['raftdoc']} {test['commit']}, Python {test['python']}"
    )


def _verdicts(results: Mapping[str, Any]) -> str:
    rows = "".join(
        f"<tr><td style='width:130px'>{escape(one['checker'])}</td>"
        f"<td style='width:80px'>{verdict(one['verdict'])}</td>"
        f"<td>{'<br>'.join(f'<code>{linked(detail, page_of)}</code>' for detail in one['details'])}</td></tr>"
        for one in results["reports"]
    )
    return section("Verdicts", f"<table>{rows}</table>")


def _plots(directory: Path, events: Sequence[Event]) -> list[str]:
    times = [event.time for event in events]
    bands, scale = bands_of(events), Scale(min(times, default=0), max(times, default=1))
    changes = json.loads((directory / "roles.json").read_text())
    outcomes = legend((WORDS[name], colour) for name, colour in COLOURS.items())
    roles = legend((name, ROLE_COLOURS[name]) for name in ROLES_TOLD)
    broken = [section("What was broken", faults(bands, scale))] if bands else []
    return [
        *broken,
        section("Leaders and terms", roles, leaders(changes, bands, scale)),
        section("Latency", outcomes, latencies(events, bands, scale)),
        section("Rate", outcomes, rates(events, bands, scale)),
    ]


def _counts(results: Mapping[str, Any]) -> str:
    kinds = dict.fromkeys(name.rsplit(" ", 1)[0] for name in results["counts"])
    head = (
        "<tr><th>operation</th>" + "".join(f"<th class='count'>{WORDS[outcome]}</th>" for outcome in OUTCOMES) + "</tr>"
    )
    rows = "".join(
        f"<tr><td>{escape(kind)}</td>"
        + "".join(f"<td class='count'>{results['counts'].get(f'{kind} {outcome}', 0)}</td>" for outcome in OUTCOMES)
        + "</tr>"
        for kind in kinds
    )
    return section("Operations", f"<table>{head}{rows}</table>")


def _failures(directory: Path, results: Mapping[str, Any]) -> list[str]:
    """Return what the search found of each key that is not ok."""
    verdicts = {one["checker"]: one["verdict"] for one in results["reports"]}
    if verdicts.get("linearizability", "ok") == "ok":
        return []
    try:
        events = list(read_history(directory / "history.jsonl"))
        evidence = evidence_of(directory, events, json.loads((directory / "run.json").read_text()))
        found = check_keys(known_of(evidence), REGISTER, Limits())
    except HistoryInvalid as error:
        return [section("The history is none", f"<code>{escape(str(error))}</code>")]
    return [failure(one) for one in found if one.verdict is not Verdict.OK]


def _write_timeline(directory: Path, title: str, events: Sequence[Event]) -> None:
    bands = bands_of(events)
    run = Run(
        operations(events),
        bands,
        [event.time for event in events],
        read_test(directory).clients,
        effects_of(directory, events),
        logs_of(directory),
    )
    colours = [(WORDS[name], colour) for name, colour in COLOURS.items()]
    colours += [(name, colour_of(name, bands)) for name in names_of(bands)]
    for number in range(run.page_count):
        ways = [f"<a href='{REPORT}'>report</a>"]
        ways += [f"<a href='{name_of(at)}'>page {at + 1}</a>" for at in range(run.page_count) if run.page_count > 1]
        parts = [f"<p class='quiet'>{' · '.join(ways)}</p>", legend(colours), timeline(run, number)]
        (directory / name_of(number)).write_text(page(title, parts))


def write_index(store: Path) -> Path:
    """Write the page of all runs of a store, the newest first."""
    rows, verdicts = [], Counter[str]()
    for path in sorted(store.glob("*/results.json"), reverse=True):
        verdicts[json.loads(path.read_text())["verdict"]] += 1
        rows.append(_index_row(path))
    head = "".join(f"<th>{name}</th>" for name in ("run", "", "with", "nodes", "seconds"))
    head += "".join(f"<th class='count'>{word}</th>" for word in WORDS.values())
    counts = " ".join(f"{verdict(word)} {count}" for word, count in sorted(verdicts.items()))
    parts = [f"<p>{counts}</p>", f"<section><table><tr>{head}</tr>{''.join(rows)}</table></section>"]
    (store / INDEX).write_text(page("All runs", parts))
    return store / INDEX


def _index_row(path: Path) -> str:
    results, options = json.loads(path.read_text()), read_test(path.parent)
    name = path.parent.name
    totals: Counter[str] = Counter()
    for kind, count in results["counts"].items():
        totals[kind.rsplit(" ", 1)[1]] += count
    when = f"{name[4:6]}-{name[6:8]} {name[9:11]}:{name[11:13]}:{name[13:15]}"
    nemesis = "packages" if options.has_packages else ", ".join(options.nemesis)
    counts = "".join(f"<td class='count'>{totals[outcome]}</td>" for outcome in OUTCOMES)
    return (
        f"<tr><td><a href='{escape(name)}/{REPORT}'>{escape(options.workload)}</a> "
        f"<span class='quiet'>{escape(when)}</span></td><td>{verdict(results['verdict'])}</td>"
        f"<td>{escape(nemesis)}</td><td>{options.nodes}</td><td>{options.seconds:g}</td>{counts}</tr>"
    )
