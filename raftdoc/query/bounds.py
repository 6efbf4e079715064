"""From a filter to intervals of its paths: what an index has to be read for.

Of a filter only the conjunction at its top is looked at. A condition's intervals hold the key of at least one entry
of each document that meets it; they may hold others, because the filter judges every document again.
Conditions on one path may be met by different elements of an array: whether they may be intersected is the planner's
business, which knows where arrays are. Only what `$elemMatch` binds to one plain value is intersected here.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from raftdoc.document.path import Path
from raftdoc.document.value import JsonValue
from raftdoc.query.ast import All, And, Compare, ElemMatch, Exists, In, Node, Not, Regex, TypeIs
from raftdoc.query.intervals import (
    EMPTY_ARRAY,
    EVERYTHING,
    NULL,
    Interval,
    Intervals,
    above,
    around,
    below,
    contains,
    intersection,
    point,
    union,
)

_TYPE_TAGS: Final = {
    "null": b"\x10",
    "double": b"\x20",
    "int": b"\x20",
    "long": b"\x20",
    "decimal": b"\x20",
    "number": b"\x20",
    "string": b"\x30",
    "object": b"\x40",
    "binData": b"\x60",
    "objectId": b"\x68",
    "bool": b"\x70",
    "date": b"\x78",
}
_PREFIX: Final = re.compile(r"(?:\^|\\A)([A-Za-z0-9 _\-/:@,;=!<>&%~\"'\u0080-\uffff]+)")
LISTS_MAX: Final = 8
SHORT_LIST: Final = 8
"""Behind so many conditions a list longer than this is left to the filter: each of its values has to be encoded."""
_QUANTIFIERS: Final = frozenset("*?{")


class Condition(NamedTuple):
    path: Path
    intervals: Intervals
    is_exact: bool
    """Where no array is on the path, the intervals hold what meets the condition and nothing else."""
    implies_presence: bool
    """Only documents that have something at the path meet it."""


class Conjunction(NamedTuple):
    conditions: tuple[Condition, ...]
    is_whole: bool
    """The conditions say all that the filter says."""


def conjunction_of(root: Node) -> Conjunction:
    """Return the conditions of a filter."""
    conditions: list[Condition] = []
    is_whole = _collect(root, conditions)
    return Conjunction(tuple(conditions), is_whole)


def _collect(node: Node, conditions: list[Condition]) -> bool:
    """Add what a node says; return whether that is all it says."""
    if isinstance(node, And):
        # Every child adds its conditions, whatever the one before it said.
        wholes = [_collect(child, conditions) for child in node.children]
        return all(wholes)
    if isinstance(node, All):
        for child in node.children:
            _collect(child, conditions)
        return False
    if isinstance(node, ElemMatch) and not node.is_value:
        below_it = conjunction_of(node.child)
        conditions += [
            Condition(node.path + inner.path, inner.intervals, False, inner.implies_presence)
            for inner in below_it.conditions
        ]
        return False
    if isinstance(node, In) and len(node.values) > SHORT_LIST and len(conditions) >= LISTS_MAX:
        return False
    condition = _condition(node)
    if condition is not None:
        conditions.append(condition)
    return condition is not None and condition.is_exact


def _condition(node: Node) -> Condition | None:
    match node:
        case Compare(path):
            intervals = _compared(node, is_element=False)
            is_exact = not isinstance(node.value, list)
            return Condition(path, intervals, is_exact, not contains(intervals, (NULL,)))
        case In(path, values):
            intervals = union([interval for value in values for interval in _equal(value, is_element=False)])
            is_exact = not any(isinstance(value, list) for value in values)
            return Condition(path, intervals, is_exact, not contains(intervals, (NULL,)))
        case Exists(path):
            return Condition(path, (EVERYTHING,), False, True)
        case Not(Exists(path)):
            return Condition(path, (NULL,), False, False)
        case TypeIs(path, aliases) if aliases <= _TYPE_TAGS.keys():
            return Condition(path, union([around(_TYPE_TAGS[alias]) for alias in sorted(aliases)]), False, True)
        case Regex(path):
            return Condition(path, (_matched(node),), False, True)
        case ElemMatch(path, child, True):
            return Condition(path, _element_intervals(child), False, True)
    return None


def _element_intervals(child: Node) -> Intervals:
    """Return the intervals of one element that meets all of the child."""
    intervals: Intervals = (EVERYTHING,)
    for part in child.children if isinstance(child, And) else (child,):
        if isinstance(part, Compare):
            intervals = intersection(intervals, _compared(part, is_element=True))
        elif isinstance(part, In):
            wanted = union([interval for value in part.values for interval in _equal(value, is_element=True)])
            intervals = intersection(intervals, wanted)
    return intervals


def _compared(node: Compare, *, is_element: bool) -> Intervals:
    value, op = node.value, node.op
    if op == "$eq":
        return _equal(value, is_element=is_element)
    if value is None:
        # Null is neither above nor below null.
        return (NULL,) if op in ("$gte", "$lte") else ()
    if isinstance(value, list):
        # A whole array is compared, of which the index knows the elements.
        return (EVERYTHING,)
    if op in ("$gt", "$gte"):
        return (above(value, is_inclusive=op == "$gte"),)
    return (below(value, is_inclusive=op == "$lte"),)


def _equal(value: JsonValue, *, is_element: bool) -> Intervals:
    if not isinstance(value, list) or is_element:
        return (point(value),)
    # The array as a whole is known by its first element; as an element of another array by its own key.
    return union([point(value[0]) if value else EMPTY_ARRAY, point(value)])


def _matched(node: Regex) -> Interval:
    source = node.pattern.source
    prefix = _PREFIX.match(source)
    if prefix is None or "|" in source or set(node.pattern.options) & set("imx"):
        return around(b"\x30")
    text = prefix[1]
    if source[prefix.end() : prefix.end() + 1] in _QUANTIFIERS:
        text = text[:-1]
    return around(b"\x30" + text.encode())
