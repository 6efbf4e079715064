"""Sets of values as intervals of keys: where in an index the values lie that a condition can match.

An edge is a place between keys: before all that begins with a key, or behind them. Since keys delimit themselves,
what begins with the key of a value is that value and nothing else, and what begins with a tag is its type class.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from typing import Final, NamedTuple

from raftdoc.document import encode_key
from raftdoc.document.value import JsonValue

_INVERTED: Final = bytes(255 - byte for byte in range(256))


class Edge(NamedTuple):
    key: bytes
    is_behind: bool

    def place(self) -> bytes:
        """Return the first key that is not before the edge."""
        return behind(self.key) if self.is_behind else self.key

    def inverted_place(self) -> bytes:
        """Return the same edge in a field of descending order, where it is passed from the other side."""
        key = self.key.translate(_INVERTED)
        return key if self.is_behind else behind(key)


class Interval(NamedTuple):
    low: Edge
    high: Edge

    @property
    def is_point(self) -> bool:
        """Whether it holds one value."""
        return self in (NULL, EMPTY_ARRAY) or (self.low.key == self.high.key and len(self.low.key) > 1)

    def range(self, *, is_descending: bool) -> tuple[bytes, bytes]:
        """Return (start, stop) of the keys of a field of this direction."""
        if is_descending:
            return self.high.inverted_place(), self.low.inverted_place()
        return self.low.place(), self.high.place()


def behind(key: bytes) -> bytes:
    """Return the smallest key above all that begin with `key`."""
    trimmed = key.rstrip(b"\xff")
    assert trimmed, key
    return trimmed[:-1] + bytes((trimmed[-1] + 1,))


def around(key: bytes) -> Interval:
    """Return the interval of what begins with a key."""
    return Interval(Edge(key, False), Edge(key, True))


NULL: Final = around(b"\x10")
EMPTY_ARRAY: Final = around(b"\x08")
EVERYTHING: Final = Interval(Edge(b"\x01", False), Edge(b"\x7f", True))

Intervals = tuple[Interval, ...]
"""In order, without overlap."""


def point(value: JsonValue) -> Interval:
    """Return the interval of one value."""
    return around(encode_key(value))


def above(value: JsonValue, *, is_inclusive: bool) -> Interval:
    """Return the values of the same class that are greater."""
    key = encode_key(value)
    return Interval(Edge(key, not is_inclusive), Edge(key[:1], True))


def below(value: JsonValue, *, is_inclusive: bool) -> Interval:
    """Return the values of the same class that are less."""
    key = encode_key(value)
    return Interval(Edge(key[:1], False), Edge(key, is_inclusive))


def union(intervals: Iterable[Interval]) -> Intervals:
    """Return the intervals in order, those that overlap made one."""
    merged: list[Interval] = []
    for interval in sorted(intervals, key=_places):
        if merged and interval.low.place() < merged[-1].high.place():
            merged[-1] = Interval(merged[-1].low, max(merged[-1].high, interval.high, key=Edge.place))
        else:
            merged.append(interval)
    return tuple(merged)


def _places(interval: Interval) -> tuple[bytes, bytes]:
    return interval.low.place(), interval.high.place()


def intersection(left: Intervals, right: Intervals) -> Intervals:
    """Return what lies in both, in one pass over the two."""
    found = []
    at_left = at_right = 0
    while at_left < len(left) and at_right < len(right):
        first, second = left[at_left], right[at_right]
        low = max(first.low, second.low, key=Edge.place)
        high = min(first.high, second.high, key=Edge.place)
        if low.place() < high.place():
            found.append(Interval(low, high))
        if first.high.place() <= second.high.place():
            at_left += 1
        else:
            at_right += 1
    return tuple(found)


def contains(outer: Intervals, inner: Intervals) -> bool:
    """Return whether everything of inner lies in outer."""
    starts = [wide.low.place() for wide in outer]
    for narrow in inner:
        at = bisect_right(starts, narrow.low.place()) - 1
        if at < 0 or outer[at].high.place() < narrow.high.place():
            return False
    return True
