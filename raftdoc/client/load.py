"""Load a cluster with ready-made requests over raw connections, and report rate, latency and what the nodes did.

The clock starts when everything is prepared: the database exists, documents to read are there, requests are encoded.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections import Counter
from collections.abc import Callable

import uvloop

from raftdoc.client import control, exposition
from raftdoc.client.control import NodeUnreachable
from raftdoc.client.exposition import Metrics
from raftdoc.client.load_plan import LoadPlan, LoadReport, NodeReport, Progress, ScanReport
from raftdoc.client.load_run import LoadRun
from raftdoc.client.workload import Requests, Target

LEADER_TIMEOUT_S = 10.0
LEADER_POLL_S = 0.05
FILL_BATCH = 2000


class LoadFailed(RuntimeError):
    """The load could not begin; the message says why."""


def run_load(plan: LoadPlan, on_progress: Callable[[Progress], None]) -> LoadReport:
    """Prepare the database, drive the load and return what came of it. Blocks for `plan.seconds` and a little more.

    Raises:
        NodeUnreachable: no node answers.
        LoadFailed: the database cannot be prepared.
    """
    requests = Requests(
        plan.workload,
        plan.database,
        key_count=plan.keys,
        document_bytes=plan.document_bytes,
        batch=plan.batch,
        seed=plan.seed or time.time_ns(),
    )
    nodes, leader = _prepare(plan, requests)
    targets = [Target.of(url) for url in (plan.urls if plan.any_node else (leader,))]
    before = [_metrics(url) for url in nodes]
    target = "any node" if plan.any_node else leader
    fallback = [Target.of(url) for url in nodes]
    if plan.workload == "mixed-scan":
        report = _beside_scans(plan, requests, targets, fallback, on_progress, target)
    else:
        run = LoadRun(plan, requests, targets, fallback=fallback, on_progress=on_progress)
        uvloop.run(run.drive())
        report = run.report(target)
    after = [_metrics(url) for url in nodes]
    report.nodes = [_node_report(*parts) for parts in zip(nodes, before, after, strict=True)]
    return report


def _beside_scans(
    plan: LoadPlan,
    requests: Requests,
    targets: list[Target],
    fallback: list[Target],
    on_progress: Callable[[Progress], None],
    target: str,
) -> LoadReport:
    """Drive half the time without scans and half with them; return what came of the second half, and of the first."""
    half = dataclasses.replace(plan, seconds=plan.seconds / 2)
    alone = LoadRun(half, requests, targets, fallback=fallback, on_progress=on_progress)
    uvloop.run(alone.drive())
    beside = LoadRun(half, requests, targets, fallback=fallback, on_progress=on_progress, scan_connections=plan.scans)
    uvloop.run(beside.drive())
    before, report = alone.report(target), beside.report(target)
    report.errors = dict(Counter(before.errors) + Counter(report.errors))
    report.scans = ScanReport(
        connections=plan.scans,
        scans=beside.scan_count,
        documents_per_s=beside.scan_count * plan.keys / report.seconds,
        requests_per_s_without=before.requests_per_s,
        latency_ms_without=before.latency_ms,
    )
    return report


def _prepare(plan: LoadPlan, requests: Requests) -> tuple[list[str], str]:
    """Make the database and what is read; return the URLs of all nodes and that of the leader."""
    _expect(_put_database(plan), {200, 201}, f"database {plan.database!r} cannot be created")
    nodes, leader = _find_leader(plan)
    if plan.fill and plan.workload in {"get", "mixed", "mixed-scan"}:
        url = f"{leader}{requests.path}"
        for body in requests.fill(FILL_BATCH):
            answer = control.call("POST", url, body, timeout_s=60.0, content_type="application/x-ndjson")
            # 207: some of the documents are there from an earlier run, which is as good.
            _expect(answer, {200, 207}, "documents to read cannot be created")
    return nodes, leader


def _put_database(plan: LoadPlan) -> control.Answer:
    failure: NodeUnreachable | None = None
    for url in plan.urls:
        try:
            return control.call("PUT", f"{url}/v1/dbs/{plan.database}", b"{}", content_type="application/json")
        except NodeUnreachable as error:
            failure = error
    raise failure or LoadFailed("no URL was given")


def _find_leader(plan: LoadPlan) -> tuple[list[str], str]:
    deadline = time.monotonic() + LEADER_TIMEOUT_S
    while True:
        cluster = control.first_answer(plan.urls, "/v1/cluster").json()
        nodes = [str(member["http"]).rstrip("/") for member in cluster.get("members", [])] or list(plan.urls)
        leader = control.leader_url(cluster, plan.database)
        if leader or plan.any_node:
            return nodes, leader or plan.urls[0]
        if time.monotonic() > deadline:
            raise LoadFailed(f"database {plan.database!r} has had no leader for {LEADER_TIMEOUT_S:.0f} s")
        time.sleep(LEADER_POLL_S)


def _expect(answer: control.Answer, statuses: set[int], what: str) -> None:
    if answer.status not in statuses:
        raise LoadFailed(f"{what}: status {answer.status}: {_detail(answer.body)}")


def _detail(body: bytes) -> str:
    try:
        return str(json.loads(body)["detail"])
    except (ValueError, KeyError, TypeError):
        return body[:200].decode(errors="replace")


def _metrics(url: str) -> Metrics:
    """Return what the node's /metrics says; nothing where it does not answer: the load goes on without."""
    try:
        answer = control.call("GET", f"{url}/metrics")
    except NodeUnreachable:
        return {}
    return exposition.parse_metrics(answer.body.decode(errors="replace")) if answer.status == 200 else {}


def _node_report(url: str, before: Metrics, after: Metrics) -> NodeReport:
    first, last = (exposition.total(metrics, "raftdoc_log_fsync_total") for metrics in (before, after))
    lag_s = exposition.quantile_between(before, after, "raftdoc_loop_lag_seconds", 0.999)
    return NodeReport(
        url=url,
        filesystem=exposition.label(after, "raftdoc_data_info", "filesystem"),
        fsyncs=round(last - first) if first is not None and last is not None else None,
        loop_lag_p999_ms=None if lag_s is None else lag_s * 1000,
    )
