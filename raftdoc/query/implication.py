"""Whether every document that a filter matches is in a sparse or partial index. In doubt it is not."""

from __future__ import annotations

from collections import defaultdict
from typing import Any, Final

from raftdoc.document.path import Path
from raftdoc.query.ast import Always, And, Compare, Exists, In, Node, Or
from raftdoc.query.bounds import Condition, Conjunction, conjunction_of
from raftdoc.query.intervals import contains

COMPARISONS_MAX: Final = 50_000
"""Of conditions, in one planning; what would need more is in doubt."""


class Implication:
    """What follows from a filter; for one planning, over any number of indexes."""

    def __init__(self, root: Node, conjunction: Conjunction) -> None:
        self._parts: dict[Any, list[Node]] = defaultdict(list)
        """By path; None: those of no path."""
        self._conditions: dict[Path, list[Condition]] = defaultdict(list)
        self._left = COMPARISONS_MAX
        for part in root.children if isinstance(root, And) else (root,):
            self._parts[_path_of(part)].append(part)
        for condition in conjunction.conditions:
            self._conditions[condition.path].append(condition)

    def has_one_of(self, paths: set[Path]) -> bool:
        """Return whether the filter asks for a document that has one of the paths."""
        return any(condition.implies_presence for path in paths for condition in self._conditions.get(path, ()))

    def holds(self, wanted: Node) -> bool:
        """Return whether what the filter matches, `wanted` matches as well."""
        if wanted == Always(True) or self._is_part(wanted):
            return True
        if isinstance(wanted, And):
            return all(self.holds(child) for child in wanted.children)
        if isinstance(wanted, Or):
            return any(self.holds(child) for child in wanted.children)
        if isinstance(wanted, Exists):
            return self.has_one_of({wanted.path})
        return isinstance(wanted, Compare | In) and self._is_within(wanted)

    def _is_part(self, wanted: Node) -> bool:
        parts = self._parts.get(_path_of(wanted), ())
        return self._may_compare(len(parts)) and wanted in parts

    def _is_within(self, wanted: Compare | In) -> bool:
        conditions = self._conditions.get(wanted.path, ())
        if not conditions or not self._may_compare(len(conditions)):
            return False
        (limit,) = conjunction_of(wanted).conditions
        return limit.is_exact and any(
            condition.is_exact and bool(condition.intervals) and contains(limit.intervals, condition.intervals)
            for condition in conditions
        )

    def _may_compare(self, count: int) -> bool:
        self._left -= count
        return self._left >= 0


def _path_of(node: Node) -> Path | None:
    path: Path | None = getattr(node, "path", None)
    return path
