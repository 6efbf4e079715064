"""`$bucketAuto`: groups of about the same size, by the order of a value."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from raftdoc.document import encode_key
from raftdoc.document.path import MISSING, is_object
from raftdoc.query.accumulators.accumulator import Field
from raftdoc.query.context import Context
from raftdoc.query.expression import Expression
from raftdoc.query.expressions.compile import escaped
from raftdoc.query.expressions.scope import Value, fault
from raftdoc.query.numbers import as_float, as_whole, is_number
from raftdoc.query.order import order_key
from raftdoc.query.sorter import Sorter
from raftdoc.query.stages.granularity import Granularity, granularity_of
from raftdoc.query.stages.group import Folder, is_path_or_expression, output_fields
from raftdoc.query.stages.stage import PAUSE_DOCUMENTS, Document, Items, Meter, Setting, evaluator, paced
from raftdoc.query.type_names import INT32_MAX, INT32_MIN

Entry = tuple[Value, Document]


@dataclass(frozen=True, slots=True)
class BucketAuto:
    value: Expression
    count: int
    granularity: Granularity | None
    fields: tuple[Field, ...]
    pointer: str

    def run(self, documents: Iterable[Document | None], context: Context) -> Items:
        value_of, meter = evaluator(self.value, context), Meter(self.pointer)
        entries: list[Entry] = []
        sorter = Sorter(None, self.pointer)
        for place, document in enumerate(documents):
            if document is None:
                yield None
                continue
            value = value_of(document)
            if self.granularity is not None:
                _check_rounded(value, self.pointer)
            meter.hold(document)
            value = None if value is MISSING else value
            sorter.add(encode_key(value) + place.to_bytes(8, "big"), (value, document), 0)
        for count, (_, entry) in enumerate(sorter.rows(), 1):
            entries.append(entry)
            if not count % PAUSE_DOCUMENTS:
                yield None
        yield from paced(self._buckets(entries, context), context)

    def _buckets(self, entries: list[Entry], context: Context) -> Items:
        if not entries:
            return
        # Half a document counts as one, as the dialect rounds.
        size = max(1, int(len(entries) / self.count + 0.5))
        low = entries[0][0] if self.granularity is None else self.granularity.down(as_float(entries[0][0]))
        start, made = 0, 0
        while start < len(entries):
            made += 1
            stop = len(entries) if made == self.count else min(start + size, len(entries))
            stop, high = yield from self._boundary(entries, stop)
            folder = Folder(self.fields, self.pointer, context)
            yield from self._fold(folder, entries, start, stop, context)
            for bucket in folder.results():
                yield None if bucket is None else {**bucket, "_id": {"min": low, "max": high}}
            start, low = stop, high

    def _fold(self, folder: Folder, entries: list[Entry], start: int, stop: int, context: Context) -> Iterator[None]:
        """Fold a part of the entries into one group, with the more pauses the more fields it has."""
        pace = 1 + PAUSE_DOCUMENTS // len(self.fields)
        for place in range(start, stop):
            folder.frame[0] = entries[place][1]
            folder.add(None)
            is_due = context.budget.rest()
            if place % pace == pace - 1:
                yield from folder.settle()
                yield None
            elif is_due:
                yield None

    def _boundary(self, entries: list[Entry], stop: int) -> Generator[None, None, tuple[int, Value]]:
        """Return where a bucket that reaches stop at least ends, and its upper boundary; yields pauses."""
        last = entries[stop - 1][0]
        if self.granularity is None:
            key = order_key(last)
            while stop < len(entries) and order_key(entries[stop][0]) == key:
                stop += 1
                if not stop % PAUSE_DOCUMENTS:
                    yield None
            return stop, entries[min(stop, len(entries) - 1)][0]
        high = self.granularity.up(as_float(last))
        while stop < len(entries) and (as_float(entries[stop][0]) < high or (not high and not entries[stop][0])):
            stop += 1
            if not stop % PAUSE_DOCUMENTS:
                yield None
        if not high and stop < len(entries):
            high = self.granularity.down(as_float(entries[stop][0]))
        return stop, high


def _check_rounded(value: Value, pointer: str) -> None:
    if not is_number(value):
        raise fault("a granularity rounds numbers only", pointer, 40258)
    if not 0 <= as_float(value) < math.inf:
        raise fault("a granularity rounds numbers that are finite and not negative", pointer, 40260)


_NAMES: Final = ("groupBy", "buckets", "output", "granularity")


def build_bucket_auto(spec: Value, pointer: str, setting: Setting) -> BucketAuto:
    """Raise InvalidQuery unless it is an object of groupBy and buckets."""
    if not is_object(spec):
        raise fault("$bucketAuto takes an object", pointer, 40240)
    for name in spec:
        if name not in _NAMES:
            raise fault(f"$bucketAuto has no member {name!r}", f"{pointer}/{escaped(name)}", 40245)
    if "groupBy" in spec and not is_path_or_expression(spec["groupBy"]):
        raise fault("groupBy is a field path or an expression", f"{pointer}/groupBy", 40239)
    count = _count(spec["buckets"], f"{pointer}/buckets") if "buckets" in spec else 0
    fields = output_fields(spec, pointer, setting, not_object=40244)
    if not fields:
        fields = output_fields({}, pointer, setting, not_object=40244)
    granularity = None
    if "granularity" in spec:
        granularity = _granularity(spec["granularity"], f"{pointer}/granularity")
    if "groupBy" not in spec or not count:
        raise fault("$bucketAuto needs groupBy and buckets", pointer, 40246)
    value = setting.expression(spec["groupBy"], f"{pointer}/groupBy")
    return BucketAuto(value, count, granularity, fields, pointer)


def _count(value: Value, pointer: str) -> int:
    if not is_number(value):
        raise fault("buckets is a number", pointer, 40241)
    whole = as_whole(value)
    if whole is None or not INT32_MIN <= whole <= INT32_MAX:
        raise fault("buckets is a whole number of 32 bits", pointer, 40242)
    if whole < 1:
        raise fault("buckets is positive", pointer, 40243)
    return whole


def _granularity(value: Value, pointer: str) -> Granularity:
    if not isinstance(value, str):
        raise fault("a granularity is a string", pointer, 40261)
    granularity = granularity_of(value)
    if granularity is None:
        raise fault(f"there is no granularity {value!r}", pointer, 40257)
    return granularity
