"""Indexes against scans, and walks over many pages while documents move between the keys of an index."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from typing import Any, ClassVar

from jepsen_lite.clients import Client
from jepsen_lite.exchange import Answer, Request
from jepsen_lite.workloads.workload import Evidence, NotSettled, command, insist, keyed, path_of
from raftdoc.simulation.checkers.verdict import Report, report

COLLECTION = "indexed"
INDEX = "g_n"
FIXED_COUNT = 40
MOVING_COUNT = 30
GROUPS = 5
PAGE = 7
READY_POLL_S = 0.1
READY_POLLS_MAX = 100
FIELDS = {"g": 1, "n": 1}


class IndexScanWorkload:
    """Documents move between the keys of an index: a walk over its pages meets each that rests, once, in order."""

    ok_min: ClassVar[Mapping[str, int]] = {"move": 8, "walk": 3}
    is_resolved: ClassVar[bool] = True

    async def prepare(self, client: Client) -> None:
        lines = b"\n".join(
            f'{{"_id":"fixed-{number:03}","g":{number % GROUPS},"n":{number}}}'.encode()
            for number in range(FIXED_COUNT)
        )
        await insist(client, Request("POST", path_of(COLLECTION), lines, {"Content-Type": "application/x-ndjson"}))
        await insist(client, Request("POST", command(COLLECTION, "indexes"), {"name": INDEX, "fields": FIELDS}))
        shown = Request("GET", command(COLLECTION, f"indexes/{INDEX}"))
        for _ in range(READY_POLLS_MAX):
            if (await insist(client, shown)).body["state"] == "ready":
                return
            await asyncio.sleep(READY_POLL_S)
        raise NotSettled("the index is not ready")

    async def step(self, client: Client) -> None:
        drawn = client.random.random()
        key = f"moving-{client.random.randrange(MOVING_COUNT)}"
        if drawn < 0.5:
            body = {"g": client.random.randrange(GROUPS), "n": client.random.randrange(1000)}
            await client.perform(
                "move", None, [key, body], Request("PUT", path_of(COLLECTION, key), body, keyed(client))
            )
        elif drawn < 0.6:
            await client.perform("delete", None, key, Request("DELETE", path_of(COLLECTION, key), None, keyed(client)))
        else:
            group = client.random.randrange(GROUPS)
            await client.perform_all("walk", None, group, lambda: _walk(client, group, INDEX))

    async def finish(self, client: Client) -> Any:
        """Read every group by the index and by a scan: nothing moves any more."""
        found = {}
        for group in range(GROUPS):
            found[str(group)] = [await _insist_walk(client, group, hint) for hint in (INDEX, "_id_")]
        return found

    @staticmethod
    def check(evidence: Evidence) -> list[Report]:
        walks = [one for one in evidence.operations if one.f == "walk" and one.type == "ok"]
        illegal = [fault for one in walks for fault in _judge(one.value, one.result)]
        if evidence.final is None:
            return [report("walks", illegal), report("index against scan", [], ["no comparison at the end"])]
        differing = [
            f"group {group}: the index shows {by_index}, a scan {by_scan}"
            for group, (by_index, by_scan) in evidence.final.items()
            if sorted(by_index) != sorted(by_scan)
        ]
        return [report("walks", illegal), report("index against scan", differing)]


async def _walk(client: Client, group: int, hint: str) -> Answer:
    """Return the ids of a group, page by page, each from any node."""
    ids: list[str] = []
    body: dict[str, Any] = {"filter": {"g": group}, "sort": {"n": 1}, "limit": PAGE, "hint": hint}
    while True:
        answer = await client.send(Request("POST", command(COLLECTION, "query"), body))
        if answer.outcome != "ok":
            return answer
        ids += [one["_id"] for one in answer.body["documents"]]
        if answer.body["cursor"] is None:
            return answer._replace(body=ids)
        body = {**body, "cursor": answer.body["cursor"]}


async def _insist_walk(client: Client, group: int, hint: str) -> list[str]:
    for _ in range(5):
        answer = await _walk(client, group, hint)
        if answer.outcome == "ok":
            ids: list[str] = answer.body
            return ids
    raise NotSettled(f"group {group} cannot be walked by {hint}: {answer}")


def _judge(group: int, ids: list[str]) -> list[str]:
    """Return what is wrong with a walk: of what rests, each is met once, in the order of the index."""
    counts = Counter(ids)
    resting = [f"fixed-{number:03}" for number in range(FIXED_COUNT) if number % GROUPS == group]
    illegal = [f"group {group}: {id_} was met {counts[id_]} times in {ids}" for id_ in resting if counts[id_] != 1]
    met = [id_ for id_ in ids if id_.startswith("fixed-")]
    if not illegal and met != resting:
        illegal.append(f"group {group}: met in another order: {met}")
    return illegal
