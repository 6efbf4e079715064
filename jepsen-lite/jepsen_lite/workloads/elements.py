"""Sets, counters and generated ids: what was added is there, once, and nothing else is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, ClassVar

from jepsen_lite.clients import Client
from jepsen_lite.exchange import Answer, Request
from jepsen_lite.workloads.workload import UPDATE_PATCH, Evidence, insist, keyed, path_of, read_all
from raftdoc.simulation.checkers.sets import check_counter, check_set
from raftdoc.simulation.checkers.verdict import Report, report

SET = "elements"
COUNTERS = "counters"
COUNTER = "n"
GENERATED = "generated"
FILLING = "x" * 200


class SetWorkload:
    """Documents are added under load; at the end a walk over all pages shows each that was acknowledged, once."""

    ok_min: ClassVar[Mapping[str, int]] = {"add": 15}
    is_resolved: ClassVar[bool] = True

    def __init__(self) -> None:
        self._count = 0

    async def prepare(self, client: Client) -> None:
        await insist(client, Request("PUT", path_of(SET, "first"), {}))

    async def step(self, client: Client) -> None:
        self._count += 1
        element = f"e{self._count}"
        body = {"_id": element, "filling": FILLING}
        await client.perform("add", None, element, Request("POST", path_of(SET), body, keyed(client)))

    async def finish(self, client: Client) -> Any:
        """Read everything."""

        async def act() -> Answer:
            ids = [one["_id"] for one in await read_all(client, SET) if one["_id"] != "first"]
            return Answer(200, {}, ids, "ok", None, "")

        await client.perform_all("read", None, None, act)

    @staticmethod
    def check(evidence: Evidence) -> list[Report]:
        return [check_set(evidence.operations)]


class CounterWorkload:
    """Numbers of either sign are added to one document inside the log; every read is within its bounds."""

    ok_min: ClassVar[Mapping[str, int]] = {"add": 10, "read": 5}
    is_resolved: ClassVar[bool] = True

    async def prepare(self, client: Client) -> None:
        await insist(client, Request("PUT", path_of(COUNTERS, COUNTER), {"n": 0}))

    async def step(self, client: Client) -> None:
        if client.random.random() < 0.4:
            await self._read(client)
            return
        amount = client.random.choice((1, 2, 3, 5, -1, -4))
        headers = keyed(client, **{"Content-Type": UPDATE_PATCH})
        request = Request("PATCH", path_of(COUNTERS, COUNTER), {"$inc": {"n": amount}}, headers)
        await client.perform("add", None, amount, request)

    async def finish(self, client: Client) -> Any:
        await self._read(client)
        answer = await insist(client, Request("GET", path_of(COUNTERS, COUNTER)))
        return {"n": answer.body["n"]}

    @staticmethod
    def check(evidence: Evidence) -> list[Report]:
        return [check_counter(evidence.operations), _check_sum(evidence)]

    async def _read(self, client: Client) -> None:
        request = Request("GET", path_of(COUNTERS, COUNTER))
        await client.perform("read", None, None, request, read=lambda one: one.body["n"])


class UniqueIdsWorkload:
    """Documents are created without an id on every node: no two get the same, and each is there."""

    ok_min: ClassVar[Mapping[str, int]] = {"generate": 15}
    is_resolved: ClassVar[bool] = False

    async def prepare(self, client: Client) -> None:
        await insist(client, Request("PUT", path_of(GENERATED, "first"), {}))

    async def step(self, client: Client) -> None:
        # Without a key the node makes the id up; with one it follows from the key.
        headers = keyed(client) if client.random.random() < 0.5 else {}
        body = {"by": client.number, "at": client.shared.clock.now_ns()}
        request = Request("POST", path_of(GENERATED), body, headers)
        await client.perform("generate", None, None, request, read=lambda one: one.body["_id"])

    async def finish(self, client: Client) -> Any:
        return [one["_id"] for one in await read_all(client, GENERATED)]

    @staticmethod
    def check(evidence: Evidence) -> list[Report]:
        given = Counter(one.result for one in evidence.operations if one.type == "ok")
        if evidence.final is None:
            return [report("unique ids", [], ["the documents were not read at the end"])]
        there = Counter(evidence.final)
        illegal = [f"{count} documents were told the id {id_}" for id_, count in given.items() if count > 1]
        illegal += [f"lost: {id_}" for id_ in given if id_ not in there]
        illegal += [f"{count} times: {id_}" for id_, count in there.items() if count > 1]
        return [report("unique ids", illegal)]


def _check_sum(evidence: Evidence) -> Report:
    """Compare the last number with the sum of those whose keys took effect."""
    if evidence.final is None:
        return report("sum", [], ["the counter was not read at the end"])
    amounts = {one.id: one.value for one in evidence.operations if one.f == "add"}
    total = sum(amount for id_, amount in amounts.items() if evidence.effects.get(id_ or ""))
    found = evidence.final["n"]
    return report("sum", [] if total == found else [f"the counter is {found}, what took effect makes {total}"])
