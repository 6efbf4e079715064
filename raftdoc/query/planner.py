"""Chooses how a query reads: every index gives at most one plan, the documents themselves one; the cheapest wins.

Rules that make a plan true, not only fast:
1. Where an array was ever met on a field's path, one condition alone gives its bounds: another element may meet
   the next one. Two fields below the same array are never bounded together, for the same reason.
2. A sparse or partial index counts only where the filter implies that no document it matches is missing there.
3. An index gives an order only by fields without arrays: an array counts by its least or greatest element, and
   its entries lie at every one.
4. Nothing is covered by an index with arrays.
"""

from __future__ import annotations

from dataclasses import replace
from heapq import nsmallest
from itertools import product
from typing import Final, NamedTuple

from raftdoc.document.path import Path
from raftdoc.errors import InvalidQuery
from raftdoc.query.bounds import Condition, Conjunction, conjunction_of
from raftdoc.query.filter import Filter
from raftdoc.query.implication import Implication
from raftdoc.query.index_definition import IndexDefinition
from raftdoc.query.intervals import EVERYTHING, Interval, Intervals, intersection
from raftdoc.query.paths_read import paths_of
from raftdoc.query.plan import KeyRange, Plan, SortKind
from raftdoc.query.reader import DocumentReader
from raftdoc.query.sort import Sort

RANGES_MAX: Final = 4096
"""Ranges of one plan; more are read as the one range around them all."""
RANGES_ESTIMATED_MAX: Final = 4
CONDITIONS_MAX: Final = 16
"""On one path, whose intervals are intersected."""
COST_OF_KEY: Final = 0.3
"""Of reading an index entry, where reading and judging a document in order is 1."""
COST_OF_FETCH: Final = 4.0
COST_OF_SORT: Final = 0.5
MATCHED_SHARE: Final = 0.1
"""Of what is read, how much a filter lets through, where nothing better is known."""

ID_PATH: Final[Path] = ("_id",)


class Wanted(NamedTuple):
    """What a query asks for, as far as it matters to the plan."""

    filter: Filter
    sort: Sort | None = None
    row_count: int | None = None
    """How many rows are needed before reading may stop; None: all."""
    paths: tuple[Path, ...] | None = None
    """What is read of each row beside the filter; None: the whole document."""
    hint: str | None = None
    hint_pointer: str = "/hint"


def candidates(wanted: Wanted, reader: DocumentReader) -> list[Plan]:
    """Return every plan that is true for the query, the cheapest first; of equal ones in the order of their names.

    Raises:
        InvalidQuery: the hint names no index, or one that cannot answer.
    """
    planner = _Planner(wanted, reader)
    plans = planner.with_costs([planner.by_id(), *planner.by_indexes()])
    if wanted.hint is not None:
        plans = [plan for plan in plans if plan.name == wanted.hint]
        if not plans:
            raise InvalidQuery(
                f"there is no ready index {wanted.hint!r} that can answer this query",
                pointer=wanted.hint_pointer,
                mongo_code=2,
            )
    return sorted(plans, key=lambda plan: (plan.cost, plan.name))


class _Field(NamedTuple):
    path: Path
    is_descending: bool
    is_multikey: bool


