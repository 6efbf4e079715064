"""Projections: which part of a document is returned.

    projection = parse_projection({"name": 1, "tags": {"$slice": 3}}, "/projection")
    projection.apply(document, filter, context)

Included fields come in the order of the document, `_id` first; computed ones follow in the order of the
projection. The document itself is never changed; what is returned may share its parts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_never

from raftdoc.document.path import MISSING, Missing, Path
from raftdoc.document.tagged import tag_of
from raftdoc.document.value import JsonValue
from raftdoc.errors import InvalidQuery
from raftdoc.query.context import Context
from raftdoc.query.expression import evaluate
from raftdoc.query.expressions.scope import Reading
from raftdoc.query.filter import Filter
from raftdoc.query.parts import check_parts
from raftdoc.query.projection_parser import ProjectionParser
from raftdoc.query.projection_tree import (
    Branch,
    Computed,
    Drop,
    FirstMatch,
    Keep,
    Leaf,
    Mode,
    Positional,
    SliceOf,
)

Document = dict[str, JsonValue]


def parse_projection(
    spec: JsonValue,
    pointer: str,
    *,
    variables: frozenset[str] = frozenset(),
    is_stage: bool = False,
    reading: Reading | None = None,
) -> Projection:
    """Return the projection that spec says; with is_stage as `$project` takes it.

    `reading` is that of the pipeline that it stands in.

    Raises:
        InvalidQuery: it is no projection; the pointer is below `pointer`.
    """
    check_parts(spec, pointer)
    mode, root = ProjectionParser(variables, reading or Reading(), is_stage=is_stage).parse(spec, pointer)
    return Projection(mode, root, pointer)


class Projection:
    __slots__ = ("_flat", "_pointer", "_positional", "_root", "mode")

    def __init__(self, mode: Mode, root: Branch, pointer: str) -> None:
        self.mode: Mode = mode
        self._root = root
        self._pointer = pointer
        root.settle()
        leaves = root.leaves()
        if mode == "include" and "_id" not in root.members:
            root.members = {"_id": Keep(), **root.members}
        self._positional: Path | None = next((path for path, leaf in leaves if isinstance(leaf, Positional)), None)
        plain = all(isinstance(member, Keep | Drop) for member in root.members.values())
        kept = Keep if mode == "include" else Drop
        self._flat: frozenset[str] | None = (
            frozenset(name for name, member in root.members.items() if isinstance(member, kept)) if plain else None
        )

    @property
    def is_everything(self) -> bool:
        """Whether documents are returned as they are."""
        return self.mode == "exclude" and not self._root.members

    def included_paths(self) -> tuple[Path, ...] | None:
        """Return the paths that it reads, where it only includes whole fields; None where it reads more."""
        if self.mode == "exclude":
            return None
        leaves = self._root.leaves()
        if not all(isinstance(leaf, Keep | Drop) for _, leaf in leaves):
            return None
        return tuple(path for path, leaf in leaves if isinstance(leaf, Keep))

    def check_filter(self, filter: Filter) -> None:
        """Check that the filter of the query can tell a position where one is asked for.

        Raises:
            InvalidQuery: it has `$expr`.
        """
        if self._positional is not None and filter.uses_expressions:
            raise InvalidQuery("a positional projection does not go with $expr", pointer=self._pointer, mongo_code=224)

    def apply(self, document: Document, filter: Filter | None, context: Context) -> Document:
        """Return the projected document; filter is the one that the document matched.

        Raises:
            InvalidQuery: an expression cannot take a value, or no element is known for the positional `$`.
        """
        names = self._flat
        if names is not None:
            if self.mode == "include":
                return {name: value for name, value in document.items() if name in names}
            return {name: value for name, value in document.items() if name not in names}
        projected = self._object(document, self._root)
        if self._root.computes:
            _compute(projected, self._root, document, context)
        if self._positional is not None:
            self._take_position(projected, document, filter, context)
        return projected

    def bind(self, context: Context) -> Callable[[Document | None], Document | None]:
        """Return `apply` as a function of a document that no filter matched; None stays None."""
        names = self._flat
        if names is None or self.mode == "exclude":
            return lambda document: None if document is None else self.apply(document, None, context)

        def included(document: Document | None) -> Document | None:
            return None if document is None else {name: document[name] for name in document if name in names}

        return included

    def _object(self, document: Document, branch: Branch) -> Document:
        members, includes = branch.members, self.mode == "include"
        projected: Document = {}
        for name, value in document.items():
            member = members.get(name)
            if member is None:
                if not includes:
                    projected[name] = value
                continue
            kept = self._branch(value, member) if isinstance(member, Branch) else self._leaf(value, member)
            if not isinstance(kept, Missing):
                projected[name] = kept
        return projected

    def _branch(self, value: JsonValue, branch: Branch) -> JsonValue | Missing:
        if isinstance(value, list):
            return self._elements(value, branch)
        if isinstance(value, dict) and tag_of(value) is None:
            return self._object(value, branch)
        if self.mode == "exclude" or branch.only_slices:
            return value
        # Whatever is no object gives way to one, as soon as something is computed into it.
        return {} if branch.computes else MISSING

    def _elements(self, values: list[JsonValue], branch: Branch) -> list[JsonValue]:
        if self.mode == "include" and not branch.only_slices and not branch.computes:
            # Nothing is left of scalars, of which there may be very many.
            values = [value for value in values if isinstance(value, list | dict)]
        elements = [self._branch(value, branch) for value in values]
        return [element for element in elements if not isinstance(element, Missing)]

    def _leaf(self, value: JsonValue, leaf: Leaf) -> JsonValue | Missing:
        match leaf:
            case Keep() | Positional():
                return value
            case Drop() | Computed():
                return MISSING
            case SliceOf():
                return _cut(value, leaf) if isinstance(value, list) else value
            case FirstMatch(condition):
                place = condition.position({"e": value}, ("e",)) if condition.matches({"e": value}) else None
                return MISSING if place is None or not isinstance(value, list) else [value[place]]
            case _:
                assert_never(leaf)

    def _take_position(self, projected: Document, document: Document, filter: Filter | None, context: Context) -> None:
        """Cut the first array on the path down to the element that made the filter match."""
        path = self._positional
        assert path is not None
        parent = projected
        for depth, name in enumerate(path):
            value = parent.get(name)
            if isinstance(value, list):
                place = None if filter is None else filter.position(document, path[: depth + 1], context)
                if place is None:
                    raise self._no_position("no condition of the filter names an element of the array", 51246)
                if place >= len(value):
                    raise self._no_position("the element that matched is not in this array", 51247)
                parent[name] = [value[place]]
                return
            if not isinstance(value, dict) or tag_of(value) is not None:
                return
            parent[name] = parent = dict(value)

    def _no_position(self, detail: str, mongo_code: int) -> InvalidQuery:
        return InvalidQuery(f"positional projection: {detail}", pointer=self._pointer, mongo_code=mongo_code)


def _cut(value: list[JsonValue], cut: SliceOf) -> list[JsonValue]:
    if cut.skip is None:
        return value[-cut.limit :]
    start = cut.skip if cut.skip >= 0 else max(0, len(value) + cut.skip)
    return value[start : start + cut.limit]


def _compute(projected: Document, branch: Branch, document: Document, context: Context) -> None:
    """Put the values of the expressions of a branch into an object that is ours to change."""
    for name, member in branch.members.items():
        if isinstance(member, Computed):
            value = evaluate(member.expression, document, context)
            if value is not MISSING:
                projected[name] = value
        elif isinstance(member, Branch) and member.computes:
            projected[name] = _computed_below(projected.get(name, MISSING), member, document, context)


def _computed_below(value: JsonValue | Missing, branch: Branch, document: Document, context: Context) -> JsonValue:
    if isinstance(value, list):
        return [_computed_below(element, branch, document, context) for element in value]
    inner: Document = dict(value) if isinstance(value, dict) and tag_of(value) is None else {}
    _compute(inner, branch, document, context)
    return inner
