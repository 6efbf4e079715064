"""The report of `raftdoc bench` says what its figures are worth."""

from __future__ import annotations

import json
import math
from dataclasses import replace

from raftdoc.cli.bench import _as_json, describe
from raftdoc.client.load_plan import LoadReport, NodeReport, ScanReport

REPORT = LoadReport(
    workload="put",
    target="http://127.0.0.1:8101",
    connections=64,
    document_bytes=400,
    seconds=10.0,
    documents=170_000,
    documents_per_s=17_000.0,
    requests=170_000,
    requests_per_s=17_000.0,
    latency_ms={"p50": 3.5, "p90": 4.0, "p99": 9.25, "p99.9": 12.0, "max": 30.0},
    errors={"503": 4},
    longest_silence_ms=31.0,
    client_cpu_share=0.95,
    nodes=[
        NodeReport("http://127.0.0.1:8101", "ext4", 8500, 5.0),
        NodeReport("http://127.0.0.1:8102", None, None, math.inf),
    ],
)


def test_report_names_file_system_fsyncs_and_what_a_node_does_not_tell() -> None:
    lines = describe(REPORT).splitlines()
    assert "errors     503: 4" in lines
    assert "generator  95% of one processor: it may be the bottleneck" in lines
    first, second = lines[-2:]
    assert first.split() == ["http://127.0.0.1:8101", "8500", "20.0", "<=", "5", "ms", "ext4"]
    assert second.count("not told by the node") == 2
    assert "over the last bucket" in second


def test_json_report_is_json() -> None:
    value = json.loads(_as_json(REPORT))
    assert value["documents_per_s"] == 17_000
    assert value["nodes"][1] == {
        "url": "http://127.0.0.1:8102",
        "filesystem": None,
        "fsyncs": None,
        "loop_lag_p999_ms": None,
    }


def test_scans_are_told_with_what_reads_took_without_them() -> None:
    without = {"p50": 1.0, "p90": 2.0, "p99": 4.625, "p99.9": 6.0, "max": 9.0}
    report = replace(REPORT, workload="mixed-scan", scans=ScanReport(8, 12, 120_000.0, 20_000.0, without))
    text = describe(report)
    assert "without    p50 1.00  p90 2.00  p99 4.62  p99.9 6.00  max 9.00 ms (20,000 requests/s)" in text
    assert "8 at a time, 12 ended, 120,000 documents/s scanned; p99 of reads with / without: 2.00" in text
    assert json.loads(_as_json(report))["scans"]["latency_ms_without"]["p99"] == 4.625
