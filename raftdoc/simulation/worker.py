"""One process of a sweep: `python -m raftdoc.simulation.worker LEVEL SEED SEED ...` prints a line of JSON a seed."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import orjson

from raftdoc.simulation.levels import LEVELS
from raftdoc.simulation.seed_result import SeedResult


def encode_result(result: SeedResult) -> bytes:
    """Return a result as one line of JSON, without its end."""
    return orjson.dumps(result._asdict())


def decode_result(line: bytes) -> SeedResult:
    """Return the result of one line.

    Raises:
        ValueError: it is none.
    """
    row = orjson.loads(line)
    if not isinstance(row, dict) or set(row) != set(SeedResult._fields):
        raise ValueError(f"no result of a seed: {line[:200]!r}")
    return SeedResult(**row)


def main(arguments: Sequence[str]) -> None:
    level, *seeds = arguments
    for seed in seeds:
        sys.stdout.buffer.write(encode_result(LEVELS[level].run_seed(int(seed))) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
