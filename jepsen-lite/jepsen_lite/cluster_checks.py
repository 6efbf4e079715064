"""What must hold of the nodes themselves after every run, whatever the workload was."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

from jepsen_lite.logs import GroupLog, differing
from raftdoc.simulation.checkers.verdict import Report, report

TRACEBACKS = (
    "Traceback (most recent call last)",
    "AssertionError",
    "Task was destroyed but it is pending",
    "exception was never retrieved",
    "was never awaited",
)
SOCKETS_MAX = 100
"""Of a node at rest: some to and from every peer, and those of the harness."""
REPLICATED_APART = ("$requests", "$meta")
"""Parts of a digest that change with entries that write no document."""


def check_cluster(
    found: Mapping[str, Any], directory: Path, logs: Mapping[str, Mapping[str, GroupLog]] | None = None
) -> Report:
    """Judge what nodes printed, how they ended, and their directories, digests and logs."""
    inspected: Mapping[str, Any] = found.get("inspected", {})
    illegal = [*_tracebacks(directory), *_exits(found), *_unreadable(inspected), *_differing(inspected)]
    illegal += [*differing(logs or {}, _committed(inspected)), *_leaks(found)]
    unknown = [] if len(inspected) > 1 else ["fewer than two directories to compare"]
    return report("cluster", illegal, unknown)


def _tracebacks(directory: Path) -> Iterator[str]:
    for path in sorted((directory / "nodes").glob("*.log")):
        text = path.read_text(errors="replace")
        for mark in TRACEBACKS:
            at = text.find(mark)
            if at >= 0:
                yield f"{path.name}: {text[at : at + 600]}"
                break


def _exits(found: Mapping[str, Any]) -> Iterator[str]:
    for one in found.get("exits", []):
        if not one["is_ordered"]:
            yield f"{one['node']} ended by itself with code {one['code']}"


def _leaks(found: Mapping[str, Any]) -> Iterator[str]:
    for node, count in found.get("sockets", {}).items():
        if count > SOCKETS_MAX:
            yield f"{node} had {count} sockets open when all was done"


def _committed(inspected: Mapping[str, Any]) -> dict[tuple[str, str], int]:
    """Return up to where each node's state has applied each group: that is committed."""
    return {
        (node, str(group["group"])): group["applied_index"]
        for node, one in inspected.items()
        for group in one.get("groups", [])
    }


def _unreadable(inspected: Mapping[str, Any]) -> Iterator[str]:
    for node, one in inspected.items():
        if one["code"] != 0:
            yield f"the directory of {node} does not open: {one['error']}"
        for group in one.get("groups", []):
            if group["differing"]:
                yield f"{node}, group {group['group']}: stored data differ from their digest: {group['differing']}"


def _differing(inspected: Mapping[str, Any]) -> Iterator[str]:
    """Yield pairs of replicas that hold different data.

    All had applied the same before they were stopped; what was appended after that wrote no document. At equal applied
    index all of the digest is compared, else that of the documents.
    """
    groups: dict[int, dict[str, Any]] = {}
    for node, one in inspected.items():
        for group in one.get("groups", []):
            groups.setdefault(group["group"], {})[node] = group
    for id_, replicas in groups.items():
        for (left, mine), (right, other) in combinations(replicas.items(), 2):
            is_equal_index = mine["applied_index"] == other["applied_index"]
            parts = (set(mine["digest"]) | set(other["digest"])) - set(() if is_equal_index else REPLICATED_APART)
            for part in sorted(parts):
                if mine["digest"].get(part) != other["digest"].get(part):
                    places = f"{left} at {mine['applied_index']} and {right} at {other['applied_index']}"
                    yield f"group {id_}: {places} differ in {part}"
