"""Paths of updates, and the array filters that they name.

a.b.0           one place
a.$             the element that the filter matched
a.$[].b         every element
a.$[x].b        those that the array filter of x matches
"""

from __future__ import annotations

import re
from typing import Final

from raftdoc.document.path import Path, split_path
from raftdoc.document.value import JsonValue
from raftdoc.errors import InvalidQuery
from raftdoc.limits import DOCUMENT_DEPTH_MAX
from raftdoc.query.filter import Filter, parse_filter
from raftdoc.query.update_moment import BAD_VALUE
from raftdoc.query.update_tree import (
    DOLLAR_NAME,
    EMPTY_NAME,
    EVERY,
    FAILED_TO_PARSE,
    POSITIONAL,
    TYPE_MISMATCH,
    is_array_step,
)

OVERFLOW: Final = 15
"""The dialect's number of too many levels."""
NOT_ALLOWED: Final = 224
"""Of a feature that has no place there."""

_IDENTIFIER: Final = re.compile(r"[a-z][a-zA-Z0-9]*", re.ASCII)
_REFERENCE_NAMES: Final = frozenset({"$id", "$ref", "$db"})
_LOGIC: Final = frozenset({"$and", "$or", "$nor"})


def parse_update_path(text: str, pointer: str, filters: dict[str, Filter]) -> Path:
    """Return the components of a path of an update.

    Raises:
        InvalidQuery: a name is empty or begins with `$`; an identifier has no array filter; `$` stands there twice.
    """
    path = split_path(text, pointer)
    if len(path) > DOCUMENT_DEPTH_MAX:
        detail = f"a path of an update has at most {DOCUMENT_DEPTH_MAX} components"
        raise InvalidQuery(detail, pointer=pointer, mongo_code=OVERFLOW)
    for depth, name in enumerate(path):
        if not name:
            raise InvalidQuery(f"the path {text!r} has an empty name", pointer=pointer, mongo_code=EMPTY_NAME)
        if not name.startswith("$"):
            continue
        if name not in (POSITIONAL, EVERY) and not (is_array_step(name) and name.endswith("]")):
            detail = f"the name {name!r} in {text!r} begins with '$'"
            raise InvalidQuery(detail, pointer=pointer, mongo_code=DOLLAR_NAME)
        if depth == 0:
            raise InvalidQuery(f"{name!r} cannot come first in a path", pointer=pointer, mongo_code=BAD_VALUE)
        if is_array_step(name) and name != EVERY and name[2:-1] not in filters:
            detail = f"there is no array filter for the identifier {name[2:-1]!r} of {text!r}"
            raise InvalidQuery(detail, pointer=pointer, mongo_code=BAD_VALUE)
    if path.count(POSITIONAL) > 1:
        raise InvalidQuery(f"the path {text!r} has more than one '$'", pointer=pointer, mongo_code=BAD_VALUE)
    return path


def is_dynamic(path: Path) -> bool:
    """Return whether the place depends on the document: `$`, `$[]` or `$[x]` stands in the path."""
    return any(name == POSITIONAL or is_array_step(name) for name in path)


def parse_array_filters(value: JsonValue, pointer: str) -> dict[str, Filter]:
    """Return the array filters by their identifiers.

    Raises:
        InvalidQuery: of the numbers 9 and 2, as the dialect has them.
    """
    if value is None:
        return {}
    if not isinstance(value, list):
        raise InvalidQuery("array filters are an array", pointer=pointer, mongo_code=TYPE_MISMATCH)
    filters: dict[str, Filter] = {}
    for position, spec in enumerate(value):
        place = f"{pointer}/{position}"
        if not isinstance(spec, dict):
            raise InvalidQuery("an array filter is an object", pointer=place, mongo_code=TYPE_MISMATCH)
        # What is no filter at all is told before what is no array filter.
        filter = parse_filter(spec, place)
        if filter.uses_expressions:
            raise InvalidQuery("an array filter has no $expr", pointer=place, mongo_code=NOT_ALLOWED)
        identifier = _identifier(spec, place)
        if identifier in filters:
            detail = f"there are two array filters for {identifier!r}"
            raise InvalidQuery(detail, pointer=place, mongo_code=FAILED_TO_PARSE)
        filters[identifier] = filter
    return filters


def _identifier(spec: dict[str, JsonValue], pointer: str) -> str:
    names = _first_names(spec)
    if not names:
        raise InvalidQuery("an array filter names its identifier", pointer=pointer, mongo_code=FAILED_TO_PARSE)
    if len(names) > 1:
        detail = f"an array filter is about one identifier, not {', '.join(map(repr, sorted(names)))}"
        raise InvalidQuery(detail, pointer=pointer, mongo_code=FAILED_TO_PARSE)
    (name,) = names
    if _IDENTIFIER.fullmatch(name) is None:
        detail = f"an identifier is a lower-case letter, then letters and digits, not {name!r}"
        raise InvalidQuery(detail, pointer=pointer, mongo_code=BAD_VALUE)
    return name


def _first_names(spec: JsonValue) -> set[str]:
    """Return the first components of all paths of a filter."""
    if not isinstance(spec, dict):
        return set()
    names: set[str] = set()
    for name, value in spec.items():
        if name in _LOGIC and isinstance(value, list):
            for branch in value:
                names |= _first_names(branch)
        elif not name.startswith("$"):
            names.add(name.split(".")[0])
    return names


def check_all_used(filters: dict[str, Filter], used: set[str], pointer: str) -> None:
    """Refuse an array filter that no path names.

    Raises:
        InvalidQuery: of the number 9.
    """
    for identifier in filters:
        if identifier not in used:
            detail = f"no path of the update uses the array filter of {identifier!r}"
            raise InvalidQuery(detail, pointer=pointer, mongo_code=FAILED_TO_PARSE)
