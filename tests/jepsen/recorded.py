"""A run directory without a run: what the judge of a small, healthy register run would find."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jepsen_lite.options import Options, write_test

from raftdoc.ids import GroupId, Index, NodeId, Term
from raftdoc.simulation.history import NEMESIS, Event, RaftPosition, Recorder, write_history

STEP_NS = 20_000_000
KILLED = {"kill": 1}


class Recording:
    """Writes a history by hand; each call of `tick` is 20 milliseconds later."""

    def __init__(self) -> None:
        self.recorder = Recorder()
        self.exchanges: list[list[int]] = []
        self.requests: dict[str, Any] = {}
        self.now_ns = 0
        self._index = 1

    def tick(self) -> int:
        self.now_ns += STEP_NS
        return self.now_ns

    def invoke(self, process: int, f: str, value: Any, id: str | None = None) -> Event:
        event = self.recorder.invoke(self.tick(), process, f, "r0", value, id=id)
        self.exchanges.append([event.index, self.now_ns, self.now_ns])
        return event

    def complete(self, invoked: Event, type: Any, value: Any, error: str | None = None) -> None:
        self.exchanges[[one[0] for one in self.exchanges].index(invoked.index)][2] = self.tick()
        raft = RaftPosition(GroupId(1), Index(self._index), Term(1), NodeId("n1")) if invoked.f == "get" else None
        self.recorder.complete(invoked, self.now_ns, type, value, error=error, raft=raft)
        if invoked.id is not None:
            self.applied(invoked.id)

    def applied(self, id: str) -> None:
        """Let the lookup of a key say that its write took effect, after all that did before."""
        self._index += 1
        etag = f'"{self._index << 20:x}"'
        self.requests[id] = {"outcome": "applied", "status": 200, "etag": etag, "index": f"1:{self._index}"}

    def nemesis(self, type: str, value: Any) -> None:
        if type == "invoke":
            self.recorder.invoke(self.tick(), NEMESIS, "kill", None, value)
        else:
            began = next(event for event in reversed(self.recorder.events) if event.process == NEMESIS)
            self.recorder.complete(began, self.tick(), "ok", value)


def healthy() -> Recording:
    """Return a run in which clients read and write r0 while a node is killed; one write is unknown, and was applied."""
    run = Recording()
    run.nemesis("invoke", "start")
    lost = run.invoke(1, "put", 100, "lost")
    run.recorder.complete(lost, run.tick(), "info", 100, error="timeout")
    run.exchanges[-1][2] = run.now_ns
    run.applied("lost")
    held = 100
    for value in range(20):
        get = run.invoke(3, "get", None)
        put = run.invoke(0, "put", value, f"k{value}")
        run.complete(get, "ok", held)
        run.complete(put, "ok", value)
        held = value + 1000
        cas = run.invoke(0, "cas", [value, held], f"c{value}")
        run.complete(cas, "ok", [value, held])
    run.nemesis("ok", ["n1"])
    return run


def write_run(
    directory: Path, run: Recording, *, seen: dict[str, int] | None = None, troubles: Sequence[str] = ()
) -> Path:
    """Write everything that the judge reads."""
    directory.mkdir(parents=True, exist_ok=True)
    write_test(directory, Options("register", ("kill",), seed=1, seconds=8.0))
    write_history(directory / "history.jsonl", run.recorder.events)
    (directory / "nodes").mkdir(exist_ok=True)
    inspected = {"code": 0, "groups": [{"group": 1, "applied_index": 9, "differing": [], "digest": {"r": "1"}}]}
    found = {
        "seen": KILLED if seen is None else seen,
        "skipped": {},
        "troubles": list(troubles),
        "exits": [{"node": "n1", "code": -9, "is_ordered": True}],
        "inspected": {"n1": inspected, "n2": inspected},
        "final": None,
    }
    files = {"run.json": found, "requests.json": run.requests, "exchanges.json": run.exchanges, "roles.json": []}
    for name, value in files.items():
        (directory / name).write_text(json.dumps(value))
    return directory
