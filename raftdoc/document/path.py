"""Paths into documents: `a.b.0`, and what they reach through arrays.

Three readings of one path, because the dialect has three:

    values_at         filters: fans out over arrays, a number is an index and a name, both tried
    get_path          updates and patches: one place; a number is an index where an array stands
    mapped_value      expressions: fans out over arrays into one array; a number is only a name

    document = {"a": [{"b": 1}, {"b": [2, 3]}, {}, 4]}
    values_at(document, ("a", "b"))       1, 2, 3, [2, 3], MISSING
    get_path(document, ("a", "1", "b"))   [2, 3]
    mapped_value(document, ("a", "b"))    [1, [2, 3]]

A tagged scalar is a scalar: no path leads into it.

Source: the element iterator of the dialect's matcher, as its recorded cases show it.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Final, TypeAlias

from raftdoc.document.tagged import tag_of
from raftdoc.document.value import JsonValue
from raftdoc.errors import InvalidQuery

PATH_DEPTH_MAX: Final = 200
"""Components of one path."""


class Missing(Enum):
    """The type of MISSING, so that a type checker can tell it from every value."""

    MISSING = "missing"

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = Missing.MISSING
"""There is no field: not the same as null."""

Path: TypeAlias = tuple[str, ...]
Reached: TypeAlias = "JsonValue | Missing"


def parse_path(text: str, pointer: str) -> Path:
    """Return the components of a field path of a projection, sort, expression or index.

    Raises:
        InvalidQuery: it is empty, has an empty component, one that begins with `$` or holds a NUL, or is too deep.
    """
    if not text:
        raise InvalidQuery("a field path cannot be empty", pointer=pointer, mongo_code=40352)
    if text.endswith("."):
        raise InvalidQuery(f"the field path {text!r} ends with '.'", pointer=pointer, mongo_code=40353)
    if "\0" in text:
        raise InvalidQuery("a field path cannot hold a NUL", pointer=pointer, mongo_code=16411)
    path = split_path(text, pointer)
    for name in path:
        if not name:
            raise InvalidQuery(f"the field path {text!r} has an empty name", pointer=pointer, mongo_code=15998)
        if name.startswith("$"):
            raise InvalidQuery(f"the name {name!r} begins with '$'", pointer=pointer, mongo_code=16410)
    return path


def split_path(text: str, pointer: str) -> Path:
    """Return the components of a path as filters take it: names may be empty.

    Raises:
        InvalidQuery: it is too deep.
    """
    path = tuple(text.split("."))
    if len(path) > PATH_DEPTH_MAX:
        raise InvalidQuery(f"a field path has at most {PATH_DEPTH_MAX} components", pointer=pointer, mongo_code=15)
    return path


def is_index(name: str) -> bool:
    """Return whether a component can be the place of an array element: digits without a leading zero."""
    return name.isascii() and name.isdecimal() and (name == "0" or name[0] != "0")


def is_object(value: Reached) -> bool:
    """Return whether a value is an object, which a tagged scalar is not."""
    return isinstance(value, dict) and (len(value) != 1 or tag_of(value) is None)


def values_at(
    document: dict[str, JsonValue],
    path: Path,
    *,
    expand_leaf: bool = True,
    spend: Callable[[int], None] | None = None,
) -> list[Reached]:
    """Return what a filter compares at path, in the order of the document.

    An array at the end gives its elements and then itself; with expand_leaf False only itself. MISSING stands
    for each object that lacks the rest of the path; the list is empty where arrays hold no object to look into.
    `spend` is told how many elements are gone through, before they are.
    """
    reached: list[Reached] = []
    _collect(document, (path, expand_leaf, spend, reached, set()), 0)
    return reached


_Search: TypeAlias = "tuple[Path, bool, Callable[[int], None] | None, list[Reached], set[tuple[int, int]]]"
"""Path; whether an array at its end is taken apart; who is told of elements; what is reached; and the arrays seen, by
identity, and how much of the path led there. As a number is tried both ways, there may be more ways to an array than
atoms in the world; what it holds is reached by any of them."""


def _collect(document: JsonValue, search: _Search, depth: int) -> None:
    path, expands, spend, reached, _ = search
    value: Reached = document
    for position in range(depth, len(path)):
        if isinstance(value, dict):
            name = path[position]
            value = MISSING if name[:1] == "$" else value.get(name, MISSING)
        elif isinstance(value, list):
            _collect_through(value, search, position)
            return
        else:
            reached.append(MISSING)
            return
    if expands and isinstance(value, list):
        if spend is not None:
            spend(len(value))
        reached.extend(value)
    reached.append(value)


def _collect_through(array: list[JsonValue], search: _Search, depth: int) -> None:
    """Look for path[depth:] in the elements of an array: in each object, and at the place that the name says."""
    path, _, spend, reached, seen = search
    if (id(array), depth) in seen:
        return
    seen.add((id(array), depth))
    if spend is not None:
        spend(len(array))
    name = path[depth]
    place = int(name) if is_index(name) and len(name) < 10 else -1
    is_last = depth + 1 == len(path)
    for position, element in enumerate(array):
        if type(element) is dict and (len(element) != 1 or tag_of(element) is None):
            _collect(element, search, depth)
        if position != place:
            continue
        if is_last:
            reached.append(element)
        elif isinstance(element, list):
            _collect_through(element, search, depth + 1)
        elif is_object(element):
            _collect(element, search, depth + 1)


def get_path(document: JsonValue, path: Path) -> Reached:
    """Return the value at exactly this place: names in objects, indices in arrays, no fan-out."""
    value: JsonValue = document
    for name in path:
        if isinstance(value, dict):
            if name not in value or tag_of(value) is not None:
                return MISSING
            value = value[name]
        elif isinstance(value, list) and is_index(name) and len(name) < 10 and int(name) < len(value):
            value = value[int(name)]
        else:
            return MISSING
    return value


def mapped_value(value: JsonValue, path: Path) -> Reached:
    """Return what the expression `"$a.b"` means: through an array, the array of what its objects have there."""
    for depth, name in enumerate(path):
        if isinstance(value, dict):
            if name not in value or name[:1] == "$":
                return MISSING
            value = value[name]
        elif isinstance(value, list):
            rest = path[depth:]
            found = [mapped_value(element, rest) for element in value if is_object(element)]
            return [inner for inner in found if inner is not MISSING]
        else:
            return MISSING
    return value
