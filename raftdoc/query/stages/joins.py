"""`$lookup` and `$unionWith`: documents of other collections of the same database.

A join by equality reads the other collection once into a hash table, as far as the stage's memory reaches.
A pipeline that uses nothing of the document runs once.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Final

import orjson

from raftdoc.document.path import MISSING, is_object, parse_path, values_at
from raftdoc.query.context import Context
from raftdoc.query.expression import Expression, evaluate
from raftdoc.query.expressions.compile import check_bindable, escaped
from raftdoc.query.expressions.scope import Value, fault
from raftdoc.query.order import identity_key
from raftdoc.query.sorter import Sorter
from raftdoc.query.stages.stage import PAUSE_DOCUMENTS, Document, Items, Meter, Runnable, Setting, paced
from raftdoc.query.stages.unwind import with_value

FAILED_TO_PARSE: Final = 9
INVALID_NAMESPACE: Final = 73
TYPE_MISMATCH: Final = 14
_REFERENCE_BYTES: Final = 8

Path = tuple[str, ...]


def read(context: Context, collection: str | None) -> Iterator[Document | None]:
    """Iterate over a collection; None: over nothing."""
    if collection is None:
        return iter(())
    assert context.reader is not None, collection
    return paced(context.reader.documents(collection), context)


def foreign_keys(document: Document, path: Path) -> set[Hashable]:
    """Return what a document of the other collection is found by: as a filter by equality finds it."""
    return {identity_key(None if value is MISSING else value) for value in values_at(document, path)}


def local_values(document: Document, path: Path) -> list[Value]:
    """Return what is looked for: the elements of an array, null where there is nothing."""
    values: list[Value] = []
    for value in values_at(document, path, expand_leaf=False):
        if isinstance(value, list):
            values += value
        else:
            values.append(None if value is MISSING else value)
    return values or [None]


@dataclass(frozen=True, slots=True)
class Lookup:
    target: Path
    collection: str | None
    fields: tuple[Path, Path] | None
    """The path here and the path there that have to be equal."""
    let: tuple[tuple[str, Expression], ...]
    pipeline: Runnable | None
    own: Runnable | None
    """The `$documents` of the pipeline, taken off it where documents of it are joined by fields."""
    pointer: str

    def run(self, documents: Iterable[Document | None], context: Context) -> Items:
        source = _Source(self, context)
        for document in documents:
            if document is None:
                yield None
                continue
            found: list[Document] = []
            meter = Meter(self.pointer)
            for other in source.of(document):
                if other is None:
                    yield None
                    continue
                # Without a pipeline they are those of the table, which is measured itself.
                meter.hold_bytes(_REFERENCE_BYTES if self.pipeline is None else len(orjson.dumps(other)))
                found.append(other)
            yield with_value(document, self.target, found)


@dataclass(slots=True)
class _Source:
    """What one run of a `$lookup` remembers of the other collection."""

    stage: Lookup
    context: Context
    table: dict[Hashable, list[tuple[int, Document]]] | None = None
    fixed: list[Document] | None = None
    meter: Meter = field(init=False)

    def __post_init__(self) -> None:
        self.meter = Meter(self.stage.pointer)

    def of(self, document: Document) -> Items:
        """Return the documents that are joined to one."""
        stage = self.stage
        if stage.pipeline is not None and stage.fields is None and not stage.let:
            yield from self._fixed(stage.pipeline)
            return
        if stage.fields is None:
            source: Iterable[Document | None] = read(self.context, stage.collection)
        else:
            if self.table is None:
                yield from self._fill(stage.fields[1])
            source = self._equal(local_values(document, stage.fields[0]))
        if stage.pipeline is None:
            yield from source
            return
        values = {name: evaluate(expression, document, self.context) for name, expression in stage.let}
        yield from stage.pipeline.run(source, self.context.with_variables(values))

    def _fixed(self, pipeline: Runnable) -> Items:
        if self.fixed is None:
            held: list[Document] = []
            for document in pipeline.run(read(self.context, self.stage.collection), self.context):
                if document is None:
                    yield None
                else:
                    self.meter.hold(document)
                    held.append(document)
            self.fixed = held
        yield from paced(self.fixed, self.context)

    def _fill(self, path: Path) -> Items:
        """Read the other collection into the table; yields pauses only."""
        table: dict[Hashable, list[tuple[int, Document]]] = {}
        for ordinal, document in enumerate(self._all()):
            if document is None:
                yield None
                continue
            self.meter.hold(document)
            for key in foreign_keys(document, path):
                table.setdefault(key, []).append((ordinal, document))
        self.table = table

    def _all(self) -> Items:
        """Return the documents of the other collection, or of the `$documents` that stands for it."""
        if self.stage.own is None:
            return read(self.context, self.stage.collection)
        return self.stage.own.run((), self.context)

    def _equal(self, values: list[Value]) -> Iterable[Document | None]:
        """Return the documents that any of the values finds, each once and in their order."""
        assert self.table is not None
        if len(values) == 1:
            entries = self.table.get(identity_key(values[0]), ())
            return [document for _, document in entries] if len(entries) <= PAUSE_DOCUMENTS else self._found(values)
        if len(values) > PAUSE_DOCUMENTS:
            return self._found(values)
        lists = [self.table.get(key, ()) for key in {identity_key(value) for value in values}]
        if sum(map(len, lists)) > PAUSE_DOCUMENTS:
            return self._found(values)
        found = dict(chain.from_iterable(lists))
        return [found[ordinal] for ordinal in sorted(found)]

    def _found(self, values: list[Value]) -> Items:
        """Yield what `_equal` returns, where it may be much, with pauses."""
        found: dict[int, Document] = {}
        for entries in self._entries(values):
            if entries is None:
                yield None
            else:
                found.update(entries)
        sorter = Sorter(None, self.stage.pointer)
        for place, ordinal in enumerate(found, 1):
            sorter.add(ordinal.to_bytes(8, "big"), found[ordinal], 0)
            if not place % PAUSE_DOCUMENTS:
                yield None
        yield from paced((document for _, document in sorter.rows()), self.context)

    def _entries(self, values: list[Value]) -> Iterator[Sequence[tuple[int, Document]] | None]:
        """Yield what the table has for each of the values that is another one, in parts, with pauses."""
        assert self.table is not None
        asked: set[Hashable] = set()
        for place, value in enumerate(values, 1):
            key = identity_key(value)
            if key not in asked:
                asked.add(key)
                entries = self.table.get(key, ())
                yield entries[:PAUSE_DOCUMENTS]
                for start in range(PAUSE_DOCUMENTS, len(entries), PAUSE_DOCUMENTS):
                    yield None
                    yield entries[start : start + PAUSE_DOCUMENTS]
            if not place % PAUSE_DOCUMENTS:
                yield None


_LOOKUP_NAMES: Final = frozenset({"from", "localField", "foreignField", "as", "let", "pipeline"})


def build_lookup(spec: Value, pointer: str, setting: Setting) -> Lookup:
    """Raise InvalidQuery unless it is an object of `as` and what is to be joined."""
    if not is_object(spec):
        raise fault("$lookup takes an object", pointer, FAILED_TO_PARSE)
    if "from" not in spec and not _begins_with_documents(spec.get("pipeline")):
        raise fault("$lookup needs from, or a pipeline that begins with $documents", pointer, FAILED_TO_PARSE)
    for name in spec:
        if name not in _LOOKUP_NAMES:
            raise fault(f"$lookup has no member {name!r}", f"{pointer}/{escaped(name)}", 40415)
    spec = {name: member for name, member in spec.items() if member is not None or name in ("from", "pipeline")}
    target = _text(spec, "as", pointer, absent=40414)
    local, foreign = (_text(spec, name, pointer) for name in ("localField", "foreignField"))
    collection = _collection(spec, "from", pointer) if "from" in spec else None
    stages = _stages(spec, pointer)
    let = _let(spec, pointer, setting)
    if (local is None) != (foreign is None):
        raise fault("localField and foreignField stand together", pointer, FAILED_TO_PARSE)
    if local is None and stages is None:
        raise fault("$lookup needs a pipeline, or localField and foreignField", pointer, FAILED_TO_PARSE)
    if let and stages is None:
        raise fault("let needs a pipeline", f"{pointer}/let", FAILED_TO_PARSE)
    fields = None
    if local is not None and foreign is not None:
        fields = parse_path(local, f"{pointer}/localField"), parse_path(foreign, f"{pointer}/foreignField")
    pipeline, own = None, None
    if stages is not None:
        pipeline = _parse_inner(stages, f"{pointer}/pipeline", setting, {name for name, _ in let}, collection)
        if fields is not None and pipeline.is_source:
            own, pipeline = pipeline.split()
    assert target is not None
    return Lookup(parse_path(target, f"{pointer}/as"), collection, fields, let, pipeline, own, pointer)


def _parse_inner(
    stages: list[Value], pointer: str, setting: Setting, names: set[str], collection: str | None
) -> Runnable:
    variables = setting.variables | names
    pipeline = setting.parse(stages, pointer, setting.below("$lookup", pointer, variables))
    if collection is not None and pipeline.is_source:
        raise fault("$documents takes the place of a collection", pointer, INVALID_NAMESPACE)
    return pipeline


def _begins_with_documents(stages: Value) -> bool:
    return isinstance(stages, list) and bool(stages) and isinstance(stages[0], dict) and "$documents" in stages[0]


def _text(spec: dict[str, Value], name: str, pointer: str, *, absent: int | None = None) -> str | None:
    if name not in spec:
        if absent is not None:
            raise fault(f"$lookup needs {name!r}", pointer, absent)
        return None
    if not isinstance(spec[name], str):
        raise fault(f"{name!r} is a string", f"{pointer}/{name}", TYPE_MISMATCH)
    if not spec[name] and absent is None:
        raise fault(f"{name!r} is not empty", f"{pointer}/{name}", FAILED_TO_PARSE)
    return spec[name]  # type: ignore[no-any-return]


def _collection(spec: dict[str, Value], name: str, pointer: str) -> str:
    value, below = spec[name], f"{pointer}/{name}"
    if is_object(value):
        raise fault("a collection is of the same database, and a string", below, _object_code(value))
    if not isinstance(value, str):
        raise fault("a collection is a string", below, FAILED_TO_PARSE)
    if not value:
        raise fault("a collection has a name", below, INVALID_NAMESPACE)
    return value


def _object_code(value: dict[str, Value]) -> int:
    if any(name not in ("db", "coll") for name in value):
        return 40415
    return TYPE_MISMATCH if any(not isinstance(member, str) for member in value.values()) else FAILED_TO_PARSE


def _stages(spec: dict[str, Value], pointer: str) -> list[Value] | None:
    if "pipeline" not in spec:
        return None
    if not isinstance(spec["pipeline"], list):
        raise fault("a pipeline is an array", f"{pointer}/pipeline", TYPE_MISMATCH)
    return spec["pipeline"]


def _let(spec: dict[str, Value], pointer: str, setting: Setting) -> tuple[tuple[str, Expression], ...]:
    variables, below = spec.get("let", {}), f"{pointer}/let"
    if not is_object(variables):
        raise fault("let is an object", below, TYPE_MISMATCH)
    made = []
    for name, value in variables.items():
        at = f"{below}/{escaped(name)}"
        made.append((check_bindable(name, at), setting.expression(value, at)))
    return tuple(made)


@dataclass(frozen=True, slots=True)
class UnionWith:
    collection: str | None
    pipeline: Runnable

    def run(self, documents: Iterable[Document | None], context: Context) -> Items:
        yield from documents
        yield from self.pipeline.run(read(context, self.collection), context)


def build_union_with(spec: Value, pointer: str, setting: Setting) -> UnionWith:
    """Raise InvalidQuery unless it is a collection, or an object of one and a pipeline."""
    if isinstance(spec, str):
        spec = {"coll": spec}
    if not is_object(spec):
        raise fault("$unionWith takes a collection or an object", pointer, FAILED_TO_PARSE)
    for name in spec:
        if name not in ("coll", "pipeline"):
            raise fault(f"$unionWith has no member {name!r}", f"{pointer}/{escaped(name)}", 40415)
    if "coll" not in spec and "pipeline" not in spec:
        raise fault("$unionWith needs a collection", pointer, FAILED_TO_PARSE)
    collection = _collection(spec, "coll", pointer) if "coll" in spec else None
    below = f"{pointer}/pipeline"
    pipeline = setting.parse(spec.get("pipeline", []), below, setting.below("$unionWith", below))
    if collection is None and not pipeline.is_source:
        raise fault("without a collection the pipeline begins with $documents", below, FAILED_TO_PARSE)
    return UnionWith(collection, pipeline)
