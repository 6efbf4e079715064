"""The histogram keeps every count, and a quantile is off by at most one bucket: 1/32."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from raftdoc.client.histogram import Histogram

values = st.lists(st.integers(0, 1 << 62), min_size=1)
shares = st.floats(0, 1)


@given(values, shares)
def test_quantile_is_near_the_exact_one_and_not_below(numbers: list[int], share: float) -> None:
    histogram = Histogram()
    for number in numbers:
        histogram.record(number)
    exact = sorted(numbers)[max(1, round(share * len(numbers))) - 1]
    assert exact <= histogram.quantile(share) <= exact * (1 + 1 / 32)
    assert histogram.quantile(1) == max(numbers)


@given(values, values)
def test_merged_histogram_is_that_of_all_values(left: list[int], right: list[int]) -> None:
    apart, together = [Histogram(), Histogram()], Histogram()
    for histogram, numbers in zip(apart, (left, right), strict=True):
        for number in numbers:
            histogram.record(number)
            together.record(number)
    apart[0].merge(apart[1])
    assert (apart[0].count, apart[0].total, apart[0].largest) == (together.count, together.total, together.largest)
    assert [apart[0].quantile(n / 10) for n in range(11)] == [together.quantile(n / 10) for n in range(11)]


def test_empty_histogram_has_no_latency() -> None:
    assert Histogram().quantile(0.5) == 0
