"""Intervals: what lies in two sets of them, and in work that is in proportion to both."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from raftdoc.query.intervals import Interval, Intervals, above, below, contains, intersection, point, union

_numbers = st.integers(0, 12)
_single = st.one_of(
    st.builds(point, _numbers),
    st.builds(lambda value, inclusive: above(value, is_inclusive=inclusive), _numbers, st.booleans()),
    st.builds(lambda value, inclusive: below(value, is_inclusive=inclusive), _numbers, st.booleans()),
)
_sets = st.lists(_single, max_size=6).map(union)


def held(intervals: Intervals) -> set[int]:
    return {number for number in range(13) if contains(intervals, (point(number),))}


@given(_sets, _sets)
def test_intersection_holds_what_both_hold(left: Intervals, right: Intervals) -> None:
    both = intersection(left, right)
    assert held(both) == held(left) & held(right)
    assert list(both) == sorted(both, key=lambda interval: interval.low.place())


@given(_sets, _sets)
def test_what_is_contained_is_within_one_interval(left: Intervals, right: Intervals) -> None:
    assert contains(left, right) == (intersection(left, right) == right)


class Counted(tuple[Interval, ...]):
    """Intervals that count how often they are looked at."""

    looks = 0

    def __getitem__(self, at):  # type: ignore[no-untyped-def]
        Counted.looks += 1
        return super().__getitem__(at)

    def __iter__(self) -> Iterator[Interval]:
        for interval in super().__iter__():
            Counted.looks += 1
            yield interval


def test_two_long_lists_are_gone_through_once() -> None:
    Counted.looks = 0
    left, right = (Counted(union([point(2 * number + odd) for number in range(4096)])) for odd in (0, 1))
    assert intersection(left, right) == ()
    assert not contains(left, right)
    assert Counted.looks < 10 * 4096
