"""`$unwind`: one document for each element of an array."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from raftdoc.document.path import MISSING, is_object, parse_path
from raftdoc.query.context import Context
from raftdoc.query.expressions.compile import escaped
from raftdoc.query.expressions.scope import Value, fault
from raftdoc.query.stages.stage import Document, Items, Setting, is_large, paced

Path = tuple[str, ...]

_FEW: Final = 16
"""Elements of which the documents are made without a pause."""


def value_at(document: Document, path: Path) -> Value:
    """Return the value at a path through objects only."""
    value: Value = document
    for name in path:
        if not is_object(value) or name not in value:
            return MISSING
        value = value[name]
    return value


def with_value(document: Value, path: Path, value: Value) -> Document:
    """Return a document with another value at a path; MISSING removes it. What lies in the way becomes an object."""
    made = dict(document) if is_object(document) else {}
    name = path[0]
    if len(path) > 1:
        if value is not MISSING or name in made:
            made[name] = with_value(made.get(name), path[1:], value)
    elif value is MISSING:
        made.pop(name, None)
    else:
        made[name] = value
    return made


@dataclass(frozen=True, slots=True)
class Unwind:
    path: Path
    index_path: Path | None
    preserves: bool
    """Whether a document without elements is kept."""

    def run(self, documents: Iterable[Document | None], context: Context) -> Items:
        return paced(self._unwound(documents), context)

    def _unwound(self, documents: Iterable[Document | None]) -> Items:
        path = self.path
        for document in documents:
            if document is None:
                yield None
                continue
            value = value_at(document, path)
            if isinstance(value, list) and value:
                # Each element comes with a copy of all the rest.
                is_slow = len(value) > _FEW and is_large(with_value(document, path, None))
                for place, element in enumerate(value):
                    if is_slow:
                        yield None
                    yield self._numbered(with_value(document, path, element), place)
            elif value is not MISSING and value is not None and value != []:
                yield self._numbered(document, None)
            elif self.preserves:
                kept = with_value(document, path, MISSING) if isinstance(value, list) else document
                yield self._numbered(kept, None)

    def _numbered(self, document: Document, place: int | None) -> Document:
        return document if self.index_path is None else with_value(document, self.index_path, place)


def build_unwind(spec: Value, pointer: str, setting: Setting) -> Unwind:
    """Raise InvalidQuery unless it is a field path, or an object of one."""
    path, index, preserves = spec, None, False
    if is_object(spec):
        path, index, preserves = _members(spec, pointer)
    elif not isinstance(spec, str):
        raise fault("$unwind takes a field path or an object", pointer, 15981)
    if not path:
        raise fault("$unwind needs a path", pointer, 28812)
    if path[0] != "$":
        raise fault("the path of $unwind begins with '$'", pointer, 28818)
    index_path = None if index is None else parse_path(index, f"{pointer}/includeArrayIndex")
    return Unwind(parse_path(path[1:], pointer), index_path, preserves)


def _members(spec: dict[str, Value], pointer: str) -> tuple[str, str | None, bool]:
    path, index, preserves = "", None, False
    for name, member in spec.items():
        below = f"{pointer}/{escaped(name)}"
        if name == "path":
            if not isinstance(member, str):
                raise fault("the path is a string", below, 28808)
            path = member
        elif name == "preserveNullAndEmptyArrays":
            if not isinstance(member, bool):
                raise fault("preserveNullAndEmptyArrays is true or false", below, 28809)
            preserves = member
        elif name == "includeArrayIndex":
            index = _index_name(member, below)
        else:
            raise fault(f"$unwind has no member {name!r}", below, 28811)
    return path, index, preserves


def _index_name(value: Value, pointer: str) -> str:
    if not isinstance(value, str) or not value:
        raise fault("includeArrayIndex is the name of a field", pointer, 28810)
    if value[0] == "$":
        raise fault("includeArrayIndex does not begin with '$'", pointer, 28822)
    return value
