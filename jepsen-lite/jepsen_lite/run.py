"""One run: start, break, heal, collect, judge. What it leaves is a directory."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

from jepsen_lite.clients import Client, Shared, pace
from jepsen_lite.clock import Clock
from jepsen_lite.cluster import Cluster, NotReady
from jepsen_lite.collect import converge, inspect, look_up
from jepsen_lite.exchange import DATABASE, Request
from jepsen_lite.faults.disk_library import CannotBuild, Disk, build
from jepsen_lite.faults.disks import POWER_DELAY_MS, PowerLoss
from jepsen_lite.faults.fault import World
from jepsen_lite.faults.registry import FAULTS
from jepsen_lite.links import Links
from jepsen_lite.logs import read_logs
from jepsen_lite.nemesis import Nemesis, rhythm_of
from jepsen_lite.observer import Observer
from jepsen_lite.options import Options, write_test
from jepsen_lite.workloads.registry import WORKLOADS
from jepsen_lite.workloads.workload import NotSettled, Workload, insist
from raftdoc.simulation.history import Recorder, write_history

SETTINGS = {"log-segment-bytes": "1MiB", "disk-reserve-bytes": "8MiB", "drain-timeout-ms": "3s"}


async def run(options: Options, directory: Path) -> None:
    """Do a run. What goes wrong in it is written to `run.json`, and is a matter for the judge."""
    directory.mkdir(parents=True)
    write_test(directory, options)
    await _Run(options, directory).go()


class _Run:
    def __init__(self, options: Options, directory: Path) -> None:
        self._options = options
        self._directory = directory
        self._random = Random(options.seed)
        self._clock = Clock()
        self._recorder = Recorder()
        self._shared = Shared(self._recorder, self._clock, options.clients)
        self._links = Links(Random(self._random.random()))
        self._faults = [FAULTS[name]() for name in options.nemesis]
        self._skipped = {one.name: why for one in self._faults if (why := one.available())}
        self._faults = [one for one in self._faults if one.name not in self._skipped]
        replicas = {"replicas": str(options.replicas)}
        settings = {
            **SETTINGS,
            **replicas,
            **{name: value for one in self._faults for name, value in one.settings.items()},
        }
        self._cluster = Cluster(directory, options.nodes, self._links, settings)
        self._equip()
        self._observer = Observer(self._cluster, self._clock)
        self._workload: Workload = WORKLOADS[options.workload]()
        self._clients: list[Client] = []
        self._troubles: list[str] = []
        self._found: dict[str, Any] = {"skipped": self._skipped}

    def _equip(self) -> None:
        """Put libraries before the nodes, and clocks' files in their place, where a fault needs them."""
        for fault in self._faults:
            fault.equip(self._cluster)
        if not any(fault.has_disk_library for fault in self._faults):
            return
        place = self._directory / "disks"
        place.mkdir()
        try:
            library = build(place)
        except CannotBuild as error:
            self._skipped |= {fault.name: str(error) for fault in self._faults if fault.has_disk_library}
            self._faults = [fault for fault in self._faults if not fault.has_disk_library]
            return
        for node in self._cluster.founders:
            disk = Disk(library, place, node, self._cluster.data(node))
            self._cluster.disks[node] = disk
            self._cluster.nodes[node].preload(disk.library)
            self._cluster.nodes[node].environment |= disk.environment
            if any(isinstance(fault, PowerLoss) for fault in self._faults):
                disk.switch("records", 1)
                disk.rest("sync_delay_ms", POWER_DELAY_MS)

    async def go(self) -> None:
        watching = [asyncio.create_task(self._clock.watch())]
        try:
            await self._cluster.open()
            await self._meet()
            watching.append(asyncio.create_task(self._observer.run()))
            await self._attack()
            await self._settle()
        except (NotSettled, NotReady) as error:
            self._troubles.append(str(error))
        finally:
            for task in watching:
                task.cancel()
            await asyncio.wait(watching)
            await self._end()

    async def _meet(self) -> None:
        """Make clients, the database and the workload's ground."""
        has_links = any(fault.has_client_links for fault in self._faults)
        for number in range(self._options.clients):
            ports = {node: await self._port(f"c{number}", node, has_links) for node in self._cluster.founders}
            self._clients.append(Client(number, ports, self._shared, Random(self._random.random())))
        answer = await insist(self._clients[0], Request("PUT", DATABASE, {}))
        if answer.outcome != "ok":
            raise NotSettled(f"no database: {answer}")
        await self._workload.prepare(self._clients[0])

    async def _port(self, client: str, node: str, has_links: bool) -> int:
        port = self._cluster.nodes[node].http_port
        if has_links:
            port = await self._links.open(client, node, port)
        return port

    async def _attack(self) -> None:
        """Let clients and nemesis work for the time of the run, then heal."""
        names = [f"c{one.number}" for one in self._clients]
        world = World(
            self._cluster, self._links, self._observer, Random(self._random.random()), names, self._cluster.disks
        )
        nemesis = Nemesis(world, self._recorder, self._clock, Random(self._random.random()))
        breaking = asyncio.create_task(
            nemesis.run(self._faults, rhythm_of(self._options.seconds), has_packages=self._options.has_packages)
        )
        stop = asyncio.Event()
        working = [asyncio.create_task(self._work(client, stop)) for client in self._clients]
        done = await self._until_over({breaking, *working})
        breaking.cancel()
        await asyncio.wait([breaking])
        await nemesis.heal()
        stop.set()
        await asyncio.wait(working)
        self._blame(done | set(working), breaking)
        await self._heal(world)

    async def _until_over(self, tasks: set[asyncio.Task[None]]) -> set[asyncio.Task[None]]:
        """Wait for the seconds of the run, or until a task ends; what the machine did not give is made up for."""
        end_s = self._clock.given_s() + self._options.seconds
        while (left_s := end_s - self._clock.given_s()) > 0:
            done, _ = await asyncio.wait(tasks, timeout=left_s, return_when="FIRST_EXCEPTION")
            if done:
                return done
        return set()

    def _blame(self, done: set[asyncio.Task[None]], breaking: asyncio.Task[None]) -> None:
        """Note what a client or the nemesis raised: a run with a broken harness is worth nothing."""
        for task in done | {breaking}:
            if task.cancelled():
                continue
            error = task.exception()
            if error is not None:
                self._troubles.append(f"the harness raised {error!r}")

    async def _work(self, client: Client, stop: asyncio.Event) -> None:
        rate = self._options.rate / self._options.clients
        while not stop.is_set():
            await self._workload.step(client)
            await pace(client.random, rate)

    async def _heal(self, world: World) -> None:
        """Let every founder live again, and ask the faults who noticed them."""
        for node in self._cluster.founders:
            self._cluster.resume(node)
            self._cluster.start(node)
        try:
            await self._cluster.wait_ready(self._cluster.founders)
        except NotReady as error:
            self._troubles.append(f"after healing: {error}")
        self._found["seen"] = {fault.name: await fault.seen(world) for fault in self._faults}
        self._found["links"] = dict(self._links.counts)

    async def _settle(self) -> None:
        """Look at everything that the checkers need from a healed cluster."""
        if self._troubles:
            return
        await self._seal()
        self._found["final"] = await self._workload.finish(self._clients[0])
        requests = await look_up(self._clients, self._recorder.events) if self._workload.is_resolved else {}
        self._write("requests.json", requests)
        missing = await converge(self._cluster, self._clock)
        if missing:
            self._troubles.append(f"replicas do not converge: {missing}")
        self._found["sockets"] = {node: self._cluster.sockets(node) for node in self._cluster.running()}
        self._found["metrics"] = {
            node: (await self._cluster.ask(node, "/metrics"))[1] for node in self._cluster.running()
        }

    async def _seal(self) -> None:
        """Have a last write committed: what was on its way in the group before it is then committed as well, or gone.

        Without, a write of unknown outcome may be committed after the last read, or after replicas were found alike.
        """
        answer = await insist(self._clients[0], Request("PUT", f"{DATABASE}/collections/sealed", {}))
        if answer.outcome != "ok":
            raise NotSettled(f"no last write: {answer}")

    async def _end(self) -> None:
        """Stop the nodes, look into their directories, write everything down."""
        ended_before = [exit_._asdict() for exit_ in self._cluster.exits]
        for node in self._cluster.nodes:
            self._cluster.resume(node)
        await asyncio.gather(*(self._cluster.stop(node) for node in self._cluster.nodes))
        await self._links.close()
        await self._cluster.close()
        self._found["inspected"] = {
            node: await asyncio.to_thread(inspect, self._cluster.data(node)) for node in self._judged_nodes()
        }
        logs = {node: await asyncio.to_thread(read_logs, self._cluster.data(node)) for node in self._judged_nodes()}
        self._found["exits"] = ended_before + [one._asdict() for one in self._cluster.exits[len(ended_before) :]]
        self._found["troubles"] = self._troubles
        self._found["starved_s"] = self._clock.starved_s
        write_history(self._directory / "history.jsonl", self._recorder.events)
        self._write("roles.json", self._observer.changes)
        self._write("exchanges.json", self._shared.exchanges)
        self._write("run.json", self._found)
        (self._directory / "logs.json").write_text(json.dumps(logs) + "\n")

    def _judged_nodes(self) -> Sequence[str]:
        return [node for node in self._cluster.founders if self._cluster.data(node).exists()]

    def _write(self, name: str, value: Any) -> None:
        (self._directory / name).write_text(json.dumps(value, indent=1) + "\n")


def forget_data(directory: Path) -> None:
    """Delete the data directories of a run that was well."""
    shutil.rmtree(directory / "data", ignore_errors=True)
