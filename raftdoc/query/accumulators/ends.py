"""Accumulators that keep some of the values: the first, the last, the least, the greatest, or all."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from operator import itemgetter
from typing import Any

from raftdoc.document.path import MISSING
from raftdoc.query.accumulators.accumulator import Value
from raftdoc.query.accumulators.in_steps import RUN_VALUES, sorted_in_steps
from raftdoc.query.expressions.objects import merge_objects
from raftdoc.query.expressions.scope import fault
from raftdoc.query.order import identity_key, order_key
from raftdoc.query.type_names import type_name

_KEEP_FACTOR = 4
"""How many times the wanted values are collected before they are sorted out."""
_KEY = itemgetter(0)


class First:
    __slots__ = ("_value",)

    def __init__(self) -> None:
        self._value: list[Value] = []

    def add(self, value: Value) -> None:
        if not self._value:
            self._value.append(None if value is MISSING else value)

    def partial(self) -> Value:
        return self._value

    def merge(self, partial: Value) -> None:
        self._value = self._value or partial

    def result(self) -> Value:
        return self._value[0] if self._value else None


class Last:
    __slots__ = ("_value",)

    def __init__(self) -> None:
        self._value: list[Value] = []

    def add(self, value: Value) -> None:
        self._value = [None if value is MISSING else value]

    def partial(self) -> Value:
        return self._value

    def merge(self, partial: Value) -> None:
        self._value = partial or self._value

    def result(self) -> Value:
        return self._value[0] if self._value else None


class Extreme:
    """The least or greatest value; null and missing are passed over."""

    __slots__ = ("_is_greatest", "_key", "_value")

    def __init__(self, *, is_greatest: bool) -> None:
        self._is_greatest = is_greatest
        self._value: Value = None
        self._key: tuple[Any, ...] | None = None

    def add(self, value: Value) -> None:
        if value is None or value is MISSING:
            return
        key = order_key(value)
        if self._key is None or (key > self._key if self._is_greatest else key < self._key):
            self._value, self._key = value, key

    def partial(self) -> Value:
        return self._value

    def merge(self, partial: Value) -> None:
        self.add(partial)

    def result(self) -> Value:
        return self._value


class Push:
    """All values but missing ones."""

    __slots__ = ("_values",)

    def __init__(self) -> None:
        self._values: list[Value] = []

    def add(self, value: Value) -> None:
        if value is not MISSING:
            self._values.append(value)

    def partial(self) -> Value:
        return self._values

    def merge(self, partial: Value) -> None:
        self._values += partial

    def result(self) -> Value:
        return self._values


class Concat:
    """The elements of all arrays."""

    __slots__ = ("_pointer", "_values")

    def __init__(self, pointer: str) -> None:
        self._pointer = pointer
        self._values: list[Value] = []

    def add(self, value: Value) -> None:
        if isinstance(value, list):
            self._values += value
        elif value is not MISSING:
            raise fault(f"an array is needed, not {type_name(value)}", self._pointer, 14)

    def partial(self) -> Value:
        return self._values

    def merge(self, partial: Value) -> None:
        self._values += partial

    def result(self) -> Value:
        return self._values


class AddToSet:
    """The values but missing ones, each once, in the order in which they came."""

    __slots__ = ("_members",)

    def __init__(self) -> None:
        self._members: dict[Hashable, Value] = {}

    def add(self, value: Value) -> None:
        if value is not MISSING:
            self._members.setdefault(identity_key(value), value)

    def partial(self) -> Value:
        return list(self._members.values())

    def merge(self, partial: Value) -> None:
        for value in partial:
            self.add(value)

    def result(self) -> Value:
        return list(self._members.values())


class Union(AddToSet):
    """The elements of all arrays, each once."""

    __slots__ = ("_pointer",)

    def __init__(self, pointer: str) -> None:
        super().__init__()
        self._pointer = pointer

    def add(self, value: Value) -> None:
        if isinstance(value, list):
            for element in value:
                self._members.setdefault(identity_key(element), element)
        elif value is not MISSING:
            raise fault(f"an array is needed, not {type_name(value)}", self._pointer, 14)

    def merge(self, partial: Value) -> None:
        self.add(partial)


class MergeObjects:
    __slots__ = ("_merged", "_pointer")

    def __init__(self, pointer: str) -> None:
        self._pointer = pointer
        self._merged: dict[str, Value] = {}

    def add(self, value: Value) -> None:
        self._merged.update(merge_objects([value], self._pointer, mongo_code=5911200))

    def partial(self) -> Value:
        return self._merged

    def merge(self, partial: Value) -> None:
        self._merged.update(partial)

    def result(self) -> Value:
        return self._merged


class FirstN:
    __slots__ = ("_count", "_values")

    def __init__(self, count: int) -> None:
        self._count = count
        self._values: list[Value] = []

    def add(self, value: Value) -> None:
        if len(self._values) < self._count:
            self._values.append(None if value is MISSING else value)

    def partial(self) -> Value:
        return self._values

    def merge(self, partial: Value) -> None:
        self._values += partial[: self._count - len(self._values)]

    def result(self) -> Value:
        return self._values


class LastN:
    __slots__ = ("_count", "_values")

    def __init__(self, count: int) -> None:
        self._count = count
        self._values: list[Value] = []

    def add(self, value: Value) -> None:
        self._values.append(None if value is MISSING else value)
        if len(self._values) > _KEEP_FACTOR * self._count:
            del self._values[: -self._count]

    def partial(self) -> Value:
        return self.result()

    def merge(self, partial: Value) -> None:
        self._values += partial

    def result(self) -> Value:
        return self._values[-self._count :]


class ExtremeN:
    """The n least, ascending, or greatest, descending; null and missing are passed over."""

    __slots__ = ("_count", "_full", "_is_greatest", "_settled", "_values")

    def __init__(self, count: int, *, is_greatest: bool) -> None:
        self._count = count
        self._full = _KEEP_FACTOR * count + 100
        self._is_greatest = is_greatest
        self._values: list[Value] = []
        self._settled = 0
        """So many of the values are in order and all that is wanted of them."""

    def add(self, value: Value) -> bool | None:
        if value is None or value is MISSING:
            return None
        self._values.append(value)
        if len(self._values) != self._full:
            return None
        if self._full > RUN_VALUES:
            return True
        self._values = self.result()
        return None

    def settle(self) -> Iterator[None]:
        """Do what `result` has to do, in steps, if it is much."""
        values = self._values
        if len(values) <= RUN_VALUES or len(values) == self._settled:
            return
        keyed: list[tuple[Any, Value]] = []
        for start in range(0, len(values), RUN_VALUES):
            keyed += [(order_key(value), value) for value in values[start : start + RUN_VALUES]]
            yield None
        ordered = yield from sorted_in_steps(keyed, _KEY, is_descending=self._is_greatest)
        self._values = [value for _, value in ordered[: self._count]]
        self._settled = len(self._values)

    def partial(self) -> Value:
        return self.result()

    def merge(self, partial: Value) -> None:
        self._values += partial

    def result(self) -> Value:
        if self._settled and len(self._values) == self._settled:
            return self._values
        return sorted(self._values, key=order_key, reverse=self._is_greatest)[: self._count]


class Ranked:
    """The outputs of the n first (`$topN`) or last (`$bottomN`) documents of an order.

    A value is a pair of the sort key, as bytes, and the output.
    """

    __slots__ = ("_count", "_full", "_is_bottom", "_is_single", "_ranked")

    def __init__(self, count: int, *, is_bottom: bool, is_single: bool) -> None:
        self._count = count
        self._full = _KEEP_FACTOR * count + 100
        self._is_bottom = is_bottom
        self._is_single = is_single
        self._ranked: list[tuple[bytes, Value]] = []

    def add(self, value: Value) -> bool | None:
        key, output = value
        self._ranked.append((key, None if output is MISSING else output))
        if len(self._ranked) != self._full:
            return None
        if self._full > RUN_VALUES:
            return True
        self._ranked = self._kept()
        return None

    def settle(self) -> Iterator[None]:
        """Do what `result` has to do, in steps, if it is much."""
        if len(self._ranked) > RUN_VALUES:
            self._ranked = self._ends((yield from sorted_in_steps(self._ranked, _KEY)))

    def _kept(self) -> list[tuple[bytes, Value]]:
        return self._ends(sorted(self._ranked, key=_KEY))

    def _ends(self, ranked: list[tuple[bytes, Value]]) -> list[tuple[bytes, Value]]:
        return ranked[-self._count :] if self._is_bottom else ranked[: self._count]

    def partial(self) -> Value:
        return [[key.hex(), output] for key, output in self._kept()]

    def merge(self, partial: Value) -> None:
        self._ranked += [(bytes.fromhex(key), output) for key, output in partial]

    def result(self) -> Value:
        outputs = [output for _, output in self._kept()]
        if self._is_single:
            return outputs[0] if outputs else None
        return outputs
