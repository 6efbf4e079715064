"""What is asked of a load, and what is told of it: plain values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from raftdoc.client.workload import Workload


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadPlan:
    urls: tuple[str, ...]
    workload: Workload = "put"
    connections: int = 64
    document_bytes: int = 400
    keys: int = 100_000
    seconds: float = 10.0
    batch: int = 1000
    """Documents in one request of the bulk workload."""
    database: str = "bench"
    any_node: bool = False
    """Spread the connections over `urls`; else all go to the leader of the database."""
    fill: bool = True
    """Create the documents that the get and mixed workloads read."""
    scans: int = 8
    """Concurrent scans of the mixed-scan workload, each on a connection of its own."""
    seed: int = 0
    """Of the choice of keys; 0 draws one."""


class Progress(NamedTuple):
    """One second of the load."""

    second: int
    documents: int
    errors: int
    p50_ms: float
    p99_ms: float


class NodeReport(NamedTuple):
    """What one node says of itself, between the beginning and the end. None: the node did not say."""

    url: str
    filesystem: str | None
    fsyncs: int | None
    loop_lag_p999_ms: float | None
    """Upper bound of the histogram bucket; infinite above the last."""


class ScanReport(NamedTuple):
    """What scans cost those who read single documents, in one run: first half without them, second half with them."""

    connections: int
    scans: int
    """That ended."""
    documents_per_s: float
    """Scanned, by all together."""
    requests_per_s_without: float
    latency_ms_without: dict[str, float]


@dataclass(slots=True, kw_only=True)
class LoadReport:
    workload: Workload
    target: str
    connections: int
    document_bytes: int
    seconds: float
    documents: int
    documents_per_s: float
    requests: int
    requests_per_s: float
    latency_ms: dict[str, float]
    errors: dict[str, int]
    """By HTTP status, or what became of the connection."""
    longest_silence_ms: float
    """Longest time without any good answer: what a failover costs."""
    client_cpu_share: float
    """Processor time of the load generator per second. Near 1 it is the bottleneck, not the cluster."""
    nodes: list[NodeReport] = field(default_factory=list)
    scans: ScanReport | None = None
    """Of the mixed-scan workload, whose other figures are those beside the scans."""
