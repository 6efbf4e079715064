"""Whether the cluster serves, and what it says of its members."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, ClassVar

from jepsen_lite.clients import Client
from jepsen_lite.exchange import Answer, Request
from jepsen_lite.workloads.elements import SetWorkload
from jepsen_lite.workloads.workload import Evidence, insist, keyed, path_of
from raftdoc.simulation.checkers.verdict import Report, report
from raftdoc.simulation.history import NEMESIS

COLLECTION = "service"
KEYS = 20
GAP_S_MAX = 12.0
RECOVERY_S_MAX = 15.0
MINORITY_ONLY = frozenset(
    (
        "crash-loop", "partition-leader", "partition-node", "partition-one-way", "transfer", "rolling-restart",
        "latency", "jitter", "loss", "cut-frame", "clock-jump", "clock-rate", "membership-churn",
    )
)  # fmt: skip
"""Faults that leave a majority whole: the cluster has to go on."""


class AvailabilityWorkload:
    """Writes through every node: they go on while a majority is whole, and come back soon after everything heals."""

    ok_min: ClassVar[Mapping[str, int]] = {"put": 10}
    is_resolved: ClassVar[bool] = True

    async def prepare(self, client: Client) -> None:
        await insist(client, Request("PUT", path_of(COLLECTION, "first"), {}))

    async def step(self, client: Client) -> None:
        key = f"k{client.random.randrange(KEYS)}"
        await client.perform("put", None, key, Request("PUT", path_of(COLLECTION, key), {}, keyed(client)))

    async def finish(self, client: Client) -> Any:
        """Return how many seconds each node needed until a write through it was answered."""
        clock = client.shared.clock
        took: dict[str, float] = {}
        for node in client.nodes:
            began_s = clock.given_s()
            answer = await client.send(Request("PUT", path_of(COLLECTION, "last"), {}, keyed(client)), node)
            while answer.outcome != "ok" and clock.given_s() - began_s < 2 * RECOVERY_S_MAX:
                answer = await client.send(Request("PUT", path_of(COLLECTION, "last"), {}, keyed(client)), node)
            took[node] = clock.given_s() - began_s
        return took

    @staticmethod
    def check(evidence: Evidence) -> list[Report]:
        if evidence.final is None:
            return [report("availability", [], ["nobody looked after healing"])]
        slow = [f"{node} took {s:.1f} s to serve again" for node, s in evidence.final.items() if s > RECOVERY_S_MAX]
        return [report("availability", slow + _gaps(evidence))]


class MembershipWorkload(SetWorkload):
    """Elements are added while nodes come and go, and every node is asked who belongs: who was removed stays so."""

    ok_min: ClassVar[Mapping[str, int]] = {"add": 10, "members": 2}

    async def step(self, client: Client) -> None:
        if client.random.random() < 0.2:
            await client.perform("members", None, None, Request("GET", "/v1/cluster/members"), read=_states)
        else:
            await super().step(client)

    @staticmethod
    def check(evidence: Evidence) -> list[Report]:
        removed: dict[str, int] = {}
        illegal = []
        reads = sorted((one for one in evidence.operations if one.f == "members"), key=lambda one: one.stop or 0)
        for one in reads:
            if one.type != "ok":
                continue
            for node, state in one.result.items():
                if state == "removed":
                    removed.setdefault(node, one.stop or 0)
                elif node in removed and one.start > removed[node]:
                    illegal.append(f"{node} was removed, and is {state}: {one}")
        return [*SetWorkload.check(evidence), report("members", illegal)]


def _states(answer: Answer) -> dict[str, str]:
    members = answer.body["members"] if isinstance(answer.body, dict) else answer.body
    return {one["id"]: one["state"] for one in members}


def _gaps(evidence: Evidence) -> list[str]:
    """Return for how long nobody was served although a majority was whole."""
    faults = {event.f for event in evidence.events if event.process == NEMESIS and event.type == "invoke"}
    times = [event.time / 1e9 for event in evidence.events if event.type == "ok" and event.process != NEMESIS]
    if not faults <= MINORITY_ONLY or not times:
        return []
    longest = max((after - before for before, after in pairwise(times)), default=0.0)
    # What the machine did not give to the harness it did not give to the nodes either.
    gap_s_max = GAP_S_MAX + evidence.starved_s
    return [f"no write was answered for {longest:.1f} s"] if longest > gap_s_max else []