class _Planner:
    def __init__(self, wanted: Wanted, reader: DocumentReader) -> None:
        self._wanted = wanted
        self._reader = reader
        self._conjunction: Conjunction = conjunction_of(wanted.filter.root)
        self._paths = paths_of(wanted.filter.root)
        self._known_bounds: dict[tuple[Path, bool], tuple[Intervals, list[Condition]]] = {}
        self._known_ranges: dict[_Field, tuple[KeyRange, ...]] = {}
        """Of an index that is bounded by its first field: many may begin with the same one."""
        self._implication: Implication | None = None
        """Made for the first index that is sparse or partial."""

    def by_id(self) -> Plan:
        """Return the plan that reads the documents in the order of their ids."""
        field = _Field(ID_PATH, False, False)
        intervals, used = self._bounds(field)
        ranges: tuple[KeyRange, ...] = tuple([found.range(is_descending=False) for found in intervals])
        is_bounded = intervals != (EVERYTHING,)
        if not is_bounded:
            ranges = ((b"", None),)
        estimate = self._estimate(None, ranges)
        sort, reverse = self._order([field], _points(intervals))
        is_exact = self._is_exact(used) or self._wanted.filter.is_everything
        return Plan(None, ranges, is_bounded, reverse, sort, False, is_exact, estimate, 0.0)

    def by_indexes(self) -> list[Plan]:
        """Return a plan for each index that can answer and is of some use."""
        plans = [self._by_index(index) for index in self._reader.indexes if self._has_all(index)]
        return [plan for plan in plans if plan is not None]

    def _by_index(self, index: IndexDefinition) -> Plan | None:
        fields = [
            _Field(tuple(path.split(".")), direction < 0, is_multikey)
            for (path, direction), is_multikey in zip(index.fields, index.multikey_paths, strict=True)
        ]
        bounds, used = self._index_bounds(fields)
        is_covered = self._is_covered(index, fields)
        point_count = 0
        while point_count < len(bounds) and _points(bounds[point_count]):
            point_count += 1
        sort, reverse = self._order(fields, point_count)
        is_useful = bool(bounds) or sort == "index" or is_covered or self._wanted.hint == index.name
        if not is_useful:
            return None
        ranges = self._ranges(fields, bounds)
        is_exact = self._wanted.filter.is_everything or (not index.is_multikey and self._is_exact(used))
        estimate = self._estimate(index, ranges)
        return Plan(index, ranges, bool(bounds), reverse, sort, is_covered, is_exact, estimate, 0.0)

    def with_costs(self, plans: list[Plan]) -> list[Plan]:
        """Return the plans with what they cost: the narrowest of them tells how many documents can match at all."""
        matches = min(plan.estimated_keys for plan in plans)
        return [replace(plan, cost=self._cost(plan, matches)) for plan in plans]

    def _cost(self, plan: Plan, matches: int) -> float:
        keys = float(plan.estimated_keys)
        if plan.sort != "memory" and self._wanted.row_count is not None and keys:
            share = 1.0 if plan.is_exact else max(min(MATCHED_SHARE, matches / keys), 1 / keys)
            keys = min(keys, self._wanted.row_count / share)
        cost = keys * _cost_per_key(plan)
        return cost + plan.estimated_keys * COST_OF_SORT if plan.sort == "memory" else cost

    def _has_all(self, index: IndexDefinition) -> bool:
        """Return whether every document that the filter matches is in the index."""
        if not index.sparse and index.partial_root is None:
            return True
        if self._implication is None:
            self._implication = Implication(self._wanted.filter.root, self._conjunction)
        if index.sparse and not self._implication.has_one_of({tuple(path.split(".")) for path, _ in index.fields}):
            return False
        return index.partial_root is None or self._implication.holds(index.partial_root)

    def _index_bounds(self, fields: list[_Field]) -> tuple[list[Intervals], list[Condition]]:
        """Return the intervals of the first fields, up to the last one that narrows the keys, and what was used."""
        bounds: list[Intervals] = []
        used: list[Condition] = []
        arrays: set[str] = set()
        for field in fields:
            if field.is_multikey and field.path[0] in arrays:
                break
            intervals, conditions = self._bounds(field)
            if intervals == (EVERYTHING,):
                break
            bounds.append(intervals)
            used += conditions
            if field.is_multikey:
                arrays.add(field.path[0])
            if not _are_points(intervals):
                break
        return bounds, used

    def _bounds(self, field: _Field) -> tuple[Intervals, list[Condition]]:
        """Return where the values of a field can lie, and the conditions that say so."""
        key = field.path, field.is_multikey
        if key not in self._known_bounds:
            self._known_bounds[key] = self._new_bounds(field)
        return self._known_bounds[key]

    def _new_bounds(self, field: _Field) -> tuple[Intervals, list[Condition]]:
        conditions = [condition for condition in self._conjunction.conditions if condition.path == field.path]
        if not conditions:
            return (EVERYTHING,), []
        if field.is_multikey:
            best = min(conditions, key=lambda condition: _width(condition.intervals))
            return best.intervals, [best]
        if len(conditions) > CONDITIONS_MAX:
            # The others are left to the filter.
            conditions = nsmallest(CONDITIONS_MAX, conditions, key=lambda condition: _width(condition.intervals))
        intervals: Intervals = (EVERYTHING,)
        for condition in conditions:
            intervals = intersection(intervals, condition.intervals)
        return intervals, conditions

    def _ranges(self, fields: list[_Field], bounds: list[Intervals]) -> tuple[KeyRange, ...]:
        if len(bounds) != 1:
            return _ranges(fields, bounds)
        if fields[0] not in self._known_ranges:
            self._known_ranges[fields[0]] = _ranges(fields, bounds)
        return self._known_ranges[fields[0]]

    def _is_exact(self, used: list[Condition]) -> bool:
        conditions = self._conjunction.conditions
        return self._conjunction.is_whole and len(used) == len(conditions) and all(c.is_exact for c in used)

    def _order(self, fields: list[_Field], point_count: int) -> tuple[SortKind, bool]:
        """Return how the sort that is asked for is done, and whether the keys are read backwards for it.

        Fields of which one value is read do not matter to the order, wherever they stand in the sort.
        """
        sort = self._wanted.sort
        if sort is None or not sort.fields:
            return "none", False
        fixed = {field.path for field in fields[:point_count] if not field.is_multikey}
        rest = [field for field in sort.fields if field.path not in fixed]
        following = fields[point_count:] if fixed else fields
        if not rest:
            return "index", False
        if len(rest) > len(following) or (point_count and not fixed):
            return "memory", False
        flips = set()
        for asked, field in zip(rest, following, strict=False):
            if asked.path != field.path or field.is_multikey:
                return "memory", False
            flips.add(asked.is_descending != field.is_descending)
        return ("memory", False) if len(flips) > 1 else ("index", flips.pop())

    def _is_covered(self, index: IndexDefinition, fields: list[_Field]) -> bool:
        """Return whether the entries hold all that is asked for: whole fields at the top, without arrays."""
        paths = self._wanted.paths
        if paths is None or self._paths is None or index.is_multikey:
            return False
        known = {field.path for field in fields if len(field.path) == 1} | {ID_PATH}
        return known.issuperset(paths) and known.issuperset(self._paths)

    def _estimate(self, index: IndexDefinition | None, ranges: tuple[KeyRange, ...]) -> int:
        some = ranges[:RANGES_ESTIMATED_MAX]
        counted = sum(self._reader.estimate(index, start, stop) for start, stop in some)
        return counted if len(some) == len(ranges) else counted * len(ranges) // len(some)


