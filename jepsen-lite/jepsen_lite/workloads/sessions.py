"""Sessions: each client reads its own writes on any node, from that node's own state, by the index it was told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from jepsen_lite.clients import Client
from jepsen_lite.exchange import Answer, Request
from jepsen_lite.workloads.workload import Evidence, insist, keyed, nothing, path_of
from raftdoc.simulation.checkers.verdict import Report, report

COLLECTION = "sessions"


class SessionsWorkload:
    """Writes, then stale reads with Raftdoc-Min-Index on changing nodes: a session never goes back."""

    ok_min: ClassVar[Mapping[str, int]] = {"put": 5, "get": 10}
    is_resolved: ClassVar[bool] = True

    def __init__(self) -> None:
        self._value = 0
        self._tokens: dict[int, str] = {}

    async def prepare(self, client: Client) -> None:
        await insist(client, Request("PUT", path_of(COLLECTION, "first"), {}))

    async def step(self, client: Client) -> None:
        key = f"s{client.number}"
        if client.random.random() < 0.35:
            self._value += 1
            request = Request("PUT", path_of(COLLECTION, key), {"v": self._value}, keyed(client))
            answer = await client.perform("put", key, self._value, request)
        else:
            headers = {"Raftdoc-Consistency": "stale"}
            if client.number in self._tokens:
                headers["Raftdoc-Min-Index"] = self._tokens[client.number]
            request = Request("GET", path_of(COLLECTION, key), None, headers)
            node = client.random.choice(client.nodes)
            answer = await client.perform("get", key, None, request, read=_value, revise=_absent, node=node)
        self._learn(client.number, answer)

    async def finish(self, client: Client) -> Any:
        return None

    @staticmethod
    def check(evidence: Evidence) -> list[Report]:
        """Judge by the revisions, which rise: the key is the session. An unknown write may rightly come late."""
        floors: dict[str | None, int] = {}
        illegal = []
        for one in sorted(evidence.operations, key=lambda one: one.start):
            if one.type != "ok":
                continue
            floor, revision = floors.get(one.key, 0), one.revision or 0
            if revision < floor:
                illegal.append(f"session {one.key} had revision {floor:x}, then saw {revision:x}: {one}")
            floors[one.key] = max(floor, revision)
        return [report("sessions", illegal)]

    def _learn(self, number: int, answer: Answer) -> None:
        token = answer.token
        if answer.outcome == "ok" and token is not None:
            known = self._tokens.get(number, "0:0")
            self._tokens[number] = max(known, token, key=lambda one: int(one.split(":")[1]))


def _value(answer: Answer) -> int | None:
    return answer.body["v"] if isinstance(answer.body, dict) else None


def _absent(answer: Answer) -> Answer:
    return nothing(answer, "document_not_found", "collection_not_found", "database_not_found")
