"""The pages of a run, and the page of all runs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from jepsen_lite.options import read_test
from jepsen_lite.views.page import bands_of, page
from jepsen_lite.views.plots import latencies, leaders, rates
from jepsen_lite.views.timeline import failure, scale_of, timeline
from raftdoc.simulation.checkers.linearizability import Limits, check_keys
from raftdoc.simulation.checkers.models import REGISTER
from raftdoc.simulation.checkers.verdict import Verdict
from raftdoc.simulation.history import HistoryInvalid, operations, read_history

REPORT = "report.html"
TIMELINE = "timeline.html"
LINKED = (TIMELINE, "history.jsonl", "results.json", "run.json")


def write_report(directory: Path) -> Path:
    """Write report.html and timeline.html of a run, and the index above it. Return the report's path."""
    options = read_test(directory)
    results = json.loads((directory / "results.json").read_text())
    events = list(read_history(directory / "history.jsonl"))
    times = [event.time for event in events]
    bands, scale = bands_of(events), scale_of(times)
    changes = json.loads((directory / "roles.json").read_text())
    title = f"{options.workload} with {', '.join(options.nemesis) or 'no fault'}, seed {options.seed}"
    parts = [
        _verdict(results),
        "<p>" + " · ".join(f'<a href="{name}">{name}</a>' for name in LINKED) + "</p>",
        "<h2>Leaders and terms</h2>",
        leaders(changes, bands, scale),
        "<h2>Latency (green ok, orange fail, red unknown; faults are bands)</h2>",
        latencies(events, bands, scale),
        "<h2>Rate</h2>",
        rates(events, bands, scale),
        _counts(results),
        *_failures(directory, options.workload, results),
    ]
    (directory / REPORT).write_text(page(title, parts))
    (directory / TIMELINE).write_text(page(title, [timeline(operations(events), bands, times, options.clients)]))
    write_index(directory.parent)
    return directory / REPORT


def _verdict(results: Mapping[str, Any]) -> str:
    rows = "".join(
        f"<tr><td>{escape(one['checker'])}</td><td class='{one['verdict']}'>{one['verdict']}</td>"
        f"<td>{'<br>'.join(escape(detail) for detail in one['details'])}</td></tr>"
        for one in results["reports"]
    )
    return f"<p class='{results['verdict']}'>{results['verdict']}</p><table>{rows}</table>"


def _counts(results: Mapping[str, Any]) -> str:
    rows = "".join(f"<tr><td>{escape(name)}</td><td>{count}</td></tr>" for name, count in results["counts"].items())
    return f"<h2>Operations</h2><table>{rows}</table>"


def _failures(directory: Path, workload: str, results: Mapping[str, Any]) -> list[str]:
    """Return what the search found of each key that is not ok."""
    verdicts = {one["checker"]: one["verdict"] for one in results["reports"]}
    if workload != "register" or verdicts.get("linearizability") == "ok":
        return []
    try:
        found = check_keys(operations(read_history(directory / "history.jsonl")), REGISTER, Limits())
    except HistoryInvalid as error:
        return [f"<pre>{escape(str(error))}</pre>"]
    return [failure(one) for one in found if one.verdict is not Verdict.OK]


def write_index(store: Path) -> Path:
    """Write the page of all runs of a store, the newest first."""
    rows = []
    for path in sorted(store.glob("*/results.json"), reverse=True):
        verdict = json.loads(path.read_text())["verdict"]
        options = read_test(path.parent)
        name = path.parent.name
        rows.append(
            f"<tr><td><a href='{escape(name)}/{REPORT}'>{escape(name)}</a></td><td>{escape(options.workload)}</td>"
            f"<td>{escape(', '.join(options.nemesis))}</td><td>{options.seconds:g} s</td>"
            f"<td class='{verdict}'>{verdict}</td></tr>"
        )
    (store / "index.html").write_text(page("All runs", [f"<table>{''.join(rows)}</table>"]))
    return store / "index.html"
