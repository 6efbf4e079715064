"""What operators do, at bad moments: members come and go, leaders are moved, logs are cut, descriptors run out."""

from __future__ import annotations

import asyncio
import json
import os
import resource
from dataclasses import dataclass, field
from typing import Any

from jepsen_lite.cluster import Cluster
from jepsen_lite.exchange import DATABASE
from jepsen_lite.faults.fault import Plain, World

REMOVED = 78
JOIN_TIMEOUT_S = 15.0
POLL_S = 0.2
BALLAST = f"{DATABASE}/collections/ballast/docs"
BALLAST_BYTES = 256 * 1024
BALLAST_DOCUMENTS = 100
BALLAST_TRIES = 200
DESCRIPTORS_SPARE = 3
CONNECTIONS = 60
SILENCE_S = 1.0


@dataclass(slots=True)
class MembershipChurn(Plain):
    """A node joins, takes part and is removed for good. Noticed: a member is known as removed."""

    newcomer: str | None = None
    count: int = 0
    removed: list[str] = field(default_factory=list)

    async def start(self, world: World) -> Any:
        cluster = world.cluster
        self.count += 1
        self.newcomer = f"x{self.count}"
        via = world.random.choice(cluster.running() or list(cluster.founders))
        cluster.add(self.newcomer, via)
        cluster.nodes[self.newcomer].may_end_with.add(REMOVED)
        cluster.start(self.newcomer)
        # It takes part before it goes; where it cannot join, the time is up at some point.
        await _until_state(world, self.newcomer, "member")
        return self.newcomer

    async def stop(self, world: World) -> Any:
        """Remove it, if it has come so far; whoever did not join in time is only ended."""
        node = self.newcomer
        if node is None:
            return "nothing"
        is_gone = await _ask_until(world, f"/v1/cluster/members/{node}", "DELETE", (202, 404), JOIN_TIMEOUT_S)
        if is_gone:
            await _until_state(world, node, "removed")
            self.removed.append(node)
        await world.cluster.kill(node)
        self.newcomer = None
        return {"node": node, "removed": is_gone}

    async def seen(self, world: World) -> int:
        states = await _members(world)
        return sum(states.get(node) == "removed" for node in self.removed)


@dataclass(slots=True)
class Transfer(Plain):
    """Leadership is handed over, again and again. Noticed: nodes say that they lead, one after the other."""

    task: asyncio.Task[None] | None = None

    async def start(self, world: World) -> Any:
        self.task = asyncio.create_task(self._move(world))
        return "every half second"

    async def _move(self, world: World) -> None:
        while True:
            for node in world.cluster.running()[:1]:
                for group in (0, 1):
                    body = {"group": group, "to": world.random.choice(world.cluster.founders)}
                    await world.cluster.ask(node, "/v1/cluster/transfer-leader", method="POST", body=body)
            await asyncio.sleep(0.5)

    async def stop(self, world: World) -> Any:
        if self.task is not None:
            self.task.cancel()
            await asyncio.wait([self.task])
            self.task = None
        return "done"

    async def seen(self, world: World) -> int:
        leaders = [change["node"] for change in world.observer.changes if change["role"] == "leader"]
        return max(len(leaders) - 1, 0)


