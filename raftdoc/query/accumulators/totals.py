"""`$sum`, `$avg`, `$count`, and the standard deviations.

Whole numbers are added exactly. Doubles are added as the sum of two doubles, of which the second holds what
the first has lost, so that a sum does not depend on the order by more than its last bit.
"""

from __future__ import annotations

import math
from decimal import Decimal

from raftdoc.document.tagged import decimal_of
from raftdoc.query.accumulators.accumulator import Value
from raftdoc.query.numbers import (
    DECIMAL128,
    add_doubles,
    as_float,
    double_as_decimal,
    finite,
    fitted,
    is_decimal,
    tagged_decimal,
)


class Total:
    """A sum and the count of its terms; what is no number is passed over."""

    __slots__ = ("_decimal", "_high", "_is_double", "_low", "_pointer", "_whole", "count")

    def __init__(self, pointer: str) -> None:
        self._pointer = pointer
        self.count = 0
        self._whole = 0
        self._is_double = False
        self._high = 0.0
        self._low = 0.0
        self._decimal: Decimal | None = None

    def add(self, value: Value) -> None:
        kind = type(value)
        if kind is int:
            self._whole += value
            self.count += 1
        elif kind is float:
            self._add_double(value)
            self.count += 1
        elif is_decimal(value):
            self._decimal = DECIMAL128.add(self._decimal or Decimal(0), decimal_of(value))
            self.count += 1

    def _add_double(self, value: float) -> None:
        # Two-sum of Knuth: high + value without loss.
        self._is_double = True
        total = self._high + value
        part = total - self._high
        self._low += (self._high - (total - part)) + (value - part)
        self._high = total

    def partial(self) -> Value:
        exact = None if self._decimal is None else str(self._decimal)
        return [self.count, str(self._whole), self._is_double, self._high, self._low, exact]

    def merge(self, partial: Value) -> None:
        count, whole, is_double, high, low, exact = partial
        self.count += count
        self._whole += int(whole)
        if is_double:
            self._add_double(high)
            self._add_double(low)
        if exact is not None:
            self._decimal = DECIMAL128.add(self._decimal or Decimal(0), Decimal(exact))

    def result(self) -> Value:
        if self._decimal is not None:
            total = DECIMAL128.add(self._decimal, Decimal(self._whole))
            return tagged_decimal(DECIMAL128.add(total, self._double_as_decimal()), self._pointer)
        if not self._is_double:
            return fitted(self._whole)
        return add_doubles([self._high, self._low], self._whole, self._pointer)

    def _double_as_decimal(self) -> Decimal:
        return double_as_decimal(add_doubles([self._high, self._low], 0, self._pointer))

    def mean(self) -> Value:
        """Return the mean as a double or a decimal, null of nothing."""
        if not self.count:
            return None
        total = self.result()
        if is_decimal(total):
            return tagged_decimal(DECIMAL128.divide(decimal_of(total), Decimal(self.count)), self._pointer)
        return (total if self._is_double else self._whole) / self.count


class Average:
    __slots__ = ("_total", "add", "merge", "partial")

    def __init__(self, pointer: str) -> None:
        total = self._total = Total(pointer)
        self.add, self.partial, self.merge = total.add, total.partial, total.merge

    def result(self) -> Value:
        return self._total.mean()


class Count:
    __slots__ = ("_count",)

    def __init__(self) -> None:
        self._count = 0

    def add(self, value: Value) -> None:
        self._count += 1

    def partial(self) -> Value:
        return self._count

    def merge(self, partial: Value) -> None:
        self._count += partial

    def result(self) -> Value:
        return self._count


class Deviation:
    """The standard deviation, of a population or of a sample; what is no number is passed over.

    Source: B. P. Welford 1962; merged as Chan, Golub and LeVeque 1979.
    """

    __slots__ = ("_count", "_is_sample", "_mean", "_pointer", "_squares")

    def __init__(self, pointer: str, *, is_sample: bool) -> None:
        self._pointer = pointer
        self._is_sample = is_sample
        self._count = 0
        self._mean = 0.0
        self._squares = 0.0

    def add(self, value: Value) -> None:
        if type(value) is int or type(value) is float or is_decimal(value):
            number = as_float(value)
            self._count += 1
            delta = number - self._mean
            self._mean += delta / self._count
            self._squares += delta * (number - self._mean)

    def partial(self) -> Value:
        return [self._count, self._mean, self._squares]

    def merge(self, partial: Value) -> None:
        count, mean, squares = partial
        total = self._count + count
        if not total:
            return
        delta = mean - self._mean
        self._squares += squares + delta * delta * self._count * count / total
        self._mean += delta * count / total
        self._count = total

    def result(self) -> Value:
        divisor = self._count - self._is_sample
        return math.sqrt(finite(self._squares, self._pointer) / divisor) if divisor > 0 else None
