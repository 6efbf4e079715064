"""`$group`, `$sortByCount`, `$bucket`: documents folded into groups.

A group costs one entry of a dict; the rate is bounded by the evaluation of `_id` and of the operands. For several
nodes: `Folder.partials` on each, `Folder.merge` on one.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, NamedTuple

from raftdoc.document.path import MISSING, is_object
from raftdoc.limits import INTEGER_MAX
from raftdoc.query.accumulators.accumulator import Accumulator, Field
from raftdoc.query.accumulators.table import SORTING, parse_field
from raftdoc.query.context import Context
from raftdoc.query.expression import Expression
from raftdoc.query.expressions.compile import escaped
from raftdoc.query.expressions.scope import Value, fault
from raftdoc.query.numbers import is_number
from raftdoc.query.order import identity_key, order_key
from raftdoc.query.sorter import Sorter
from raftdoc.query.stages.stage import (
    PAUSE_DOCUMENTS,
    Document,
    Items,
    Meter,
    Setting,
    StageBuilder,
    frame_of,
    paced,
)
from raftdoc.query.type_names import type_name

_GROUP_BYTES: Final = 100
"""What a group is counted with beside its `_id`."""
_FIELD_BYTES: Final = 50
"""And each of its fields."""


class Group(NamedTuple):
    id: Value
    states: list[Accumulator]
    adds: list[Callable[[Value], bool | None]]
    """Of each state; bound once."""


class Folder:
    """The groups of one run."""

    def __init__(self, fields: tuple[Field, ...], pointer: str, context: Context, *others: Expression) -> None:
        """`others` are expressions that the caller evaluates in the same frame."""
        self._fields = fields
        self._context = context
        self._groups: dict[Hashable, Group] = {}
        self._meter = Meter(pointer)
        self._runs = [field.expression.run for field in fields]
        self._holds = [self._hold_of(field) for field in fields]
        self._grows = any(field.grows for field in fields)
        self._full: list[Accumulator] = []
        self.frame = frame_of(context, *others, *(field.expression for field in fields))
        """Its slot 0 is the document that `add` adds."""

    def add(self, id: Value) -> None:
        """Add the document in the frame to the group of an id.

        Raises:
            InvalidQuery: an accumulator cannot take a value, or the groups hold too much.
        """
        group = self._groups.get(id if type(id) is str else identity_key(id)) or self._new_group(id)
        if self._grows:
            self._add_measured(group)
            return
        frame = self.frame
        for add, run in zip(group.adds, self._runs):  # noqa: B905 - as long as each other, and it is the hot loop
            add(run(frame))

    def _add_measured(self, group: Group) -> None:
        frame = self.frame
        for run, hold, state, add in zip(self._runs, self._holds, group.states, group.adds):  # noqa: B905 - as above
            value = run(frame)
            if hold is not None and value is not MISSING:
                hold(value)
            if add(value):
                self._full.append(state)

    def _hold_of(self, field: Field) -> Callable[[Value], None] | None:
        """Return what measures the values of a field; None: they are not held."""
        if not field.grows:
            return None
        return self._meter.hold_number if field.holds_numbers else self._hold

    def _hold(self, value: Value) -> None:
        # What ranks is a key of bytes and the value that is kept.
        self._meter.hold(value[1] if type(value) is tuple else value)

    def settle(self) -> Iterator[None]:
        """Yield pauses while accumulators that have collected much sort it out; to be called now and then."""
        while self._full:
            yield from _settled(self._full.pop())

    def _new_group(self, id: Value) -> Group:
        self._meter.hold(id)
        self._meter.hold_bytes(_GROUP_BYTES + _FIELD_BYTES * len(self._fields))
        states = [field.make(id, self._context) for field in self._fields]
        group = Group(id, states, [state.add for state in states])
        self._groups[identity_key(id)] = group
        return group

    def partials(self) -> Iterator[list[Value]]:
        """Yield the groups as JSON values, for `merge` on another node."""
        for group in self._groups.values():
            yield [group.id, *(state.partial() for state in group.states)]

    def merge(self, partials: Iterable[list[Value]]) -> None:
        """Add the groups of another node.

        Raises:
            InvalidQuery: the groups hold too much.
        """
        for id, *states in partials:
            group = self._groups.get(identity_key(id)) or self._new_group(id)
            for state, partial in zip(group.states, states, strict=True):
                self._meter.hold(partial)
                state.merge(partial)

    def results(self) -> Items:
        """Yield one document for each group, in the order in which the groups were first seen; with pauses."""
        names = [field.name for field in self._fields]
        for group in self._groups.values():
            document = {"_id": group.id}
            for name, state in zip(names, group.states, strict=True):
                if self._grows:
                    yield from _settled(state)
                document[name] = state.result()
            yield document


def _settled(state: Accumulator) -> Iterator[None]:
    return state.settle() if isinstance(state, SORTING) else iter(())


@dataclass(frozen=True, slots=True)
class GroupStage:
    id: Expression
    fields: tuple[Field, ...]
    pointer: str
    by_count: bool = False
    """Whether the largest groups come first, as in `$sortByCount`."""

    def folder(self, context: Context) -> Folder:
        """Return an empty set of groups."""
        return Folder(self.fields, self.pointer, context, self.id)

    def run(self, documents: Iterable[Document | None], context: Context) -> Items:
        folder, run_id = self.folder(context), self.id.run
        add, frame = folder.add, folder.frame
        for document in documents:
            if document is None:
                yield from folder.settle()
                yield None
                continue
            frame[0] = document
            id = run_id(frame)
            add(None if id is MISSING else id)
        if self.by_count:
            yield from _largest_first(folder, self.pointer, context)
        else:
            yield from paced(folder.results(), context)


def _largest_first(folder: Folder, pointer: str, context: Context) -> Items:
    """Yield the groups by their counts; of equal ones the first seen first."""
    sorter = Sorter(None, pointer)
    for place, group in enumerate(folder.results(), 1):
        if group is None:
            yield None
            continue
        key = (INTEGER_MAX - group["count"]).to_bytes(8, "big") + place.to_bytes(8, "big")
        sorter.add(key, group, 0)
        if not place % PAUSE_DOCUMENTS:
            yield None
    yield from paced((group for _, group in sorter.rows()), context)


def build_group(spec: Value, pointer: str, setting: Setting) -> GroupStage:
    """Raise InvalidQuery unless it is an object of an `_id` and of accumulated fields."""
    if not is_object(spec):
        raise fault("$group takes an object", pointer, 15947)
    fields = []
    for name, value in spec.items():
        if name != "_id":
            fields.append(parse_field(name, value, f"{pointer}/{escaped(name)}", setting.variables, setting.reading))
    if "_id" not in spec:
        raise fault("$group needs an _id", pointer, 15955)
    _check_id(spec["_id"], f"{pointer}/_id")
    return GroupStage(setting.expression(spec["_id"], f"{pointer}/_id"), tuple(fields), pointer)


def _check_id(spec: Value, pointer: str) -> None:
    """Refuse what looks like an inclusion: `{"_id": {"a": 1}}`."""
    if not is_object(spec) or not spec or next(iter(spec))[:1] == "$":
        return
    for name, member in spec.items():
        if isinstance(member, bool) or is_number(member):
            raise fault("a group has values, not inclusions", f"{pointer}/{escaped(name)}", 17390)


def build_sort_by_count(spec: Value, pointer: str, setting: Setting) -> GroupStage:
    """Raise InvalidQuery unless it is a field path or an expression."""
    if is_object(spec):
        if len(spec) != 1 or next(iter(spec))[:1] != "$":
            raise fault("$sortByCount takes a field path or an expression", pointer, 40147)
    elif not isinstance(spec, str):
        raise fault("$sortByCount takes a field path or an expression", pointer, 40149)
    elif spec[:1] != "$":
        raise fault("the field path of $sortByCount begins with '$'", pointer, 40148)
    count = parse_field("count", {"$sum": 1}, pointer, setting.variables, setting.reading)
    return GroupStage(setting.expression(spec, pointer), (count,), pointer, by_count=True)


@dataclass(frozen=True, slots=True)
class Bucket:
    value: Expression
    boundaries: tuple[Value, ...]
    default: Value
    """MISSING: a value outside the boundaries is refused."""
    fields: tuple[Field, ...]
    pointer: str

    def run(self, documents: Iterable[Document | None], context: Context) -> Items:
        folder, bucket_of = Folder(self.fields, self.pointer, context, self.value), self._finder()
        frame = folder.frame
        for document in documents:
            if document is None:
                yield from folder.settle()
                yield None
                continue
            frame[0] = document
            folder.add(bucket_of(self.value.run(frame)))
        buckets: list[Document] = []
        for bucket in folder.results():
            if bucket is None:
                yield None
            else:
                buckets.append(bucket)
        buckets.sort(key=lambda bucket: order_key(bucket["_id"]))
        yield from paced(buckets, context)

    def _finder(self) -> Callable[[Value], Value]:
        keys = [order_key(boundary) for boundary in self.boundaries]

        def find(value: Value) -> Value:
            place = bisect_right(keys, order_key(value))
            if 0 < place < len(keys):
                return self.boundaries[place - 1]
            if self.default is MISSING:
                raise fault("a value lies outside the boundaries and there is no default", self.pointer, 40066)
            return self.default

        return find


def build_bucket(spec: Value, pointer: str, setting: Setting) -> Bucket:
    """Raise InvalidQuery unless it is an object of groupBy, boundaries and their like."""
    if not is_object(spec):
        raise fault("$bucket takes an object", pointer, 40201)
    boundaries: list[Value] = []
    default: Value = MISSING
    fields = output_fields({}, pointer, setting, not_object=40196)
    for name, value in spec.items():
        below = f"{pointer}/{escaped(name)}"
        if name == "groupBy":
            if not is_path_or_expression(value):
                raise fault("groupBy is a field path or an expression", below, 40202)
        elif name == "boundaries":
            boundaries = _boundaries(value, below, setting)
        elif name == "default":
            default = _constant(value, below, setting, 40195)
        elif name == "output":
            fields = output_fields(spec, pointer, setting, not_object=40196)
        else:
            raise fault(f"$bucket has no member {name!r}", below, 40197)
    if "groupBy" not in spec or not boundaries:
        raise fault("$bucket needs groupBy and boundaries", pointer, 40198)
    if default is not MISSING and order_key(boundaries[0]) <= order_key(default) < order_key(boundaries[-1]):
        raise fault("the default lies outside the boundaries", f"{pointer}/default", 40199)
    by = setting.expression(spec["groupBy"], f"{pointer}/groupBy")
    return Bucket(by, tuple(boundaries), default, fields, pointer)


def is_path_or_expression(spec: Value) -> bool:
    """Return whether a groupBy can be one."""
    if isinstance(spec, str):
        return spec[:1] == "$"
    return is_object(spec) and len(spec) == 1 and next(iter(spec))[:1] == "$"


def _constant(spec: Value, pointer: str, setting: Setting, mongo_code: int) -> Value:
    expression = setting.expression(spec, pointer)
    if not expression.is_constant:
        raise fault("a constant is needed", pointer, mongo_code)
    return expression.constant


def _boundaries(spec: Value, pointer: str, setting: Setting) -> list[Value]:
    if not isinstance(spec, list):
        raise fault("boundaries are an array", pointer, 40200)
    if len(spec) < 2:
        raise fault("there are at least two boundaries", pointer, 40192)
    values = [_constant(element, f"{pointer}/{place}", setting, 40191) for place, element in enumerate(spec)]
    keys = [order_key(value) for value in values]
    for place, (low, high) in enumerate(pairwise(keys)):
        if low[0] != high[0]:
            detail = f"boundaries are of one type, not {type_name(values[place])} and {type_name(values[place + 1])}"
            raise fault(detail, f"{pointer}/{place + 1}", 40193)
        if low >= high:
            raise fault("boundaries ascend", f"{pointer}/{place + 1}", 40194)
    return values


def output_fields(spec: Mapping[str, Value], pointer: str, setting: Setting, *, not_object: int) -> tuple[Field, ...]:
    """Return the accumulated fields of `output`, by default the count.

    Raises:
        InvalidQuery: it is no object of accumulated fields.
    """
    if "output" not in spec:
        at = f"{pointer}/output"
        return (parse_field("count", {"$sum": 1}, at, setting.variables, setting.reading, is_group=False),)
    output, below = spec["output"], f"{pointer}/output"
    if not is_object(output):
        raise fault("output is an object", below, not_object)
    if "_id" in output:
        raise fault("the _id of a bucket is its boundary", f"{below}/_id", 15948)
    return tuple(
        parse_field(name, value, f"{below}/{escaped(name)}", setting.variables, setting.reading, is_group=False)
        for name, value in output.items()
    )


BUILDERS: Final[Mapping[str, StageBuilder]] = {
    "$group": build_group,
    "$sortByCount": build_sort_by_count,
    "$bucket": build_bucket,
}
