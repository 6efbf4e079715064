"""Registers: documents that are read, replaced, compared and set, created and deleted. Judged for linearizability."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from jepsen_lite.clients import Client
from jepsen_lite.exchange import Answer, Request
from jepsen_lite.workloads.workload import Evidence, command, insist, keyed, nothing, path_of
from raftdoc.simulation.checkers.linearizability import check_linearizability
from raftdoc.simulation.checkers.models import REGISTER
from raftdoc.simulation.checkers.resolution import resolve, settled
from raftdoc.simulation.checkers.verdict import Report, report
from raftdoc.simulation.checkers.witness import check_witness
from raftdoc.simulation.history import Operation, RaftPosition

COLLECTION = "registers"
PLAIN = ("get", "get", "get", "put", "put", "cas", "cas", "cas")
COMING_AND_GOING = (*PLAIN, "create", "delete")
KEYS_LIVE = 4
OPERATIONS_PER_KEY_MAX = 200
REFUSED_UPDATE = "cas-mismatch"


class RegisterWorkload:
    """get, put, cas, create, delete on a few documents; every value is written once only."""

    ok_min: ClassVar[Mapping[str, int]] = {"get": 10, "put": 4, "cas": 1}
    is_resolved: ClassVar[bool] = True

    def __init__(self) -> None:
        self._value = 0
        self._counts: dict[str, int] = {}
        self._keys = [f"r{number}" for number in range(KEYS_LIVE)]
        self._next_key = KEYS_LIVE
        self._known: dict[str, tuple[int, str]] = {}
        """The value and the entity tag last seen, by key."""

    async def prepare(self, client: Client) -> None:
        await insist(client, Request("PUT", command(COLLECTION, "").rstrip("/"), {}))

    async def step(self, client: Client) -> None:
        key = self._pick(client)
        f = client.random.choice(COMING_AND_GOING if _comes_and_goes(key) else PLAIN)
        if f == "cas" and key not in self._known:
            f = "get"
        acts: dict[str, Callable[[Client, str], Any]] = {
            "get": self._get,
            "put": self._put,
            "cas": self._cas,
            "create": self._create,
            "delete": self._delete,
        }
        await acts[f](client, key)

    async def finish(self, client: Client) -> Any:
        """Read every live key through every node, recorded: what was lost is missed now."""
        for key in self._keys:
            for node in client.nodes:
                await self._get(client, key, node)

    @staticmethod
    def check(evidence: Evidence) -> list[Report]:
        return [check_linearizability(known_of(evidence), REGISTER), _witness(evidence)]

    def _pick(self, client: Client) -> str:
        place = client.random.randrange(KEYS_LIVE)
        key = self._keys[place]
        self._counts[key] = self._counts.get(key, 0) + 1
        if self._counts[key] >= OPERATIONS_PER_KEY_MAX:
            self._keys[place] = f"r{self._next_key}"
            self._next_key += 1
        return key

    def _new(self) -> int:
        self._value += 1
        return self._value

    def _learn(self, key: str, value: int | None, answer: Answer) -> None:
        etag = answer.headers.get("ETag")
        if answer.outcome == "ok" and etag is not None and value is not None:
            self._known[key] = value, etag

    async def _get(self, client: Client, key: str, node: str | None = None) -> None:
        answer = await client.perform(
            "get",
            key,
            None,
            Request("GET", path_of(COLLECTION, key)),
            read=_value,
            revise=lambda one: nothing(one, "document_not_found"),
            node=node,
        )
        self._learn(key, _value(answer), answer)

    async def _put(self, client: Client, key: str) -> None:
        value = self._new()
        request = Request("PUT", path_of(COLLECTION, key), {"v": value}, keyed(client))
        self._learn(key, value, await client.perform("put", key, value, request))

    async def _cas(self, client: Client, key: str) -> None:
        """Compare by the entity tag, or by the value inside the log."""
        old, etag = self._known[key]
        value = self._new()
        if client.random.random() < 0.5:
            request = Request("PUT", path_of(COLLECTION, key), {"v": value}, keyed(client, **{"If-Match": etag}))
        else:
            body = {"filter": {"_id": key, "v": old}, "update": {"$set": {"v": value}}}
            request = Request("POST", command(COLLECTION, "update"), body, keyed(client))
        answer = await client.perform("cas", key, [old, value], request, revise=_revise_update)
        self._learn(key, value, answer)

    async def _create(self, client: Client, key: str) -> None:
        value = self._new()
        request = Request("POST", path_of(COLLECTION), {"_id": key, "v": value}, keyed(client))
        self._learn(key, value, await client.perform("create", key, value, request))

    async def _delete(self, client: Client, key: str) -> None:
        await client.perform("delete", key, None, Request("DELETE", path_of(COLLECTION, key), None, keyed(client)))


def known_of(evidence: Evidence) -> list[Operation]:
    """Return the operations with what the cluster says of unknown ones: the search need not guess about them."""
    if not evidence.is_looked_up:
        return list(evidence.operations)
    resolution = resolve(evidence.operations, evidence.effects)
    # Of a deletion it is known that it was done, not where: it stays open when.
    open_ = {one.id: one for one in evidence.operations if one.id and _is_open(resolution.placed.get(one.id))}
    return [open_.get(one.id or "", one) for one in settled(evidence.operations, resolution)]


def _is_open(place: RaftPosition | None) -> bool:
    return place is not None and place.index < 0


def _value(answer: Answer) -> int | None:
    return answer.body["v"] if isinstance(answer.body, dict) and "v" in answer.body else None


def _revise_update(answer: Answer) -> Answer:
    """Take an update that found nothing to change for the refusal that it is."""
    if answer.outcome == "ok" and isinstance(answer.body, dict) and answer.body.get("matched") == 0:
        return answer._replace(outcome="fail", error=REFUSED_UPDATE)
    return answer


def _witness(evidence: Evidence) -> Report:
    """Judge by the places in the log: of writes from the lookup of their keys, of reads from their answers.

    Refusals and deletions have no place that is told, and are left to the search: so are documents that come and go.
    """
    if not evidence.is_looked_up:
        return report("witness", [], ["the cluster was not asked about its keys: it did not heal"])
    placed = {id_: found[0] for id_, found in evidence.effects.items() if found}
    operations = [one for one in evidence.operations if one.type != "fail" and not _comes_and_goes(one.key or "")]
    return check_witness(operations, REGISTER, placed=placed)


def _comes_and_goes(key: str) -> bool:
    """Return whether this document is created and deleted as well."""
    return int(key[1:]) % 2 == 1
