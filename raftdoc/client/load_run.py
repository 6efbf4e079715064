"""One load under way: connections that send one request at a time (a closed loop), and what they count.

Latency under load is therefore the time in the system, queues included. A failed answer is counted by its status and
never as latency.
"""

from __future__ import annotations

import asyncio
import resource
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from raftdoc.client.histogram import Histogram
from raftdoc.client.http_protocol import LoadConnection
from raftdoc.client.load_plan import LoadPlan, LoadReport, Progress
from raftdoc.client.workload import Requests, Target

CONNECT_TIMEOUT_S = 2.0
RECONNECT_S = 0.05
REFUSED_PAUSE_S = 0.01
"""After an answer of 429 or 5xx: a client that hammers a node that says "not now" measures nothing."""
LAST_ANSWERS_TIMEOUT_S = 5.0
TIMER_ERROR_S = 0.02
"""A timer may fire this much early."""
CANNOT_CONNECT = "cannot connect"
CONNECTION_LOST = "connection lost"
_GOOD = {"put": (200, 201), "get": (200,), "mixed": (200, 201), "bulk": (200,), "mixed-scan": (200,)}


Source = Callable[[Target], Callable[[], bytes]]
Answered = Callable[[int, int, int], float]


class LoadRun:
    """One load under way. Everything here happens on one loop."""

    def __init__(
        self,
        plan: LoadPlan,
        requests: Requests,
        targets: Sequence[Target],
        *,
        fallback: Sequence[Target],
        on_progress: Callable[[Progress], None],
        scan_connections: int = 0,
    ) -> None:
        self._plan = plan
        self._scan_connections = scan_connections
        self.scan_count = 0
        """Scans that ended in time."""
        self._requests = requests
        self._targets = targets
        self._fallback = fallback
        self._on_progress = on_progress
        self._good = _GOOD[plan.workload]
        self._whole = Histogram()
        self._second = Histogram()
        self._errors: Counter[str] = Counter()
        self._open: set[LoadConnection] = set()
        self._is_over = False
        self._last_good_ns = 0
        self._longest_silence_ns = 0
        self._elapsed_s = 0.0
        self._cpu_s = 0.0

    async def drive(self) -> None:
        started, cpu_started = time.perf_counter(), _cpu_s()
        self._last_good_ns = time.perf_counter_ns()
        async with asyncio.TaskGroup() as tasks:
            connected = [
                tasks.create_task(self._keep_connected(number, self._requests.source, self._answered))
                for number in range(self._plan.connections)
            ]
            connected += [
                tasks.create_task(self._keep_connected(number, self._requests.scan, self._scanned))
                for number in range(self._scan_connections)
            ]
            await self._count_seconds(started)
            self._is_over = True
            self._longest_silence_ns = max(self._longest_silence_ns, time.perf_counter_ns() - self._last_good_ns)
            self._elapsed_s, self._cpu_s = time.perf_counter() - started, _cpu_s() - cpu_started
            await asyncio.wait(connected, timeout=LAST_ANSWERS_TIMEOUT_S)
            for connection in tuple(self._open):
                connection.abort()

    async def _count_seconds(self, started: float) -> None:
        second, errors_before = 0, 0
        while (left_s := started + self._plan.seconds - time.perf_counter()) > TIMER_ERROR_S:
            await asyncio.sleep(min(left_s, started + second + 1 - time.perf_counter()))
            second += 1
            spent, self._second = self._second, Histogram()
            errors, errors_before = self._errors.total() - errors_before, self._errors.total()
            self._whole.merge(spent)
            documents = spent.count * self._requests.documents_per_request
            p50_ms, p99_ms = (spent.quantile(share) / 1e6 for share in (0.5, 0.99))
            self._on_progress(Progress(second, documents, errors, p50_ms, p99_ms))

    async def _keep_connected(self, number: int, source: Source, answered: Answered) -> None:
        loop = asyncio.get_running_loop()
        choices, attempt = self._targets, number
        while not self._is_over:
            target, lost = choices[attempt % len(choices)], loop.create_future()
            next_request = partial(self._next, source(target))
            factory = partial(LoadConnection, next_request, answered, lost.set_result)
            try:
                async with asyncio.timeout(CONNECT_TIMEOUT_S):
                    _, connection = await loop.create_connection(factory, target.host, target.port)
            except (OSError, TimeoutError):
                self._fail(CANNOT_CONNECT)
            else:
                await self._until_lost(connection, lost)
            choices, attempt = self._fallback, attempt + 1
            if not self._is_over:
                await asyncio.sleep(RECONNECT_S)

    async def _until_lost(self, connection: LoadConnection, lost: asyncio.Future[Any]) -> None:
        self._open.add(connection)
        try:
            await lost
        finally:
            self._open.discard(connection)
        if connection.is_waiting:
            self._fail(CONNECTION_LOST)

    def _fail(self, how: str) -> None:
        if not self._is_over:
            self._errors[how] += 1

    def _next(self, make: Callable[[], bytes]) -> bytes | None:
        return None if self._is_over else make()

    def _answered(self, status: int, latency_ns: int, now_ns: int) -> float:
        if self._is_over:
            return 0.0  # counted neither as good nor as bad: the time it belongs to is over
        if status in self._good:
            self._second.record(latency_ns)
            silence_ns = now_ns - self._last_good_ns
            self._longest_silence_ns = max(self._longest_silence_ns, silence_ns)
            self._last_good_ns = now_ns
            return 0.0
        self._errors[str(status)] += 1
        return REFUSED_PAUSE_S if status >= 500 or status == 429 else 0.0

    def _scanned(self, status: int, latency_ns: int, now_ns: int) -> float:
        if self._is_over:
            return 0.0
        if status == 200:
            self.scan_count += 1
            return 0.0
        self._errors[f"scan {status}"] += 1
        return REFUSED_PAUSE_S

    def report(self, target: str) -> LoadReport:
        whole, plan = self._whole, self._plan
        documents = whole.count * self._requests.documents_per_request
        marks = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99.9": 0.999}
        latency = {name: whole.quantile(share) / 1e6 for name, share in marks.items()}
        return LoadReport(
            workload=plan.workload,
            target=target,
            connections=plan.connections,
            document_bytes=plan.document_bytes,
            seconds=self._elapsed_s,
            documents=documents,
            documents_per_s=documents / self._elapsed_s,
            requests=whole.count,
            requests_per_s=whole.count / self._elapsed_s,
            latency_ms=latency | {"max": whole.largest / 1e6},
            errors=dict(self._errors),
            longest_silence_ms=self._longest_silence_ns / 1e6,
            client_cpu_share=self._cpu_s / self._elapsed_s,
        )


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
