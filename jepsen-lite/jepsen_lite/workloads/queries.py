"""Random queries against a model: each process has documents of its own, and knows what a query has to show."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from jepsen_lite.clients import Client
from jepsen_lite.exchange import Request
from jepsen_lite.workloads.workload import Evidence, command, insist, keyed, path_of
from raftdoc.simulation.checkers.verdict import Report, report

COLLECTION = "queries"
DOCUMENTS = 12
COLOURS = ("red", "green", "blue")
COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "$eq": lambda held, wanted: bool(held == wanted),
    "$ne": lambda held, wanted: bool(held != wanted),
    "$gt": lambda held, wanted: bool(held > wanted),
    "$gte": lambda held, wanted: bool(held >= wanted),
    "$lt": lambda held, wanted: bool(held < wanted),
    "$lte": lambda held, wanted: bool(held <= wanted),
    "$in": lambda held, wanted: held in wanted,
    "$nin": lambda held, wanted: held not in wanted,
}


class QueriesWorkload:
    """Random filters, sorts and limits, by an index or without, answered as a model of ten lines answers them."""

    ok_min: ClassVar[Mapping[str, int]] = {"put": 5, "find": 8}
    is_resolved: ClassVar[bool] = True

    async def prepare(self, client: Client) -> None:
        await insist(client, Request("PUT", path_of(COLLECTION, "first"), {}))
        await insist(client, Request("POST", command(COLLECTION, "indexes"), {"fields": {"p": 1, "n": 1}}))

    async def step(self, client: Client) -> None:
        key = f"p{client.process}"
        place = client.random.randrange(DOCUMENTS)
        id_ = f"{key}-{place:02}"
        drawn = client.random.random()
        if drawn < 0.4:
            body = {"p": key, "n": client.random.randint(-9, 9), "colour": client.random.choice(COLOURS)}
            await client.perform("put", key, [id_, body], Request("PUT", path_of(COLLECTION, id_), body, keyed(client)))
        elif drawn < 0.5:
            await client.perform("delete", key, id_, Request("DELETE", path_of(COLLECTION, id_), None, keyed(client)))
        else:
            body = self._query(client, key)
            request = Request("POST", command(COLLECTION, "query"), body)
            await client.perform("find", key, body, request, read=lambda one: [d["_id"] for d in one.body["documents"]])

    async def finish(self, client: Client) -> Any:
        return None

    @staticmethod
    def check(evidence: Evidence) -> list[Report]:
        """Replay each process: it does one thing at a time, and what it writes nobody else does."""
        held: dict[str | None, dict[str, dict[str, Any]]] = {}
        illegal = []
        for one in sorted(evidence.operations, key=lambda one: one.start):
            if one.type != "ok":
                continue
            documents = held.setdefault(one.key, {})
            if one.f == "put":
                documents[one.value[0]] = one.value[1]
            elif one.f == "delete":
                documents.pop(one.value, None)
            elif one.result != _expected(documents, one.value):
                illegal.append(f"{one.key}: {one.value} shows {one.result}, not {_expected(documents, one.value)}")
        return [report("queries", illegal)]

    def _query(self, client: Client, key: str) -> dict[str, Any]:
        conditions = [_condition(client) for _ in range(client.random.randint(0, 2))]
        filter_: dict[str, Any] = {"p": key}
        if conditions:
            filter_[client.random.choice(("$and", "$or", "$nor"))] = conditions
        descending = client.random.choice((1, -1))
        return {"filter": filter_, "sort": {"n": descending, "_id": descending}, "limit": client.random.randint(1, 20)}


def _condition(client: Client) -> dict[str, Any]:
    operator = client.random.choice(tuple(COMPARE))
    if client.random.random() < 0.5:
        wanted: Any = client.random.randint(-9, 9)
        return {"n": {operator: [wanted, wanted + 1] if "in" in operator else wanted}}
    colour = client.random.choice(COLOURS)
    return {"colour": {operator: [colour] if "in" in operator else colour}}


def _expected(documents: Mapping[str, Mapping[str, Any]], query: Mapping[str, Any]) -> list[str]:
    """Return the ids that a query has to show, in order."""
    filter_ = query["filter"]
    found = [(body["n"], id_) for id_, body in documents.items() if _matches(body, filter_)]
    found.sort(reverse=query["sort"]["n"] < 0)
    return [id_ for _, id_ in found][: query["limit"]]


def _matches(body: Mapping[str, Any], filter_: Mapping[str, Any]) -> bool:
    for name, wanted in filter_.items():
        if name == "p":
            continue
        results = [_holds(body, condition) for condition in wanted]
        joined = {"$and": all(results), "$or": any(results), "$nor": not any(results)}
        if not joined[name]:
            return False
    return True


def _holds(body: Mapping[str, Any], condition: Mapping[str, Any]) -> bool:
    ((field, comparison),) = condition.items()
    ((operator, wanted),) = comparison.items()
    return COMPARE[operator](body[field], wanted)
