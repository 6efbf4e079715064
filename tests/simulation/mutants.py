"""Planted faults, and how many seeds of the simulator each needs.

A fault is (module, exact old text, new text), applied while fresh copies of the whole product are imported; the product
has no switches. Text that is not found exactly once fails loudly. Those of the consensus core are the ones that the
core's own tests plant, by their names.

    python -m tests.simulation.mutants [SEEDS] [NAME ...]      prints the matrix of docs/testing.md
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from time import process_time

from tests.raft.edge_mutants import EDGE_MUTANTS
from tests.raft.mutants import MUTANTS as CORE_MUTANTS

from .edge_faults import EDGES
from .planting import Fault, first_caught

CORE = (
    "a lease without the clock check",
    "a lease from the time of the reply",
    "a lease kept after a transfer (L1)",
    "no vote refusal after boot (L3)",
    "no vote refusal while a leader is heard",
    "a lease kept by a clock that slept (L4)",
    "no new promise by a clock that jumped (L4)",
    "the commit of an older term by counting",
    "a vote that is not persisted",
    "an append acknowledged before its fsync (P1)",
    "a vote request before persist (P3)",
    "two votes in a term",
    "a vote for a log that is behind",
    "the leader's own log counted before its fsync (P2)",
    "apply before it is durable here (P7)",
    "no truncation of a conflict",
    "truncation of matching entries",
    "a commit that is not clamped to what was verified",
    "a configuration in force only at commit",
    "a single-level rollback of configurations",
    "a joint configuration left before it is committed",
    "voters changed without a joint configuration",
    "a quorum off by one",
    "ReadIndex on a round in flight",
    "ReadIndex before the no-op",
    "a read answered without a round",
    "a stale reply of an earlier life accepted",
    "a snapshot without its configuration",
    "a snapshot older than commit installed",
)
"""Names of faults of the core."""

ELSEWHERE = (
    Fault(
        "applied index outside the batch (P8)",
        "raftdoc.statemachine.database_machine",
        "        self._engine.write(staged.changes)\n",
        "        state = self._keys.meta('state')\n"
        "        self._engine.write({key: value for key, value in staged.changes.items() if key != state})\n"
        "        self._engine.write({state: staged.changes[state]})\n",
    ),
    Fault(
        "log let go above what is durably applied (P8)",
        "raftdoc.simulation.cores.host",
        "        self.disk_model.engine.flush()\n        replica.durable_applied_index",
        "        replica.durable_applied_index",
    ),
    Fault(
        "no memory of idempotency keys",
        "raftdoc.statemachine.requests",
        "        stored = staged.get(record_key)\n        if stored is not None:",
        "        stored = staged.get(record_key)\n        if stored is not None and False:",
    ),
    Fault(
        "idempotency keys lost in snapshots",
        "raftdoc.storage.snapshot",
        "            rest = key[SCOPE_BYTES:]\n",
        "            rest = key[SCOPE_BYTES:]\n            if rest[0] in (0x40, 0x41):\n                continue\n",
    ),
    Fault(
        "idempotency keys expire by the local clock",
        "raftdoc.statemachine.requests",
        "if oldest.expires_ms > staged.time_ms and",
        "if oldest.expires_ms > __import__('time').time_ns() // 1_000_000 and",
    ),
    Fault(
        "proposals resolved at truncation",
        "raftdoc.node.proposals",
        'self._fail(batch, OutcomeUnknown("a new leader replaced the entry; another node may still hold it"))',
        "self._fail(batch, NotLeader(self.group, None))",
    ),
    Fault(
        "apply that asks the local clock",
        "raftdoc.statemachine.staging",
        "max(progress.log_time_ms, entry.time_ms)",
        "max(progress.log_time_ms, __import__('time').time_ns() // 1000)",
    ),
    Fault(
        "apply that depends on the order of a set",
        "raftdoc.statemachine.staging",
        "        ordinal = self.ordinal\n",
        "        ordinal = self.ordinal + next(iter({object()})).__hash__() % 2\n",
    ),
    Fault(
        "a torn tail read as data",
        "raftdoc.storage.log.frames",
        "    return bool(checksum == xxh3_64_intdigest(view[HEADER_BYTES:], seed))",
        "    return bool(checksum or seed)",
    ),
)
"""Faults of the other packages. The host of the simulator stands for the node around the core, and has some of them."""


NODES = (
    Fault(
        "a read on the leader that does not ask the lease",
        "raftdoc.database.reads",
        "        if not replica.core.lease_valid(self._now_ns()):\n"
        "            return self._get_later(request, database, collection, id)\n",
        "",
    ),
    Fault(
        "a read that does not wait for what it needs to be applied",
        "raftdoc.node.node",
        "if replica.machine.applied_index >= index:",
        "if replica.core.commit_index >= index:",
    ),
    Fault(
        "reads answered when their entries are committed, not applied",
        "raftdoc.node.replica",
        "        if ready.reads:\n            self.reads.applied(self.machine.applied_index)\n",
        "        if ready.reads:\n            self.reads.applied(self.core.commit_index)\n",
    ),
    Fault(
        "a read that does not wait for the index it names",
        "raftdoc.database.reads",
        "                await self._node.wait_applied(other, index, request.deadline_ns)\n",
        "                pass\n",
    ),
    Fault(
        "forwarded writes said not to have happened when the link breaks",
        "raftdoc.node.forwarding",
        'OutcomeUnknown(f"the link to {peer} broke while the write was there")',
        "NotLeader(GroupId(1), None)",
    ),
    Fault(
        "proposals resolved at truncation, in whole nodes",
        "raftdoc.node.proposals",
        'self._fail(batch, OutcomeUnknown("a new leader replaced the entry; another node may still hold it"))',
        "self._fail(batch, NotLeader(self.group, None))",
    ),
    Fault(
        "a retry that fails hides that the attempt before is unknown",
        "raftdoc.database.router",
        'if is_unknown and error.outcome != "unknown":',
        "if False:",
    ),
    Fault(
        "what is applied during a flush counted as flushed",
        "raftdoc.node.maintenance",
        "        applied = {replica: replica.machine.applied_index for replica in self._node.replicas.values()}\n"
        "        await self._flush_engine()\n",
        "        await self._flush_engine()\n"
        "        applied = {replica: replica.machine.applied_index for replica in self._node.replicas.values()}\n",
    ),
    Fault(
        "an install that does not wait for the flush of its state",
        "raftdoc.node.maintenance",
        "        return asyncio.ensure_future(self._flush_engine())\n",
        "        return asyncio.ensure_future(asyncio.sleep(0))\n",
    ),
    Fault(
        "an index that keeps what was deleted",
        "raftdoc.statemachine.index_maintenance",
        "        plan.index.remove_entries(changes, id_key, plan.removed)\n",
        "",
    ),
    Fault(
        "a node that has caught up is never let in",
        "raftdoc.database.conductor",
        "if state.fitness.get(node.id) == CAUGHT_UP and node.is_alive:",
        "if state.fitness.get(node.id) == CAUGHT_UP and not node.is_alive:",
    ),
)
"""Faults between the tasks of a node, and of the database above: only the level of whole nodes has these."""


def faults() -> tuple[Fault, ...]:
    """Return all: those of the core first."""
    known = {mutant.name: mutant for mutant in CORE_MUTANTS}
    core = [*(known[name] for name in CORE), *EDGE_MUTANTS]
    of_core = [Fault(one.name, f"raftdoc.raft.{one.module}", one.old, one.new) for one in core]
    nodes = [one._replace(level="nodes") for one in NODES]
    return (*of_core, *ELSEWHERE, *nodes, *EDGES)


def main(arguments: Sequence[str]) -> None:
    """Print the matrix: fault, seeds until one fails, what breaks, seconds."""
    seeds = range(int(arguments[0]) if arguments else 2000)
    names = arguments[1:]
    print("| fault | seeds | what breaks first | s |\n|---|---|---|---|")  # noqa: T201
    for fault in faults():
        if names and fault.name not in names:
            continue
        start = process_time()
        caught = first_caught(fault, seeds)
        seconds = process_time() - start
        found = f"none of {len(seeds)}" if caught is None else str(caught.seed + 1)
        verdict = "" if caught is None else caught.verdict.replace("|", " ")[:60]
        print(f"| {fault.name} | {found} | {verdict} | {seconds:.1f} |", flush=True)  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:])
