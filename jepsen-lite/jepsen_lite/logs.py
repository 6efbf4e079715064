"""The logs of stopped nodes, entry by entry: what all replicas have to agree on, and the terms of the places in it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from itertools import combinations
from pathlib import Path
from typing import Any, TypeAlias

from raftdoc.errors import Fatal
from raftdoc.ids import Index
from raftdoc.storage.log.files import DirectoryFiles
from raftdoc.storage.log.reading import FrameReader, GroupReader
from raftdoc.storage.log.recovery import recover

LOG = "log"
READ_BYTES = 1 << 20
DIGEST_BYTES = 6

GroupLog: TypeAlias = Mapping[str, Any]
"""`first`: an index; `digests`: of the entries from there on; `terms`: pairs of an index and the term from there on."""


def read_logs(data: Path) -> dict[str, GroupLog]:
    """Return what the log of a stopped node holds, by group. A log that cannot be read is a matter for `inspect`."""
    files = DirectoryFiles(data / LOG)
    try:
        found = recover(files)
        frames = FrameReader(files)
        try:
            return {
                str(group): _group(GroupReader(group, found.groups, frames), log.compacted_index + 1, log.last_index)
                for group, log in found.groups.items()
                if not log.has_left
            }
        finally:
            frames.close()
    except (Fatal, OSError):
        return {}


def _group(reader: GroupReader, first: int, last: int) -> GroupLog:
    digests: list[str] = []
    terms: list[tuple[int, int]] = []
    index = first
    while index <= last:
        for entry in reader.read(Index(index), Index(last), READ_BYTES):
            said = f"{entry.term} {int(entry.kind)} ".encode() + entry.payload
            digests.append(hashlib.blake2b(said, digest_size=DIGEST_BYTES).hexdigest())
            if not terms or terms[-1][1] != entry.term:
                terms.append((index, entry.term))
            index += 1
    return {"first": first, "digests": digests, "terms": terms}


def differing(logs: Mapping[str, Mapping[str, GroupLog]], committed: Mapping[tuple[str, str], int]) -> Iterator[str]:
    """Yield pairs of nodes that hold different entries at an index that both know as committed.

    Args:
        logs: by node, then by group.
        committed: by node and group, up to where.
    """
    groups = sorted({group for log in logs.values() for group in log})
    for group in groups:
        holders = [node for node in logs if group in logs[node]]
        for left, right in combinations(holders, 2):
            last = min(committed.get((left, group), 0), committed.get((right, group), 0))
            index = _first_difference(logs[left][group], logs[right][group], last)
            if index is not None:
                yield f"group {group}: {left} and {right} hold different entries at {index}"


def _first_difference(mine: GroupLog, other: GroupLog, last: int) -> int | None:
    first: int = max(mine["first"], other["first"])
    pairs = zip(mine["digests"][first - mine["first"] :], other["digests"][first - other["first"] :], strict=False)
    return next((first + at for at, (a, b) in enumerate(pairs) if first + at <= last and a != b), None)


def term_at(logs: Mapping[str, Mapping[str, GroupLog]], group: int, index: int) -> int | None:
    """Return the term of a committed entry, None where no log holds it any more."""
    for log in logs.values():
        one = log.get(str(group))
        if one and one["first"] <= index < one["first"] + len(one["digests"]):
            terms: list[int] = [term for start, term in one["terms"] if start <= index]
            return terms[-1]
    return None
