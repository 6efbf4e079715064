"""One write, sent several times under one idempotency key: to different nodes, at once, and long after."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, ClassVar

from jepsen_lite.clients import Client
from jepsen_lite.exchange import Answer, Request
from jepsen_lite.workloads.workload import UPDATE_PATCH, Evidence, insist, keyed, path_of
from raftdoc.simulation.checkers.sets import check_counter
from raftdoc.simulation.checkers.verdict import Report, report

COLLECTION = "duplicates"
COUNTER = "n"
SENDS_MAX = 5
REMEMBERED_MAX = 200
RESENT_SHARE = 0.25


class DuplicatesWorkload:
    """Additions sent 2-5 times under one key, some again after failovers: each counts once, all answers are one."""

    ok_min: ClassVar[Mapping[str, int]] = {"add": 5, "resend": 2, "get": 5}
    is_resolved: ClassVar[bool] = True

    def __init__(self) -> None:
        self._sent: list[tuple[int, Request]] = []

    async def prepare(self, client: Client) -> None:
        await insist(client, Request("PUT", path_of(COLLECTION, COUNTER), {"n": 0}))

    async def step(self, client: Client) -> None:
        drawn = client.random.random()
        if drawn < 0.3:
            await self._get(client)
        elif drawn < 0.3 + RESENT_SHARE and self._sent:
            amount, request = client.random.choice(self._sent)
            await self._again(client, "resend", amount, request, client.random.randint(1, 2))
        else:
            await self._add(client)

    async def finish(self, client: Client) -> Any:
        """Send everything that is remembered once more: nothing may change."""
        for amount, request in self._sent:
            await self._again(client, "resend", amount, request, 1)
        await self._get(client)
        answer = await insist(client, Request("GET", path_of(COLLECTION, COUNTER)))
        return {"n": answer.body["n"]}

    @staticmethod
    def check(evidence: Evidence) -> list[Report]:
        adds = [one for one in evidence.operations if one.f in {"add", "get"}]
        return [check_counter(adds), _check_total(evidence), _check_answers(evidence)]

    async def _get(self, client: Client) -> None:
        await client.perform(
            "get", None, None, Request("GET", path_of(COLLECTION, COUNTER)), read=lambda one: one.body["n"]
        )

    async def _add(self, client: Client) -> None:
        amount = client.random.randint(1, 9)
        headers = keyed(client, **{"Content-Type": UPDATE_PATCH})
        request = Request("PATCH", path_of(COLLECTION, COUNTER), {"$inc": {"n": amount}}, headers)
        answer = await self._again(client, "add", amount, request, client.random.randint(2, SENDS_MAX))
        # What failed for certain stays so: sent again, it would take effect.
        if answer.outcome != "fail":
            self._sent = [*self._sent, (amount, request)][-REMEMBERED_MAX:]

    async def _again(self, client: Client, f: str, amount: int, request: Request, times: int) -> Answer:
        """Send a request several times as one operation: at once, or one after the other, each to a node of its own.

        Of a resend the key is the value: the operation that is judged is the one that was recorded first.
        """
        shared = client.shared
        id_ = request.id if f == "add" else None
        value = amount if f == "add" else request.id
        invoked = shared.recorder.invoke(shared.clock.now_ns(), client.process, f, None, value, id=id_)
        sent_ns = shared.clock.now_ns()
        answers = await self._send_all(client, request, times)
        shared.exchanges.append((invoked.index, sent_ns, shared.clock.now_ns()))
        best = _best(answers)
        told = sorted({_told(one) for one in answers if one.outcome == "ok"})
        result = told if f == "resend" else value
        shared.recorder.complete(invoked, shared.clock.now_ns(), best.outcome, result, error=best.error)
        if f == "add" and len(told) > 1:
            note = shared.recorder.invoke(shared.clock.now_ns(), client.process, "differing", None, told)
            shared.recorder.complete(note, shared.clock.now_ns(), "ok", told)
        if best.outcome == "info":
            client.die()
        return best

    async def _send_all(self, client: Client, request: Request, times: int) -> list[Answer]:
        nodes = [client.random.choice(client.nodes) for _ in range(times)]
        if client.random.random() < 0.5:
            return list(await asyncio.gather(*(client.send(request, node) for node in nodes)))
        return [await client.send(request, node) for node in nodes]


def _best(answers: list[Answer]) -> Answer:
    """Return what is known when several requests were one: ok if one was, unknown if one is, else failed."""
    for outcome in ("ok", "info"):
        for answer in answers:
            if answer.outcome == outcome:
                return answer
    return answers[0]


def _told(answer: Answer) -> str:
    return f"{answer.status} {answer.headers.get('ETag')} {answer.body}"


def _check_total(evidence: Evidence) -> Report:
    """Compare the counter with the amounts whose keys took effect, each counted once."""
    if evidence.final is None:
        return report("once", [], ["the counter was not read at the end"])
    amounts = {one.id: one.value for one in evidence.operations if one.f == "add"}
    total = sum(amount for id_, amount in amounts.items() if evidence.effects.get(id_ or ""))
    found = evidence.final["n"]
    return report("once", [] if total == found else [f"the counter is {found}, the keys that took effect make {total}"])


def _check_answers(evidence: Evidence) -> Report:
    """Return whether every request under one key had the same answer, over all resends."""
    told: dict[str, set[str]] = {}
    illegal = [f"one key, several answers: {one.value}" for one in evidence.operations if one.f == "differing"]
    for one in evidence.operations:
        if one.f == "resend" and one.type == "ok":
            told.setdefault(one.value, set()).update(one.result)
    illegal += [f"{id_} was answered {sorted(answers)}" for id_, answers in told.items() if len(answers) > 1]
    return report("answers", illegal)