@dataclass(slots=True)
class SnapshotStorm(Plain):
    """A node sleeps while more is written than the log may hold. Noticed: the log of a node tells of a snapshot."""

    node: str | None = None

    async def start(self, world: World) -> Any:
        followers = [node for node in world.target("followers") if node not in world.hurt]
        if not followers:
            return "busy"
        self.node = followers[0]
        world.hurt.add(self.node)
        await world.cluster.kill(self.node)
        written = 0
        for number in range(BALLAST_TRIES):
            is_written = await self._write(world, number)
            written += is_written
            if written == BALLAST_DOCUMENTS:
                break
            if not is_written:
                # Another fault keeps the others from it for a while.
                await asyncio.sleep(POLL_S)
        return {"node": self.node, "documents": written}

    async def _write(self, world: World, number: int) -> bool:
        nodes = [node for node in world.cluster.running() if not world.cluster.nodes[node].is_paused]
        if not nodes:
            return False
        # Bytes that no compression makes small.
        body = {"filling": os.urandom(BALLAST_BYTES // 2).hex()}
        path = f"{BALLAST}/b{number % 8}"
        status, _ = await world.cluster.ask(world.random.choice(nodes), path, method="PUT", body=body)
        return status in {200, 201}

    async def stop(self, world: World) -> Any:
        node, self.node = self.node, None
        if node is not None:
            world.hurt.discard(node)
            world.cluster.start(node)
        return node

    async def seen(self, world: World) -> int:
        for _ in range(50):
            count = sum(world.cluster.log(node).count("snapshot installed") for node in world.cluster.nodes)
            if count:
                return count
            await asyncio.sleep(POLL_S)
        return 0


@dataclass(slots=True)
class DescriptorExhaustion(Plain):
    """A node may open no more files, and clients keep connecting. Noticed: connections get no answer."""

    limits: dict[int, tuple[int, int]] = field(default_factory=dict)
    silent: int = 0

    async def start(self, world: World) -> Any:
        targets = [node for node in world.pick(("one", "leader")) if node not in world.hurt]
        for node in targets:
            pid = world.cluster.pid(node)
            # A process that is only starting is not meant: no program begins without descriptors.
            if pid is None or not world.cluster.sockets(node):
                continue
            count = len(os.listdir(f"/proc/{pid}/fd"))
            _, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
            self.limits[pid] = resource.prlimit(pid, resource.RLIMIT_NOFILE, (count + DESCRIPTORS_SPARE, hard))
            self.silent += await _crowd(world.cluster, node)
        return targets

    async def stop(self, world: World) -> Any:
        for pid, limits in self.limits.items():
            if os.path.exists(f"/proc/{pid}"):
                resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
        self.limits.clear()
        return self.silent

    async def seen(self, world: World) -> int:
        return self.silent


async def _crowd(cluster: Cluster, node: str) -> int:
    """Open many connections that ask something. Return how many were not answered in time, or refused."""

    async def ask() -> bool:
        writer = None
        try:
            async with asyncio.timeout(SILENCE_S):
                reader, writer = await asyncio.open_connection("127.0.0.1", cluster.nodes[node].http_port)
                writer.write(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
                return not (await reader.readline()).startswith(b"HTTP/1.1 200")
        except (OSError, TimeoutError):
            return True
        finally:
            if writer is not None:
                await asyncio.sleep(SILENCE_S)
                writer.transport.abort()

    return sum(await asyncio.gather(*(ask() for _ in range(CONNECTIONS))))


async def _ask_until(world: World, path: str, method: str, good: tuple[int, ...], timeout_s: float) -> bool:
    """Ask any node until the answer is one of the good ones."""
    for _ in range(int(timeout_s / POLL_S)):
        nodes = [node for node in world.cluster.running() if node in world.cluster.founders]
        if nodes:
            status, _ = await world.cluster.ask(world.random.choice(nodes), path, method=method)
            if status in good:
                return status == good[0]
        await asyncio.sleep(POLL_S)
    return False


async def _until_state(world: World, node: str, state: str) -> None:
    """Wait until a member is in a state, or the time for it is up."""
    for _ in range(int(JOIN_TIMEOUT_S / POLL_S)):
        if (await _members(world)).get(node) == state:
            return
        await asyncio.sleep(POLL_S)


async def _members(world: World) -> dict[str, str]:
    """Return the state of each member, by any node that answers."""
    for node in world.cluster.running():
        status, text = await world.cluster.ask(node, "/v1/cluster/members")
        if status == 200:
            body = json.loads(text)
            members = body["members"] if isinstance(body, dict) else body
            return {one["id"]: one["state"] for one in members}
    return {}
