"""`raftdoc bench`: load a cluster and say what it bore."""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import sys
from typing import TYPE_CHECKING

from raftdoc.cli.commands import (
    EXIT_BAD_NEWS,
    Subparsers,
    add_command,
    add_url,
    complain,
    table,
    unavailable,
    urls_of,
    whole_number,
)

if TYPE_CHECKING:
    from raftdoc.client.load_plan import LoadReport, NodeReport, Progress

DESCRIPTION = """\
Each connection sends one request at a time. Documents of --document-bytes are put under, or read from, --keys random
ids of database --database, which is made when missing. Figures mean nothing without the file system of the nodes' data
(on tmpfs an fsync is free), so it is printed with them.

  put    PUT of one document, created or replaced
  get    linearizable GET of one document
  mixed  half put, half get
  bulk   POST of --batch new documents as NDJSON
  mixed-scan   get, and in the second half of the time beside --scans queries at once that read the whole collection

Exit code 0: every answer was good. 1: some were not (they are listed). 69: no node answers.
"""
NOT_TOLD = "not told by the node"


def add_parser(commands: Subparsers) -> None:
    parser = add_command(commands, "bench", run, summary="measure rate and latency under load", description=DESCRIPTION)
    add_url(parser)
    parser.add_argument(
        "--workload", choices=("put", "get", "mixed", "bulk", "mixed-scan"), default="put", help="(put)"
    )
    number = whole_number
    for flag, parse, default, text in (
        ("--connections", number(1, 10_000), 64, "connections, each with one request under way"),
        ("--document-bytes", number(14, 16 << 20), 400, "size of a document"),
        ("--keys", number(1, 10_000_000), 100_000, "ids to choose from"),
        ("--seconds", number(1, 86_400), 10, "how long"),
        ("--batch", number(1, 100_000), 1000, "documents in one request of the bulk workload"),
        ("--scans", number(1, 1000), 8, "scans at a time of the mixed-scan workload"),
        ("--seed", number(0, 1 << 62), 0, "of the choice of ids; 0: another one each time"),
    ):
        metavar = flag[2:].upper().replace("-", "_")
        parser.add_argument(flag, type=parse, default=default, metavar=metavar, help=f"{text} ({default})")
    parser.add_argument("--database", default="bench", metavar="NAME", help="database to load (bench)")
    parser.add_argument("--any-node", action="store_true", help="spread connections over --url instead of the leader")
    parser.add_argument(
        "--no-fill", action="store_true", help="get, mixed, mixed-scan: do not create the documents first"
    )
    parser.add_argument("--json", action="store_true", help="print the report as JSON")


def run(arguments: argparse.Namespace) -> int:
    from raftdoc.client.control import NodeUnreachable
    from raftdoc.client.load import LoadFailed, run_load
    from raftdoc.client.load_plan import LoadPlan

    plan = LoadPlan(
        urls=urls_of(arguments),
        workload=arguments.workload,
        connections=arguments.connections,
        document_bytes=arguments.document_bytes,
        keys=arguments.keys,
        seconds=arguments.seconds,
        batch=arguments.batch,
        database=arguments.database,
        any_node=arguments.any_node,
        fill=not arguments.no_fill,
        scans=arguments.scans,
        seed=arguments.seed,
    )
    try:
        report = run_load(plan, _show_progress)
    except NodeUnreachable as error:
        return unavailable(error)
    except (LoadFailed, ValueError) as error:
        complain(str(error))
        return EXIT_BAD_NEWS
    print(_as_json(report) if arguments.json else describe(report))
    return EXIT_BAD_NEWS if report.errors else 0


def _show_progress(progress: Progress) -> None:
    latency = f"p50 {progress.p50_ms:7.2f} ms  p99 {progress.p99_ms:7.2f} ms"
    errors = f"  errors {progress.errors}" if progress.errors else ""
    print(f"{progress.second:5d} s  {progress.documents:8d}/s  {latency}{errors}", file=sys.stderr, flush=True)


def describe(report: LoadReport) -> str:
    """Return the report for people."""
    latency = "  ".join(f"{name} {value:.2f}" for name, value in report.latency_ms.items())
    errors = ", ".join(f"{how}: {count}" for how, count in sorted(report.errors.items())) or "none"
    lines = [
        f"{report.workload}, {report.connections} connections to {report.target}, {report.seconds:.1f} s,"
        f" documents of {report.document_bytes} bytes",
        f"rate       {report.documents_per_s:,.0f} documents/s ({report.requests_per_s:,.0f} requests/s)",
        f"latency    {latency} ms",
        *_scan_lines(report),
        f"errors     {errors}",
        f"silence    {report.longest_silence_ms:.0f} ms at most without a good answer",
        f"generator  {report.client_cpu_share:.0%} of one processor" + _warning(report),
        "",
        table(
            ("NODE", "FSYNCS", "REQUESTS PER FSYNC", "LOOP LAG P99.9", "FILE SYSTEM"),
            [_row(report, n) for n in report.nodes],
        ),
    ]
    return "\n".join(lines)


def _scan_lines(report: LoadReport) -> list[str]:
    scans = report.scans
    if scans is None:
        return []
    without = "  ".join(f"{name} {value:.2f}" for name, value in scans.latency_ms_without.items())
    p99, p99_without = report.latency_ms["p99"], scans.latency_ms_without["p99"]
    ratio = f"{p99 / p99_without:.2f}" if p99_without else "-"
    return [
        f"without    {without} ms ({scans.requests_per_s_without:,.0f} requests/s)",
        f"scans      {scans.connections} at a time, {scans.scans} ended,"
        f" {scans.documents_per_s:,.0f} documents/s scanned; p99 of reads with / without: {ratio}",
    ]


def _warning(report: LoadReport) -> str:
    return ": it may be the bottleneck" if report.client_cpu_share > 0.9 else ""


def _row(report: LoadReport, node: NodeReport) -> tuple[object, ...]:
    per_fsync = f"{report.requests / node.fsyncs:.1f}" if node.fsyncs else "-"
    fsyncs = NOT_TOLD if node.fsyncs is None else node.fsyncs
    return node.url, fsyncs, per_fsync, _lag(node.loop_lag_p999_ms), node.filesystem or NOT_TOLD


def _lag(lag_ms: float | None) -> str:
    if lag_ms is None:
        return NOT_TOLD
    return "over the last bucket" if math.isinf(lag_ms) else f"<= {lag_ms:g} ms"


def _as_json(report: LoadReport) -> str:
    value = dataclasses.asdict(report)
    value["nodes"] = [
        node._asdict() | {"loop_lag_p999_ms": None if _is_infinite(node.loop_lag_p999_ms) else node.loop_lag_p999_ms}
        for node in report.nodes
    ]
    if report.scans is not None:
        value["scans"] = report.scans._asdict()
    return json.dumps(value, indent=2)


def _is_infinite(lag_ms: float | None) -> bool:
    return lag_ms is not None and math.isinf(lag_ms)
