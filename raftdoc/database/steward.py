"""What has to be put right in the catalog without anybody asking: who we are, and half-dropped databases.

Every node sees that it is registered as it is now. The catalog's leader makes the cluster's first record, and
finishes the drops that a dead node left half done. The leader of a database removes what dropped collections left.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from random import Random

from raftdoc.cluster.directory import Directory
from raftdoc.database.catalog import Catalog
from raftdoc.database.router import Router
from raftdoc.database.surroundings import Surroundings
from raftdoc.errors import NOT_NOW, Fatal, NodeIdUsed, NodeRemoved, NotFound, WrongStore
from raftdoc.ids import CATALOG_GROUP, ClusterId
from raftdoc.limits import NS_PER_MS
from raftdoc.node.node import Node
from raftdoc.node.replica import Replica
from raftdoc.statemachine import commands
from raftdoc.statemachine.catalog_machine import NodeRecord
from raftdoc.statemachine.database_machine import DatabaseMachine
from raftdoc.transport.handshake import REMOVED, removal_of

log = logging.getLogger("raftdoc.database")

ROUND_INTERVAL_S = 0.5
STEP_TIMEOUT_MS = 5000
BARRIER_TIMEOUT_MS = 1000
SWEEP_DOCUMENTS = 256
SWEEPS_PER_ROUND = 100


class Steward:
    def __init__(
        self,
        node: Node,
        directory: Directory,
        router: Router,
        catalog: Catalog,
        me: NodeRecord,
        cluster_id: ClusterId,
        surroundings: Surroundings,
        random: Random,
    ) -> None:
        self._node = node
        self._directory = directory
        self._router = router
        self._catalog = catalog
        self._me = me
        self._cluster_id = cluster_id
        self._surroundings = surroundings
        self._random = random
        self.is_registered = False

    async def run(self) -> None:
        """Look at the catalog every half second and put right what is wrong; runs until cancelled.

        Raises:
            WrongStore: another data directory is registered under this node's id.
            NodeRemoved: this node was removed from the cluster.
        """
        while True:
            self._check_removed()
            await self._attend(self._round())
            await asyncio.sleep(ROUND_INTERVAL_S if self.is_registered else ROUND_INTERVAL_S / 25)

    async def _round(self) -> None:
        replica = self._node.replicas[CATALOG_GROUP]
        if not self._directory.is_current:
            deadline_ns = self._node.clock.now_ns() + BARRIER_TIMEOUT_MS * NS_PER_MS
            replica = await self._router.read_barrier(CATALOG_GROUP, deadline_ns)
            self._directory.is_current = True
            self._surroundings.reconcile()
        machine = self._directory.catalog
        if replica.is_leader and not machine.cluster_id:
            cursor_key = self._random.randbytes(commands.CURSOR_KEY_BYTES)
            await self._write(commands.initialise(self._cluster_id, cursor_key))
        if machine.cluster_id and not self._is_known():
            await self._register()
        self.is_registered = self._is_known()
        if replica.is_leader:
            for record in list(machine.databases.values()):
                if record.state == "closing":
                    await self._attend(self._catalog.finish_drop(record, self._deadline_ns()))
        for replica in list(self._node.replicas.values()):
            if replica.is_leader and isinstance(replica.machine, DatabaseMachine):
                await self._attend(self._sweep(replica, replica.machine))

    async def _attend(self, work: Awaitable[None]) -> None:
        """Do a part of what is to be done; where it cannot be done now it keeps no other from being done."""
        try:
            await work
        except (*NOT_NOW, NotFound) as error:
            # NotFound: a database went meanwhile.
            log.debug("it could not be looked after yet reason=%s", error)

    def _is_known(self) -> bool:
        """Return whether the catalog has this node as it is now; its state is not its own to say."""
        known = self._directory.catalog.nodes.get(self._me.id)
        return known is not None and known._replace(state=self._me.state) == self._me

    def _check_removed(self) -> None:
        if self._directory.is_removed(self._me.id):
            raise NodeRemoved(f"the catalog says that node {self._me.id} was removed")
        for peer in self._directory.addresses():
            refusal = self._surroundings.refusal(peer)
            # Only what a peer says of this very node counts: this one refuses others by the same code.
            if refusal is not None and refusal.code == REMOVED and refusal.detail == removal_of(self._me.id):
                raise NodeRemoved(f"node {peer} says: {refusal.detail}")

    async def _sweep(self, replica: Replica, machine: DatabaseMachine) -> None:
        """Remove documents of dropped collections through the log, a slice at a time, for some rounds."""
        command = commands.sweep(SWEEP_DOCUMENTS)
        for _ in range(SWEEPS_PER_ROUND):
            if not machine.has_dropped_documents or not replica.is_leader:
                return
            await self._router.write(replica.group, command, self._deadline_ns(), has_key=True)

    async def _register(self) -> None:
        me = self._me
        command = commands.register_node(me.id, me.store_id, http=me.http, peer=me.peer, host=me.host)
        code = await self._write(command)
        if code == WrongStore.code:
            raise WrongStore(
                f"another data directory is registered as node {self._me.id}; start this one under a new id, or "
                "restore the old data"
            )
        if code == NodeIdUsed.code:
            raise NodeRemoved(f"the catalog says that node {self._me.id} was removed")
        if code != "ok":
            raise Fatal(f"the catalog refused to register this node: {code}")

    async def _write(self, command: bytes) -> str:
        # Every command of the steward is idempotent by itself, so that an unknown outcome may be repeated.
        outcome = await self._router.write(CATALOG_GROUP, command, self._deadline_ns(), has_key=True)
        return outcome.code

    def _deadline_ns(self) -> int:
        return self._node.clock.now_ns() + STEP_TIMEOUT_MS * NS_PER_MS
