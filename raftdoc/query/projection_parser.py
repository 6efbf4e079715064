"""A projection as the caller wrote it to its tree; what is wrong with it is refused here."""

from __future__ import annotations

import math
from typing import Final, NoReturn

from raftdoc.document.path import Path, parse_path
from raftdoc.document.tagged import tag_of
from raftdoc.document.value import JsonValue
from raftdoc.errors import InvalidQuery
from raftdoc.query.expression import parse_expression
from raftdoc.query.expressions.scope import Reading
from raftdoc.query.filter import parse_filter
from raftdoc.query.literals import child_pointer, is_number, number_of
from raftdoc.query.predicates import is_truthy
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

INT32_MAX: Final = (1 << 31) - 1
UNKNOWN_OPERATOR: Final = 168
PROJECTION_DEPTH_MAX: Final = 100


def _fail(detail: str, pointer: str, mongo_code: int) -> NoReturn:
    raise InvalidQuery(detail, pointer=pointer, mongo_code=mongo_code)


class ProjectionParser:
    """One parse. With is_stage it is the projection of a pipeline: no positional `$`, `$slice` is an expression."""

    def __init__(self, variables: frozenset[str], reading: Reading, *, is_stage: bool) -> None:
        self._variables = variables
        self._reading = reading
        self._is_stage = is_stage
        self._positional_at: str | None = None
        self._has_elem_match = False
        self._mode: Mode | None = None
        self._root = Branch()

    def parse(self, spec: JsonValue, pointer: str) -> tuple[Mode, Branch]:
        """Return the mode and the tree.

        Raises:
            InvalidQuery: it is no projection, mixes modes, names a path twice or has an expression that is none.
        """
        if not isinstance(spec, dict) or tag_of(spec) is not None:
            _fail("a projection is an object", pointer, 15969 if self._is_stage else 14)
        if not spec and self._is_stage:
            _fail("a projection has one field at least", pointer, 51272)
        self._members(spec, (), pointer)
        return self._mode or self._default_mode(spec), self._root

    def _default_mode(self, spec: dict[str, JsonValue]) -> Mode:
        """The mode where only `_id`, slices or matches are named."""
        if self._has_elem_match or self._positional_at is not None:
            return "include"
        member = self._root.members.get("_id")
        return "include" if spec and isinstance(member, Keep) else "exclude"

    def _members(self, spec: dict[str, JsonValue], parent: Path, pointer: str) -> None:
        if len(parent) > PROJECTION_DEPTH_MAX:
            _fail(f"a projection is at most {PROJECTION_DEPTH_MAX} levels deep", pointer, 15)
        for name, value in spec.items():
            self._member(name, value, parent, child_pointer(pointer, name))

    def _member(self, name: str, value: JsonValue, parent: Path, pointer: str) -> None:
        if name.endswith(".$"):
            self._positional(name, value, parent, pointer)
            return
        if ".$." in name and not self._is_stage:
            _fail("the positional $ stands only at the end of a path", pointer, 31394)
        path = parent + parse_path(name, pointer)
        if isinstance(value, bool) or is_number(value):
            self._flag(path, is_kept=is_truthy(value), pointer=pointer)
        elif isinstance(value, dict) and tag_of(value) is None:
            self._object(path, value, pointer)
        else:
            self._computed(path, value, pointer, exclusion_code=31310)

    def _positional(self, name: str, value: JsonValue, parent: Path, pointer: str) -> None:
        if self._is_stage:
            _fail("a pipeline has no positional $", pointer, 31324)
        path = parent + parse_path(name[:-2], pointer)
        if not (isinstance(value, bool) or is_number(value)):
            is_object = isinstance(value, dict) and tag_of(value) is None
            _fail("a positional projection takes 1", pointer, 31271 if is_object else 31308)
        if not is_truthy(value):
            _fail("a positional projection cannot exclude", pointer, 31395)
        if self._positional_at is not None:
            _fail("one positional projection is allowed", pointer, 31276)
        if self._has_elem_match:
            _fail("a positional projection and $elemMatch exclude each other", pointer, 31256)
        self._positional_at = pointer
        self._choose("include", path, pointer)
        self._put(path, Positional(), pointer)

    def _flag(self, path: Path, *, is_kept: bool, pointer: str) -> None:
        if path != ("_id",):
            self._choose("include" if is_kept else "exclude", path, pointer)
        self._put(path, Keep() if is_kept else Drop(), pointer)

    def _choose(self, mode: Mode, path: Path, pointer: str) -> None:
        if self._mode not in (None, mode):
            shown = ".".join(path)
            if mode == "include":
                _fail(f"{shown!r} is included in a projection that excludes", pointer, 31253)
            _fail(f"{shown!r} is excluded in a projection that includes", pointer, 31254)
        self._mode = mode

    def _object(self, path: Path, value: dict[str, JsonValue], pointer: str) -> None:
        name = next(iter(value), "")
        if not value:
            _fail("an empty object says nothing", pointer, 51270)
        if len(value) > 1 or not name.startswith("$"):
            self._members(value, path, pointer)
            return
        inner, at = value[name], child_pointer(pointer, name)
        if name == "$elemMatch" and not self._is_stage:
            self._elem_match(path, inner, at)
        elif name == "$slice" and not self._is_stage and (cut := _slice_of(inner)) is not None:
            self._put(path, cut, pointer)
        else:
            self._computed(path, value, pointer, exclusion_code=31252)

    def _elem_match(self, path: Path, condition: JsonValue, pointer: str) -> None:
        if not isinstance(condition, dict) or tag_of(condition) is not None:
            _fail("$elemMatch needs an object", pointer, 31274)
        if self._positional_at is not None:
            _fail("a positional projection and $elemMatch exclude each other", pointer, 31255)
        if len(path) > 1:
            _fail("$elemMatch projects a field at the top only", pointer, 31275)
        self._has_elem_match = True
        try:
            matches = parse_filter({"e": {"$elemMatch": condition}})
        except InvalidQuery as error:
            error.pointer = pointer + str(error.pointer).removeprefix("/e/$elemMatch")
            raise
        self._put(path, FirstMatch(matches), pointer)

    def _computed(self, path: Path, value: JsonValue, pointer: str, *, exclusion_code: int) -> None:
        if self._mode == "exclude":
            _fail("a projection that excludes has no expressions", pointer, exclusion_code)
        try:
            expression = parse_expression(value, pointer, variables=self._variables, reading=self._reading)
        except InvalidQuery as error:
            if error.mongo_code == UNKNOWN_OPERATOR and _pointer_depth(error.pointer) <= _pointer_depth(pointer) + 1:
                error.mongo_code = 31325
            raise
        self._choose("include", path, pointer)
        self._put(path, Computed(expression), pointer)

    def _put(self, path: Path, leaf: Leaf, pointer: str) -> None:
        branch = self._root
        for depth, name in enumerate(path[:-1]):
            member = branch.members.setdefault(name, Branch())
            if not isinstance(member, Branch):
                rest = ".".join(path[depth + 1 :])
                _fail(f"the path above {rest!r} is projected already", pointer, 31249)
            branch = member
        if path[-1] in branch.members:
            _fail(f"{'.'.join(path)!r} is projected twice, or a path below it", pointer, 31250)
        branch.members[path[-1]] = leaf


def _pointer_depth(pointer: str | None) -> int:
    return (pointer or "").count("/")


def _slice_of(value: JsonValue) -> SliceOf | None:
    """Return the part of an array that `$slice` of a find means; None: it is the expression of that name."""
    if is_number(value):
        count = _clamped(value)
        return SliceOf(0, count) if count >= 0 else SliceOf(None, -count)
    if not isinstance(value, list) or len(value) != 2 or not all(map(is_number, value)):
        return None
    skip, limit = _clamped(value[0]), _clamped(value[1])
    return SliceOf(skip, limit) if limit > 0 else None


def _clamped(value: JsonValue) -> int:
    number = number_of(value)
    if not math.isfinite(number):
        return INT32_MAX if number > 0 else -INT32_MAX
    return max(-INT32_MAX, min(INT32_MAX, int(number)))
