"""What every workload offers."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, Protocol
from urllib.parse import quote

from jepsen_lite.clients import Client
from jepsen_lite.exchange import DATABASE, Answer, Request
from raftdoc.simulation.checkers.verdict import Report
from raftdoc.simulation.history import Event, Operation, RaftPosition

SETTLE_TIMEOUT_S = 40.0
RETRY_S = 0.2
UPDATE_PATCH = "application/vnd.raftdoc.update+json"


class Evidence(NamedTuple):
    """What a run leaves to be judged, read from its directory."""

    events: Sequence[Event]
    operations: Sequence[Operation]
    effects: Mapping[str, Sequence[RaftPosition]]
    """Where each write took effect that did, by idempotency key; of the group that the workload uses."""
    final: Any
    """What the workload saw when all was healed."""
    is_looked_up: bool = True
    """Whether the cluster was asked about the keys; else `effects` is empty and says nothing."""
    starved_s: float = 0.0
    """For how long the machine gave the harness nothing."""


class Workload(Protocol):
    ok_min: ClassVar[Mapping[str, int]]
    """How many ok answers each operation needs in 10 s."""
    is_resolved: ClassVar[bool]
    """Whether the recorded keys are those of the database, so that each is looked up after healing."""

    async def prepare(self, client: Client) -> None:
        """Lay the ground, before faults begin."""
        ...

    async def step(self, client: Client) -> None:
        """Do one thing."""
        ...

    async def finish(self, client: Client) -> Any:
        """Look once more when all is healed; return what `check` needs of it, as JSON."""
        ...

    @staticmethod
    def check(evidence: Evidence) -> list[Report]:
        """Judge, offline."""
        ...


class NotSettled(RuntimeError):
    """A healed cluster does not answer."""


def path_of(collection: str, key: str | None = None) -> str:
    """Return the path of a collection's documents, or of one."""
    path = f"{DATABASE}/collections/{collection}/docs"
    return path if key is None else f"{path}/{quote(key, safe='')}"


def command(collection: str, verb: str) -> str:
    """Return the path of a command: query, update, ..."""
    return f"{DATABASE}/collections/{collection}/{verb}"


def keyed(client: Client, **headers: str) -> dict[str, str]:
    """Return headers with a new idempotency key."""
    return {"Idempotency-Key": client.new_id(), **headers}


async def insist(client: Client, request: Request) -> Answer:
    """Send, unrecorded, until it is answered ok, or refused for certain by something else than a 503.

    Raises:
        NotSettled: not within the time.
    """
    clock = client.shared.clock
    deadline_s = clock.given_s() + SETTLE_TIMEOUT_S
    while True:
        answer = await client.send(request)
        if answer.outcome == "ok" or (answer.status not in {0, 503, 504} and answer.outcome == "fail"):
            return answer
        if clock.given_s() > deadline_s:
            raise NotSettled(f"{request.method} {request.path}: {answer}")
        await asyncio.sleep(RETRY_S)


async def read_all(client: Client, collection: str, limit: int = 500) -> list[dict[str, Any]]:
    """Return all documents of a collection, page by page.

    Raises:
        NotSettled: the cluster does not answer.
    """
    found: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        more = "" if cursor is None else f"&cursor={quote(cursor, safe='')}"
        answer = await insist(client, Request("GET", f"{path_of(collection)}?limit={limit}{more}"))
        if answer.outcome != "ok":
            raise NotSettled(f"{collection} cannot be read: {answer}")
        found += answer.body["documents"]
        cursor = answer.body["cursor"]
        if cursor is None:
            return found


def nothing(answer: Answer, *codes: str) -> Answer:
    """Return an answer in which a refusal for one of these reasons is an ok without a body."""
    if answer.outcome == "fail" and answer.error in codes:
        return answer._replace(outcome="ok", body=None, error=None)
    return answer
