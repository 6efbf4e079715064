"""Stages that pass documents on: `$match`, `$project`, `$limit`, `$skip`, `$count`, `$sample`, `$documents`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from raftdoc.document.path import MISSING, is_object
from raftdoc.limits import INTEGER_MAX
from raftdoc.query.context import Context
from raftdoc.query.expression import Expression, evaluate
from raftdoc.query.expressions.compile import escaped
from raftdoc.query.expressions.scope import Value, fault
from raftdoc.query.filter import Filter, parse_filter
from raftdoc.query.numbers import as_float, as_whole, is_number
from raftdoc.query.projection import Projection, parse_projection
from raftdoc.query.stages.stage import Document, Items, Meter, Setting, StageBuilder, paced
from raftdoc.query.type_names import type_name

PAUSE_DRAWS: Final = 1024
"""Of a sample, some 0.5 ms."""


@dataclass(frozen=True, slots=True)
class Match:
    filter: Filter
    spec: Value
    pointer: str

    def run(self, documents: Iterable[Document | None], context: Context) -> Items:
        matches = self.filter.bind(context)
        for document in documents:
            if document is None or matches(document):
                yield document


def build_match(spec: Value, pointer: str, setting: Setting) -> Match:
    """Raise InvalidQuery unless it is a filter."""
    if not isinstance(spec, dict):
        raise fault("$match takes a filter", pointer, 15959)
    return Match(parse_filter(spec, pointer, variables=setting.variables, reading=setting.reading), spec, pointer)


@dataclass(frozen=True, slots=True)
class Project:
    projection: Projection

    def run(self, documents: Iterable[Document | None], context: Context) -> Items:
        # A map, unlike a generator, does not hold the document while what it made of it goes through other stages.
        return map(self.projection.bind(context), documents)


def stage_projection(spec: Value, pointer: str, setting: Setting) -> Projection:
    """Return a projection as `$project` takes it.

    Raises:
        InvalidQuery: it is none.
    """
    return parse_projection(spec, pointer, variables=setting.variables, is_stage=True, reading=setting.reading)


def build_project(spec: Value, pointer: str, setting: Setting) -> Project:
    """Raise InvalidQuery unless it is a projection of at least one field."""
    if not is_object(spec):
        raise fault("$project takes an object", pointer, 15969)
    if not spec:
        raise fault("$project takes at least one field", pointer, 51272)
    return Project(stage_projection(spec, pointer, setting))


@dataclass(frozen=True, slots=True)
class Limit:
    count: int

    def run(self, documents: Iterable[Document | None], context: Context) -> Items:
        left = self.count
        for document in documents:
            yield document
            left -= document is not None
            if not left:
                return


def build_limit(spec: Value, pointer: str, setting: Setting) -> Limit:
    """Raise InvalidQuery unless it is a positive whole number."""
    count = _whole(spec, pointer, 5107201)
    if count == 0:
        raise fault("a limit is positive", pointer, 15958)
    return Limit(count)


@dataclass(frozen=True, slots=True)
class Skip:
    count: int

    def run(self, documents: Iterable[Document | None], context: Context) -> Items:
        left = self.count
        for document in documents:
            if document is None or not left:
                yield document
            else:
                left -= 1


def build_skip(spec: Value, pointer: str, setting: Setting) -> Skip:
    """Raise InvalidQuery unless it is a whole number that is not negative."""
    return Skip(_whole(spec, pointer, 5107200))


def _whole(value: Value, pointer: str, mongo_code: int) -> int:
    whole = as_whole(value) if is_number(value) else None
    if whole is None or not 0 <= whole <= INTEGER_MAX:
        raise fault("a whole number that is not negative is needed", pointer, mongo_code)
    return whole


@dataclass(frozen=True, slots=True)
class Count:
    name: str

    def run(self, documents: Iterable[Document | None], context: Context) -> Items:
        count = 0
        for document in documents:
            if document is None:
                yield None
            else:
                count += 1
        if count:
            yield {self.name: count}


def build_count(spec: Value, pointer: str, setting: Setting) -> Count:
    """Raise InvalidQuery unless it is the name of a field."""
    if not isinstance(spec, str):
        raise fault("$count takes the name of a field", pointer, 40156)
    if not spec:
        raise fault("the field of $count has a name", pointer, 40157)
    if spec[0] == "$":
        raise fault("the field of $count does not begin with '$'", pointer, 40158)
    if "\0" in spec:
        raise fault("the field of $count holds no NUL", pointer, 40159)
    if "." in spec:
        raise fault("the field of $count holds no '.'", pointer, 40160)
    if spec == "_id":
        raise fault("the field of $count is not _id", pointer, 9039800)
    return Count(spec)


@dataclass(frozen=True, slots=True)
class Sample:
    """Keeps `size` documents, each with the same chance (reservoir sampling), drawn from the Context's seed."""

    size: int
    pointer: str

    def run(self, documents: Iterable[Document | None], context: Context) -> Items:
        kept: list[Document] = []
        meter, seen = Meter(self.pointer), 0
        for document in documents:
            if document is None:
                yield None
                continue
            seen += 1
            if len(kept) < self.size:
                meter.hold(document)
                kept.append(document)
            elif (place := context.draw() % seen) < self.size:
                meter.release(kept[place])
                meter.hold(document)
                kept[place] = document
        yield from _shuffled(kept, context)
        yield from paced(_given_up(kept), context)


