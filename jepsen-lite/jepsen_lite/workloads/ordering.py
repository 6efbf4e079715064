"""Snapshots of several documents: no two readers disagree about an order, nobody sees an effect without its cause."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Any, ClassVar

from jepsen_lite.clients import Client
from jepsen_lite.exchange import Answer, Request
from jepsen_lite.workloads.workload import Evidence, command, insist, keyed, path_of
from raftdoc.simulation.checkers.verdict import Report, report

FORK = "fork"
CAUSAL = "causal"
GROUP_SIZE = 3
ELEMENTS_PER_COLLECTION = 120
STALE = {"Raftdoc-Consistency": "stale"}


class LongForkWorkload:
    """Single writes to small groups of documents, read as one snapshot: all readers see them in one order."""

    ok_min: ClassVar[Mapping[str, int]] = {"write": 6, "read": 6}
    is_resolved: ClassVar[bool] = True

    def __init__(self) -> None:
        self._group = 0
        self._unwritten = list(range(GROUP_SIZE))

    async def prepare(self, client: Client) -> None:
        await insist(client, Request("PUT", path_of(FORK, "first"), {}))

    async def step(self, client: Client) -> None:
        group = self._group
        if client.random.random() < 0.3 and self._unwritten:
            place = self._unwritten.pop(client.random.randrange(len(self._unwritten)))
            if not self._unwritten:
                self._group, self._unwritten = group + 1, list(range(GROUP_SIZE))
            key = f"g{group}-{place}"
            await client.perform("write", None, key, Request("PUT", path_of(FORK, key), {}, keyed(client)))
            return
        # Now and then the group before, to which a write may still be on its way.
        group = max(0, group - client.random.randint(0, 1))
        ids = [f"g{group}-{place}" for place in range(GROUP_SIZE)]
        headers = STALE if client.random.random() < 0.3 else {}
        request = Request("POST", command(FORK, "get-many"), {"ids": ids}, headers)
        await client.perform("read", None, ids, request, read=_ids, revise=_no_collection)

    async def finish(self, client: Client) -> Any:
        return None

    @staticmethod
    def check(evidence: Evidence) -> list[Report]:
        groups: dict[str, list[frozenset[str]]] = {}
        for one in evidence.operations:
            if one.f == "read" and one.type == "ok":
                groups.setdefault(one.value[0], []).append(frozenset(one.result))
        illegal = [
            f"one reader saw {sorted(left)}, another {sorted(right)}"
            for seen in groups.values()
            for left, right in combinations(set(seen), 2)
            if left - right and right - left
        ]
        return [report("long fork", illegal)]


class CausalReverseWorkload:
    """Elements are added by many clients: who sees one sees all that were acknowledged before it was begun."""

    ok_min: ClassVar[Mapping[str, int]] = {"add": 8, "read": 6}
    is_resolved: ClassVar[bool] = True

    def __init__(self) -> None:
        self._count = 0

    async def prepare(self, client: Client) -> None:
        await insist(client, Request("PUT", path_of(f"{CAUSAL}-0", "first"), {}))

    async def step(self, client: Client) -> None:
        collection = f"{CAUSAL}-{self._count // ELEMENTS_PER_COLLECTION}"
        if client.random.random() < 0.5:
            self._count += 1
            body = {"_id": f"{client.random.random():.6f}-{self._count}", "n": self._count}
            await client.perform(
                "add", collection, body["n"], Request("POST", path_of(collection), body, keyed(client))
            )
            return
        headers = STALE if client.random.random() < 0.4 else {}
        body = {"filter": {"n": {"$gt": 0}}, "limit": 1000}
        request = Request("POST", command(collection, "query"), body, headers)
        await client.perform("read", collection, None, request, read=_numbers, revise=_no_collection)

    async def finish(self, client: Client) -> Any:
        return None

    @staticmethod
    def check(evidence: Evidence) -> list[Report]:
        adds: dict[str | None, list[tuple[int, int, int | None]]] = {}
        for one in evidence.operations:
            if one.f == "add" and one.type != "fail":
                adds.setdefault(one.key, []).append((one.value, one.start, one.stop))
        illegal: list[str] = []
        for one in evidence.operations:
            if one.f == "read" and one.type == "ok" and one.result:
                illegal += _reversed(set(one.result), adds.get(one.key, []), one.key)
        return [report("causal reverse", illegal)]


def _reversed(seen: set[int], adds: list[tuple[int, int, int | None]], key: str | None) -> list[str]:
    """Return what a read missed although it saw something that was begun only after that was acknowledged."""
    last_start = max((start for number, start, _ in adds if number in seen), default=-1)
    missed = [number for number, _, stop in adds if stop is not None and stop < last_start and number not in seen]
    return [f"{key}: a reader saw {max(seen)} and missed {missed}, acknowledged before"] if missed else []


def _ids(answer: Answer) -> list[str]:
    return sorted(one["_id"] for one in answer.body["documents"]) if answer.body else []


def _numbers(answer: Answer) -> list[int]:
    return sorted(one["n"] for one in answer.body["documents"]) if answer.body else []


def _no_collection(answer: Answer) -> Answer:
    """Take a collection into which nothing was written yet for an empty one."""
    if answer.error == "collection_not_found":
        return answer._replace(outcome="ok", body=None, error=None)
    return answer
