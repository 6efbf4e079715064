"""One seed of the nodes level: run, judge, report."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from xxhash import xxh3_64_hexdigest

from raftdoc.simulation.cores.drawing import draw_trace
from raftdoc.simulation.cores.run import BREAKAGES
from raftdoc.simulation.history import encode_event
from raftdoc.simulation.nodes.judge import judge
from raftdoc.simulation.nodes.plan import Plan
from raftdoc.simulation.nodes.world import World
from raftdoc.simulation.seed_result import SeedResult

LEVEL: Final = "nodes"


def run_seed(
    seed: int, *, suppressed: frozenset[int] = frozenset(), trace: bool = False, plan: Plan | None = None
) -> SeedResult:
    """Run the world of a seed and judge it.

    Args:
        suppressed: numbers of fault decisions that are not carried out.
        trace: whether the result has a drawing.
        plan: instead of the one that the seed draws; what happens in it is still the seed's.
    """
    world = World(seed, suppressed=suppressed, plan=plan)
    if trace:
        world.trace = []
    verdict = "ok"
    with _quiet():
        try:
            world.run()
            judge(world)
        except BREAKAGES as error:
            verdict = f"{type(error).__name__}: {' '.join(map(str, error.args))}"
            world.note("broken", "", "", verdict)
    world.counts["frames_lost"] += world.network.lost_count
    world.counts["answers_lost"] += world.gateway.lost_count
    return SeedResult(
        seed=seed,
        level=LEVEL,
        is_ok=verdict == "ok",
        verdict=verdict,
        steps=world.loop.steps,
        trace_hash=_hash(world),
        counters=dict(world.counts),
        decision_count=world.nemesis.decision_count,
        trace=draw_trace(list(world.machines), world.trace or []),
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Have the product's log say nothing: what it warns of is what is done to it."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)


def _hash(world: World) -> str:
    """Return the hash of every turn, of the history, and of what was counted."""
    lines = [encode_event(event) for event in world.recorder.events]
    counts = sorted(world.counts.items())
    digest: str = xxh3_64_hexdigest(b"\n".join([*lines, repr(counts).encode(), b"%d" % world.watch.hash]))
    return digest