def _cost_per_key(plan: Plan) -> float:
    if plan.index is None:
        return 1.0
    return COST_OF_KEY if plan.is_covered else COST_OF_KEY + COST_OF_FETCH


def _points(intervals: Intervals) -> int:
    """Return 1 where exactly one value is read."""
    return int(len(intervals) == 1 and intervals[0].is_point)


def _are_points(intervals: Intervals) -> bool:
    return all(interval.is_point for interval in intervals)


def _width(intervals: Intervals) -> tuple[bool, bool, int]:
    return intervals == (EVERYTHING,), not _are_points(intervals), len(intervals)


def _ranges(fields: list[_Field], bounds: list[Intervals]) -> tuple[KeyRange, ...]:
    """Return the ranges of whole value keys: points of the first fields, then one that may be wider."""
    if not bounds:
        return ((b"", None),)
    count = 1
    for intervals in bounds:
        count *= len(intervals)
    if count > RANGES_MAX:
        kept = [*bounds[:1]]
        if len(kept[0]) > RANGES_MAX:
            kept = [(Interval(kept[0][0].low, kept[0][-1].high),)]
        return _ranges(fields, kept)
    per_field = [
        [interval.range(is_descending=field.is_descending) for interval in intervals]
        for field, intervals in zip(fields, bounds, strict=False)
    ]
    found: list[KeyRange] = []
    for parts in product(*per_field):
        # A point's range begins with the key of its value, and all but the last field are points.
        prefix = b"".join([start for start, _ in parts[:-1]])
        start, stop = parts[-1]
        found.append((prefix + start, prefix + stop))
    return tuple(sorted(found, key=lambda bounds: bounds[0]))
