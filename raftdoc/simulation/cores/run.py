"""One seed of the cores level: run, judge, report."""

from __future__ import annotations

from typing import Final

from xxhash import xxh3_64_hexdigest

from raftdoc.errors import RaftdocError
from raftdoc.simulation.cores.drawing import draw_trace
from raftdoc.simulation.cores.judge import judge
from raftdoc.simulation.cores.world import World
from raftdoc.simulation.history import encode_event
from raftdoc.simulation.seed_result import SeedResult
from raftdoc.storage.engine import EngineBusy

LEVEL: Final = "cores"
BREAKAGES: Final = (
    AssertionError,
    ArithmeticError,
    AttributeError,
    EngineBusy,
    LookupError,
    OSError,
    RaftdocError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What code that is wrong may raise. Whatever it is, it is the verdict on the seed."""


def run_seed(seed: int, *, suppressed: frozenset[int] = frozenset(), trace: bool = False) -> SeedResult:
    """Run the world of a seed and judge it. `suppressed`: numbers of fault decisions that are not carried out."""
    world = World(seed, suppressed=suppressed)
    if trace:
        world.trace = []
    verdict = "ok"
    try:
        world.run()
        judge(world)
    except BREAKAGES as error:
        verdict = f"{type(error).__name__}: {' '.join(map(str, error.args))}"
        world.note("broken", "", "", verdict)
    return SeedResult(
        seed=seed,
        level=LEVEL,
        is_ok=verdict == "ok",
        verdict=verdict,
        steps=world.steps,
        trace_hash=_hash(world),
        counters=dict(world.counts),
        decision_count=world.nemesis.decision_count,
        trace=draw_trace(list(world.hosts), world.trace or []),
    )


def _hash(world: World) -> str:
    """Return the hash of every step, of the history, and of what was counted."""
    lines = [encode_event(event) for event in world.recorder.events]
    counts = sorted(world.counts.items())
    digest: str = xxh3_64_hexdigest(b"\n".join([*lines, repr(counts).encode(), b"%d" % world.hash]))
    return digest
