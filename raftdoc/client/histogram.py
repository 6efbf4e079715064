"""A histogram of latencies with a bounded relative error, cheap enough to be fed by every answer."""

from __future__ import annotations

SUB_BUCKET_BITS = 5
"""Each power of two is cut into this many bits' worth of buckets: an error of at most 1/32."""
_SUB_BUCKETS = 1 << SUB_BUCKET_BITS
_BUCKETS = (64 - SUB_BUCKET_BITS) * _SUB_BUCKETS


class Histogram:
    """Counts of non-negative integers below 2^63, in buckets that grow with the value (as HdrHistogram's do)."""

    __slots__ = ("_counts", "count", "largest", "total")

    def __init__(self) -> None:
        self._counts = [0] * _BUCKETS
        self.count = 0
        self.total = 0
        self.largest = 0

    def record(self, value: int) -> None:
        shift = value.bit_length() - SUB_BUCKET_BITS - 1
        shift = max(shift, 0)
        # Invariant: below 2^SUB_BUCKET_BITS * 2 the bucket is the value; above, the top bits with a power before them.
        self._counts[(shift << SUB_BUCKET_BITS) + (value >> shift)] += 1
        self.count += 1
        self.total += value
        self.largest = max(self.largest, value)

    def merge(self, other: Histogram) -> None:
        self._counts = [mine + theirs for mine, theirs in zip(self._counts, other._counts, strict=True)]
        self.count += other.count
        self.total += other.total
        self.largest = max(self.largest, other.largest)

    def quantile(self, share: float) -> int:
        """Return a value that at least `share` (0 to 1) of the recorded ones do not exceed; 0 when there are none."""
        wanted = max(1, round(share * self.count))
        seen = 0
        for bucket, count in enumerate(self._counts):
            seen += count
            if seen >= wanted:
                return min(_largest_of(bucket), self.largest)
        return 0


def _largest_of(bucket: int) -> int:
    shift = max(0, (bucket >> SUB_BUCKET_BITS) - 1)
    return (((bucket - (shift << SUB_BUCKET_BITS)) + 1) << shift) - 1
