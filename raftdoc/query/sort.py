"""Sorts: the bytes by which documents are put in order, the same bytes that index keys are made of.

An array counts by its smallest element where the order ascends and by its largest where it descends; an empty one
stands before null, and missing is null. Each field is judged by itself. Documents that are equal in all fields
stay in the order of their ids, because `total_key` ends with it: so a sorted list can go on behind any of them.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from raftdoc.document import encode_key, id_key
from raftdoc.document.path import MISSING, Path, Reached, parse_path, values_at
from raftdoc.document.tagged import tag_of
from raftdoc.document.value import JsonValue
from raftdoc.errors import InvalidQuery
from raftdoc.query.allowance import REACHED_TESTS, Allowance
from raftdoc.query.index_keys import EMPTY_ARRAY_KEY, EMPTY_ARRAY_KEY_DESCENDING
from raftdoc.query.literals import child_pointer, is_number, number_of

SORT_FIELDS_MAX: Final = 32
KEY_BYTES_PER_TEST: Final = 8
"""Of keys that are made: a number has some ten."""
_ARRAY: Final = object()
NULL_KEY: Final = (encode_key(None), encode_key(None, descending=True))


class SortField(NamedTuple):
    path: Path
    is_descending: bool


class Sort(NamedTuple):
    """A parsed sort; without fields it is the order of the ids."""

    fields: tuple[SortField, ...]

    def key(self, document: dict[str, JsonValue]) -> bytes:
        """Return bytes whose memcmp order is the order of the documents, equal where no field tells them apart.

        Raises:
            QueryOverBudget: the fields go through too many elements of arrays.
        """
        keys: list[bytes] = []
        allowance: Allowance | None = None
        for path, is_descending in self.fields:
            value = _walked(document, path)
            if type(value) is list or (type(value) is dict and tag_of(value) is None):
                allowance = allowance or Allowance(document, "/sort")
                keys.append(_counted_key(value, allowance, is_descending=is_descending))
            elif value is _ARRAY:
                allowance = allowance or Allowance(document, "/sort")
                reached = values_at(document, path, expand_leaf=False, spend=allowance.spend)
                allowance.spend(REACHED_TESTS * len(reached))
                found = [_counted_key(inner, allowance, is_descending=is_descending) for inner in reached]
                keys.append(min(found, default=NULL_KEY[is_descending]))
            else:
                keys.append(_scalar_key(value, is_descending=is_descending))
        return b"".join(keys)

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


def _walked(document: dict[str, JsonValue], path: Path) -> Any:
    """Return what stands at a path, _ARRAY where an array stands on the way."""
    value: Any = document
    for name in path:
        if type(value) is not dict:
            return _ARRAY if type(value) is list else MISSING
        value = value.get(name, MISSING)
    return value


def _scalar_key(value: Reached, *, is_descending: bool) -> bytes:
    return NULL_KEY[is_descending] if value is MISSING else encode_key(value, descending=is_descending)


def _counted_key(value: Reached, allowance: Allowance, *, is_descending: bool) -> bytes:
    """Return the key of a value that may be large; of an array that of its least element.

    Keys of a descending field are inverted, so that is the largest element.
    """
    if type(value) is not list:
        key = _scalar_key(value, is_descending=is_descending)
        allowance.spend(len(key) // KEY_BYTES_PER_TEST)
        return key
    if not value:
        return EMPTY_ARRAY_KEY_DESCENDING if is_descending else EMPTY_ARRAY_KEY
    allowance.spend(len(value))
    keys = [encode_key(element, descending=is_descending) for element in value]
    allowance.spend(sum(map(len, keys)) // KEY_BYTES_PER_TEST)
    return min(keys)