def _shuffled(kept: list[Document], context: Context) -> Iterator[None]:
    """Bring a list into an order by chance, with pauses."""
    for last in range(len(kept) - 1, 0, -1):
        place = context.draw() % (last + 1)
        kept[last], kept[place] = kept[place], kept[last]
        if not last % PAUSE_DRAWS:
            yield None


def _given_up(kept: list[Document]) -> Iterator[Document]:
    """Yield what is held, and hold it no longer: to free all of it at the end would take long."""
    kept.reverse()
    while kept:
        yield kept.pop()


def build_sample(spec: Value, pointer: str, setting: Setting) -> Sample:
    """Raise InvalidQuery unless it is an object of a positive size."""
    if not is_object(spec):
        raise fault("$sample takes an object", pointer, 28745)
    size = None
    for name, value in spec.items():
        if name != "size":
            raise fault(f"$sample has no member {name!r}", f"{pointer}/{escaped(name)}", 28748)
        size = _sample_size(value, f"{pointer}/size")
    if size is None:
        raise fault("$sample needs a size", pointer, 28749)
    return Sample(size, pointer)


def _sample_size(value: Value, pointer: str) -> int:
    if not is_number(value):
        raise fault("the size is a number", pointer, 28746)
    if not 1 <= as_float(value) <= INTEGER_MAX:
        raise fault("the size is positive, within 64 bits", pointer, 28747)
    return int(as_float(value))


@dataclass(frozen=True, slots=True)
class Documents:
    expression: Expression
    pointer: str

    def run(self, documents: Iterable[Document | None], context: Context) -> Items:
        array = evaluate(self.expression, {}, context)
        if not isinstance(array, list):
            raise fault("$documents takes an array of objects", self.pointer, 5858203)
        yield from paced(self._checked(array), context)

    def _checked(self, array: list[Value]) -> Iterator[Document]:
        for element in array:
            if not is_object(element):
                raise fault(f"a document is an object, not {type_name(element)}", self.pointer, 40228)
            yield element


def build_documents(spec: Value, pointer: str, setting: Setting) -> Documents:
    """Raise InvalidQuery unless it is an expression, and the first stage."""
    if setting.inside == "$facet":
        raise fault("$documents does not stand in a $facet", pointer, 40600)
    if not setting.is_first:
        raise fault("$documents is the first stage of a pipeline", pointer, 40602)
    expression = setting.expression(spec, pointer)
    if expression.is_constant and (expression.constant is MISSING or not isinstance(expression.constant, list)):
        raise fault("$documents takes an array of objects", pointer, 5858203)
    return Documents(expression, pointer)


BUILDERS: Final[Mapping[str, StageBuilder]] = {
    "$match": build_match,
    "$project": build_project,
    "$limit": build_limit,
    "$skip": build_skip,
    "$count": build_count,
    "$sample": build_sample,
    "$documents": build_documents,
}
