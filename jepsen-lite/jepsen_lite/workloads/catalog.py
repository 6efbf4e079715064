"""Databases and collections come and go: what was dropped is gone on every node, also when it comes again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from jepsen_lite.clients import Client
from jepsen_lite.exchange import Answer, Request
from jepsen_lite.workloads.workload import Evidence, keyed, nothing
from raftdoc.simulation.checkers.verdict import Report, report

ABSENT = ("document_not_found", "collection_not_found", "database_not_found")


class CreateDropWorkload:
    """Each process makes, fills and drops databases and collections of its own, on changing nodes."""

    ok_min: ClassVar[Mapping[str, int]] = {"create": 2, "put": 3, "get": 4, "drop": 1}
    is_resolved: ClassVar[bool] = False

    def __init__(self) -> None:
        self._value = 0

    async def prepare(self, client: Client) -> None:
        return None

    async def step(self, client: Client) -> None:
        name = f"own-{client.process}"
        document = f"/v1/dbs/{name}/collections/c/docs/d"
        f = client.random.choice(("create", "put", "put", "put", "get", "get", "get", "drop-collection", "drop"))
        if f == "create":
            await client.perform(f, name, None, Request("PUT", f"/v1/dbs/{name}", {}, keyed(client)))
        elif f == "put":
            self._value += 1
            value = self._value
            request = Request("PUT", document, {"v": value}, keyed(client))
            await client.perform(f, name, value, request, revise=_absent, read=lambda one: value if one.body else None)
        elif f == "get":
            await client.perform(f, name, None, Request("GET", document), read=_value, revise=_absent)
        else:
            path = f"/v1/dbs/{name}" + ("/collections/c" if f == "drop-collection" else "")
            await client.perform(f, name, None, Request("DELETE", path, None, keyed(client)), revise=_absent)

    async def finish(self, client: Client) -> Any:
        return None

    @staticmethod
    def check(evidence: Evidence) -> list[Report]:
        """Replay each process, which alone uses its database; it dies with the first thing that it does not know."""
        databases: dict[str | None, bool] = {}
        values: dict[str | None, int | None] = {}
        illegal = []
        for one in sorted(evidence.operations, key=lambda one: one.start):
            if one.type != "ok":
                continue
            exists, value = databases.get(one.key, False), values.get(one.key)
            if one.f == "create":
                databases[one.key] = True
            elif one.f in {"drop", "drop-collection"}:
                databases[one.key] = exists and one.f != "drop"
                values[one.key] = None
            elif one.f == "put" and (one.result is None) == exists:
                illegal.append(f"a write answered {one.result} while the database is {exists}: {one}")
            elif one.f == "put":
                values[one.key] = one.value if exists else None
            elif one.result != value:
                illegal.append(f"held {value}, and was read: {one}")
        return [report("create and drop", illegal)]


def _absent(answer: Answer) -> Answer:
    return nothing(answer, *ABSENT)


def _value(answer: Answer) -> int | None:
    return answer.body["v"] if isinstance(answer.body, dict) and "v" in answer.body else None
