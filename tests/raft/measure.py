"""How long a leader's turn takes: `python -m tests.raft.measure`. Printed, never asserted.

A turn: propose, ready, the acknowledgements of two followers, on_persisted, ready, on_applied.
"""

from __future__ import annotations

import sys
from time import process_time

from raftdoc.ids import BootId, Index, Term
from raftdoc.raft import Raft
from raftdoc.raft.messages import AppendResponse

from .lone import MS, N2, N3, Lone

TURNS = 2000


def turns(core: Raft, now_ns: int, payload: bytes) -> int:
    """Run TURNS turns; return the time after them."""
    term = core.term
    for _ in range(TURNS):
        now_ns += 1000
        index = core.propose(payload, 1, now_ns)[1]
        task = core.ready().persist
        assert task is not None
        assert isinstance(index, int)
        response = AppendResponse(
            term, True, Index(index), Index(index - 1), Term(0), Index(0), Index(index), now_ns, 0, BootId(1)
        )
        core.step(N2, response, now_ns)
        core.step(N3, response, now_ns)
        core.on_persisted(task.mark, now_ns)
        core.on_applied(core.ready().entries[-1].index, now_ns)
    return now_ns


def main(rounds: int) -> None:
    """Print the microseconds of a turn: the best of some rounds, because the machine does other things, too."""
    node = Lone().elect()
    now_ns, payload = node.now_ns + MS, b"x" * 512
    best = float("inf")
    for _ in range(rounds):
        start = process_time()
        now_ns = turns(node.core, now_ns, payload)
        best = min(best, process_time() - start)
    print(f"{best / TURNS * 1e6:.1f} us per turn")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 30)
