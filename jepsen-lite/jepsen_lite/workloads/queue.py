"""A queue by conditional updates: whoever turns `ready` into his own name has the element."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, ClassVar

from jepsen_lite.clients import Client
from jepsen_lite.exchange import Answer, Request
from jepsen_lite.workloads.workload import Evidence, command, insist, keyed, path_of, read_all
from raftdoc.simulation.checkers.verdict import Report, report

COLLECTION = "queue"


class QueueWorkload:
    """Elements are taken by find-and-modify: none is lost, none is given to two."""

    ok_min: ClassVar[Mapping[str, int]] = {"enqueue": 8, "dequeue": 5}
    is_resolved: ClassVar[bool] = True

    def __init__(self) -> None:
        self._count = 0

    async def prepare(self, client: Client) -> None:
        await insist(client, Request("PUT", path_of(COLLECTION, "first"), {"state": "none"}))

    async def step(self, client: Client) -> None:
        if client.random.random() < 0.5:
            await self._enqueue(client)
            return
        await self._dequeue(client)

    async def _enqueue(self, client: Client) -> None:
        self._count += 1
        element = f"{self._count:06}"
        body = {"_id": element, "state": "ready"}
        await client.perform("enqueue", None, element, Request("POST", path_of(COLLECTION), body, keyed(client)))

    async def _dequeue(self, client: Client) -> None:
        headers = keyed(client)
        body: dict[str, Any] = {
            "filter": {"state": "ready"},
            "sort": {"_id": 1},
            "update": {"$set": {"state": "taken", "by": headers["Idempotency-Key"]}},
            "return": "after",
        }
        request = Request("POST", command(COLLECTION, "find-and-modify"), body, headers)
        await client.perform("dequeue", None, None, request, read=_taken)

    async def finish(self, client: Client) -> Any:
        return [one for one in await read_all(client, COLLECTION) if one["_id"] != "first"]

    @staticmethod
    def check(evidence: Evidence) -> list[Report]:
        if evidence.final is None:
            return [report("queue", [], ["the queue was not read at the end"])]
        return [report("queue", _judge(evidence, {one["_id"]: one for one in evidence.final}))]


def _taken(answer: Answer) -> str | None:
    """Return the id of the element, None where there was none."""
    document = answer.body.get("document")
    return document["_id"] if document else None


def _judge(evidence: Evidence, there: Mapping[str, Mapping[str, Any]]) -> list[str]:
    enqueues = [one for one in evidence.operations if one.f == "enqueue"]
    dequeues = [one for one in evidence.operations if one.f == "dequeue"]
    possible = {one.value for one in enqueues if one.type != "fail"}
    takers = {one.id for one in dequeues if one.type != "fail"}
    taken = Counter(one.result for one in dequeues if one.type == "ok" and one.result)
    illegal = [f"lost: {one.value}" for one in enqueues if one.type == "ok" and one.value not in there]
    illegal += [f"from nowhere: {element}" for element in there if element not in possible]
    illegal += [f"given to {count}: {element}" for element, count in taken.items() if count > 1]
    for one in dequeues:
        held = there.get(one.result, {}) if one.type == "ok" and one.result else None
        if held is not None and held.get("by") != one.id:
            illegal.append(f"{one.id} was given {one.result}, which is {held}")
    illegal += [f"taken by nobody: {held}" for held in there.values() if held.get("by") and held["by"] not in takers]
    by = Counter(held["by"] for held in there.values() if held.get("by"))
    illegal += [f"{id_} took {count} elements" for id_, count in by.items() if count > 1]
    return illegal
