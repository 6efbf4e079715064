"""What is counted about HTTP."""

from __future__ import annotations

from typing import Final

from raftdoc.limits import NS_PER_S
from raftdoc.telemetry.metrics import Counter, Histogram, Registry

LATENCY_BUCKETS_S: Final = (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)


class HttpMetrics:
    def __init__(self, registry: Registry) -> None:
        self._requests = registry.counter_family(
            "raftdoc_http_requests_total", "Requests answered.", ("operation", "status")
        )
        self._latencies = registry.histogram_family(
            "raftdoc_http_request_seconds",
            "From the parsed header of a request to its answer.",
            LATENCY_BUCKETS_S,
            ("operation",),
        )
        self.connections = registry.gauge("raftdoc_http_connections", "Connections of clients that are open.")
        self.refused_connections = registry.counter(
            "raftdoc_http_connections_refused_total", "Connections refused because there were too many."
        )
        self._bound: dict[tuple[str, int], tuple[Counter, Histogram]] = {}

    def answered(self, operation: str, status: int, latency_ns: int) -> None:
        try:
            requests, latencies = self._bound[operation, status]
        except KeyError:
            requests, latencies = self._bind(operation, status)
        requests.value += 1
        latencies.observe(latency_ns / NS_PER_S)

    def _bind(self, operation: str, status: int) -> tuple[Counter, Histogram]:
        bound = self._requests.bind(operation=operation, status=str(status)), self._latencies.bind(operation=operation)
        self._bound[operation, status] = bound
        return bound
