"""What is gathered from the healed cluster, so that everything can be judged offline."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jepsen_lite.clients import Client
from jepsen_lite.clock import Clock
from jepsen_lite.cluster import Cluster
from jepsen_lite.exchange import DATABASE, Request
from jepsen_lite.workloads.workload import NotSettled, insist
from raftdoc.simulation.history import Event

LOOKUPS_AT_ONCE = 8
CONVERGE_TIMEOUT_S = 30.0
INSPECT_TIMEOUT_S = 300.0
ASK_AGAIN_S = 0.2


async def look_up(clients: Sequence[Client], events: Sequence[Event]) -> dict[str, Any]:
    """Return what the cluster says of every idempotency key that was sent: its record, or None."""
    ids = list(dict.fromkeys(event.id for event in events if event.type == "invoke" and event.id))
    found: dict[str, Any] = {}
    shares = [ids[at :: len(clients)] for at in range(len(clients))]

    async def look(client: Client, share: list[str]) -> None:
        for id_ in share:
            answer = await insist(client, Request("GET", f"{DATABASE}/requests/{id_}"))
            if answer.outcome == "ok":
                found[id_] = {**answer.body, "index": answer.token}
            elif answer.error == "request_not_found":
                found[id_] = None
            else:
                raise NotSettled(f"the key {id_} cannot be looked up: {answer}")

    await asyncio.gather(*(look(client, share) for client, share in zip(clients, shares, strict=True)))
    return found


async def converge(cluster: Cluster, clock: Clock) -> str | None:
    """Wait until all replicas have applied the same in every group; return what is missing when they do not."""
    deadline_s = clock.given_s() + CONVERGE_TIMEOUT_S
    missing: str | None = "nobody was asked"
    while clock.given_s() < deadline_s:
        missing = await _missing(cluster)
        if missing is None:
            return None
        await asyncio.sleep(ASK_AGAIN_S)
    return missing


async def _missing(cluster: Cluster) -> str | None:
    """Return which replica does not have, by its own words, what the leaders say is committed."""
    views = {node: await cluster.view(node) for node in cluster.running()}
    commits: dict[int, int] = {}
    applied: dict[tuple[str, int], int] = {}
    for node, view in views.items():
        if view is None:
            return f"{node} does not answer"
        for group in view["groups"]:
            commits[group["id"]] = max(commits.get(group["id"], 0), group["commit_index"] or 0)
            own = [one["applied_index"] for one in group["replicas"] if one["node"] == node]
            if own:
                applied[node, group["id"]] = own[0] or 0
    behind = [
        f"{node} of group {id_}: {at} < {commits[id_]}" for (node, id_), at in applied.items() if at < commits[id_]
    ]
    return "; ".join(behind) or None


def inspect(data: Path) -> dict[str, Any]:
    """Return what `raftdoc inspect --digest` says of a stopped node's directory."""
    command = [sys.executable, "-m", "raftdoc", "inspect", "--digest", "--json", str(data)]
    try:
        run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=INSPECT_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        return {"code": -1, "error": "inspect does not end"}
    if run.returncode != 0:
        return {"code": run.returncode, "error": (run.stderr or run.stdout)[-1000:]}
    return {"code": 0, **json.loads(run.stdout)}
