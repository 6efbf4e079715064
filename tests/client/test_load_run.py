"""A load counts good answers, tells bad ones apart, and comes back after a lost connection."""

from __future__ import annotations

import asyncio

import uvloop

from raftdoc.client.load_plan import LoadPlan, LoadReport, Progress
from raftdoc.client.load_run import CANNOT_CONNECT, CONNECTION_LOST, LoadRun
from raftdoc.client.workload import Requests, Target

ANSWERS = {status: b"HTTP/1.1 %d Status\r\nContent-Length: 2\r\n\r\n{}" % status for status in (200, 201, 412, 503)}


class ScriptedServer:
    """Answers the nth request of all with the nth status of the script, then with the last; 0 cuts the connection."""

    def __init__(self, *script: int) -> None:
        self.script = script
        self.answered: list[int] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(100_000):
            status = self.script[min(len(self.answered), len(self.script) - 1)]
            self.answered.append(status)
            if status == 0:
                break
            writer.write(ANSWERS[status])
        writer.close()


def run_against(server: ScriptedServer, plan: LoadPlan) -> tuple[LoadReport, list[Progress]]:
    seen: list[Progress] = []

    async def drive() -> LoadReport:
        async with await asyncio.start_server(server.serve, "127.0.0.1", 0) as listener:
            target = Target(*listener.sockets[0].getsockname())
            requests = Requests(plan.workload, "bench", key_count=10, document_bytes=50, batch=plan.batch, seed=1)
            run = LoadRun(plan, requests, [target], fallback=[target], on_progress=seen.append)
            await run.drive()
            return run.report("the test")

    return uvloop.run(drive()), seen


def plan_of(workload: str = "put", connections: int = 2) -> LoadPlan:
    return LoadPlan(urls=("http://127.0.0.1:1",), workload=workload, connections=connections, seconds=0.3, batch=7)  # type: ignore[arg-type]


def test_good_answers_are_counted_with_their_latency() -> None:
    server = ScriptedServer(201, 200)
    report, seen = run_against(server, plan_of())
    assert report.errors == {}
    # Those under way at the end are answered and not counted.
    assert 0 < len(server.answered) - 2 <= report.requests <= len(server.answered)
    assert 0 < report.latency_ms["p50"] <= report.latency_ms["p99.9"] <= report.latency_ms["max"]
    assert sum(progress.documents for progress in seen) == report.documents == report.requests


def test_bulk_counts_documents() -> None:
    report, _ = run_against(ScriptedServer(200), plan_of("bulk"))
    assert report.documents == 7 * report.requests > 0


def test_bad_answers_are_counted_by_status_and_have_no_latency() -> None:
    report, seen = run_against(ScriptedServer(503, 412, 200, 503, 200), plan_of(connections=1))
    assert report.errors == {"503": 2, "412": 1}
    assert seen[-1].errors == 3
    assert report.requests > 0


def test_lost_connection_is_counted_and_made_again() -> None:
    report, _ = run_against(ScriptedServer(200, 200, 0, 200), plan_of(connections=1))
    assert report.errors == {CONNECTION_LOST: 1}
    assert report.requests > 2
    assert report.longest_silence_ms > 0


def test_server_that_never_answers_well_is_all_silence() -> None:
    report, _ = run_against(ScriptedServer(503), plan_of())
    assert report.requests == 0
    assert report.latency_ms["p50"] == 0
    assert report.longest_silence_ms >= 900 * report.seconds


async def test_nobody_there_is_counted(unused_tcp_port: int) -> None:
    target = Target("127.0.0.1", unused_tcp_port)
    requests = Requests("get", "bench", key_count=1, document_bytes=50, batch=1, seed=1)
    run = LoadRun(plan_of("get"), requests, [target], fallback=[target], on_progress=lambda progress: None)
    await run.drive()
    assert run.report("nobody").errors[CANNOT_CONNECT] >= 2
