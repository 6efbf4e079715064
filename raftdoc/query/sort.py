"""Sorts: the bytes by which documents are put in order, the same bytes that index keys are made of.

An array counts by its smallest element where the order ascends and by its largest where it descends; an empty one
stands before null, and missing is null. Each field is judged by itself. Documents that are equal in all fields
stay in the order of their ids, because `total_key` ends with it: so a sorted list can go on behind any of them.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from raftdoc.document import encode_key, id_key
from raftdoc.document.path import MISSING, Path, Reached, parse_path, values_at
from raftdoc.document.value import JsonValue
from raftdoc.errors import InvalidQuery
from raftdoc.query.index_keys import EMPTY_ARRAY_KEY, EMPTY_ARRAY_KEY_DESCENDING
from raftdoc.query.literals import child_pointer, is_number, number_of

SORT_FIELDS_MAX: Final = 32
NULL_KEY: Final = (encode_key(None), encode_key(None, descending=True))


class SortField(NamedTuple):
    path: Path
    is_descending: bool


class Sort(NamedTuple):
    """A parsed sort; without fields it is the order of the ids."""

    fields: tuple[SortField, ...]

    def key(self, document: dict[str, JsonValue]) -> bytes:
        """Return bytes whose memcmp order is the order of the documents, equal where no field tells them apart."""
        return b"".join([_field_key(document, field) for field in self.fields])

    def total_key(self, document: dict[str, JsonValue]) -> bytes:
        """Return the key with the id behind it: equal for no two documents of a collection."""
        return self.key(document) + id_key(document["_id"])  # type: ignore[arg-type]


def parse_sort(spec: JsonValue, pointer: str) -> Sort:
    """Return the sort that an object of path to 1 or -1 says.

    Raises:
        InvalidQuery: it is no object, a direction is neither, a path is none, or there are too many.
    """
    if not isinstance(spec, dict):
        raise InvalidQuery("a sort is an object of paths and directions", pointer=pointer, mongo_code=15973)
    if len(spec) > SORT_FIELDS_MAX:
        raise InvalidQuery(f"a sort has at most {SORT_FIELDS_MAX} fields", pointer=pointer, mongo_code=13103)
    return Sort(tuple([_parse_field(name, value, child_pointer(pointer, name)) for name, value in spec.items()]))


def _parse_field(name: str, value: JsonValue, pointer: str) -> SortField:
    if isinstance(value, dict) and "$meta" in value:
        _refuse_meta(value, pointer)
    if not is_number(value):
        raise InvalidQuery("a direction is 1 or -1", pointer=pointer, mongo_code=15974)
    number = number_of(value)
    # The dialect cuts the fraction off: 1.5 ascends.
    if not -2 < number < 2 or int(number) == 0:
        raise InvalidQuery("a direction is 1 or -1", pointer=pointer, mongo_code=15975)
    return SortField(parse_path(name, pointer), is_descending=int(number) < 0)


def _refuse_meta(value: dict[str, JsonValue], pointer: str) -> None:
    if len(value) > 1:
        raise InvalidQuery("$meta stands alone", pointer=pointer, mongo_code=9)
    code = 40218 if value["$meta"] in ("textScore", "geoNearDistance") else 31138
    raise InvalidQuery("there is nothing to sort by $meta here", pointer=pointer, mongo_code=code)


def _field_key(document: dict[str, JsonValue], field: SortField) -> bytes:
    path, is_descending = field
    if len(path) == 1:
        value: Reached = document.get(path[0], MISSING)
        if type(value) is not list:
            return NULL_KEY[is_descending] if value is MISSING else encode_key(value, descending=is_descending)
        return _array_key(value, is_descending=is_descending)
    keys = [
        _value_key(reached, is_descending=is_descending) for reached in values_at(document, path, expand_leaf=False)
    ]
    return min(keys, default=NULL_KEY[is_descending])


def _value_key(value: Reached, *, is_descending: bool) -> bytes:
    if value is MISSING:
        return NULL_KEY[is_descending]
    if isinstance(value, list):
        return _array_key(value, is_descending=is_descending)
    return encode_key(value, descending=is_descending)


def _array_key(value: list[JsonValue], *, is_descending: bool) -> bytes:
    """Return the least key of the elements: keys of a descending field are inverted, so that is the largest element."""
    if not value:
        return EMPTY_ARRAY_KEY_DESCENDING if is_descending else EMPTY_ARRAY_KEY
    return min([encode_key(element, descending=is_descending) for element in value])
