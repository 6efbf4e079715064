"""From a document to its entries in an index: order-preserving value keys, bounded in size and number.

A value key is the key of each field's value, one after the other, in the direction of the field (`document.key`).
A missing field counts as null, as it does in the total order. An array on the path of a field makes one entry per
element; an empty one stands before null, with a tag of its own:

    0x08   empty array                            descending 0xf7

Equal values have one key, so a key alone does not tell 1 from 1.0 or null from missing. Where that matters the entry
also carries the values themselves (`exact`): a JSON array with `[value]` for each field, `[]` for a missing one.

Two fields below the same array go through its elements together; below different arrays a document cannot be indexed,
for it would need an entry per pair. What is scalar in all fields takes the short way.

This is an on-disk format: what stands here never changes, it can only be added to.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple, NoReturn

import orjson

from raftdoc.document import JsonValue, decode_key, encode_key
from raftdoc.document.path import MISSING, parse_path
from raftdoc.errors import NotIndexable, QueryOverBudget
from raftdoc.limits import INDEX_ENTRIES_PER_DOCUMENT_MAX, INDEX_KEY_BYTES_MAX
from raftdoc.query.filter import Filter, parse_filter
from raftdoc.query.index_definition import IndexDefinition
from raftdoc.query.index_work import TESTS_PER_STEP, TOO_MANY_ENTRIES, DocumentWork

KEY_TOO_LONG: Final = 17280
PARALLEL_ARRAYS: Final = 171
"""The dialect's numbers."""

NULL_KEY: Final = b"\x10"
EMPTY_ARRAY_KEY: Final = b"\x08"
EMPTY_ARRAY_KEY_DESCENDING: Final = b"\xf7"

STEPS_MAX: Final = 4 * INDEX_ENTRIES_PER_DOCUMENT_MAX
"""Elements gone through for one document, of which some may be equal."""


class _EmptyArray:
    """The value of a field whose array has no element."""


_EMPTY_ARRAY: Final = _EmptyArray()

_Path = tuple[str, ...]


class IndexEntries(NamedTuple):
    """What one document has in one index."""

    entries: dict[bytes, bytes]
    """Value key to `exact`; empty where the key itself says the values exactly."""
    multikey_paths: tuple[bool, ...]
    """The fields on whose path an array was met."""


class IndexKeyMaker:
    """Makes the entries of documents in one index. Holds nothing that changes: replicas and slices may share it."""

    __slots__ = ("_array", "_descending", "_filter", "_none", "_paths", "_plain", "_sparse", "name")

    def __init__(self, definition: IndexDefinition) -> None:
        self.name = definition.name
        self._paths = tuple([parse_path(path, "") for path, _ in definition.fields])
        self._descending = tuple([direction < 0 for _, direction in definition.fields])
        self._sparse = definition.sparse
        self._filter: Filter | None = None if definition.partial is None else parse_filter(definition.partial)
        self._plain = (False,) * len(definition.fields)
        self._array = (True,)
        self._none = IndexEntries({}, self._plain)

    def entries(self, document: dict[str, JsonValue], work: DocumentWork | None = None) -> IndexEntries:
        """Return the entries of a document; `work` counts for all indexes, None: it need not be counted.

        Raises:
            NotIndexable: a key over its limit, too many entries, too much work, or arrays in parallel.
        """
        if work is None:
            work = DocumentWork(None)
        if self._filter is not None and not self._is_meant(document, self._filter, work):
            return self._none
        paths = self._paths
        if len(paths) == 1:
            return self._entries_of_one(document, paths[0], work)
        values: list[Any] = []
        for path in paths:
            value: Any = document
            for name in path:
                if type(value) is not dict:
                    break
                value = value.get(name, MISSING)
            else:
                if type(value) is not list:
                    values.append(value)
                    continue
            if type(value) is list:
                return self._expand(document, work)
            values.append(MISSING)
        if self._sparse and all(value is MISSING for value in values):
            return self._none
        return IndexEntries({self._key(values): _exact(values)}, self._plain)

    def _is_meant(self, document: dict[str, JsonValue], partial: Filter, work: DocumentWork) -> bool:
        """Return whether a document is one for the index."""
        work.begin()
        try:
            is_meant, tests = partial.judge(document)
        except QueryOverBudget as error:
            detail = f"index {self.name}: its partial filter: {error.detail}"
            raise NotIndexable(detail, index=self.name, mongo_code=TOO_MANY_ENTRIES) from None
        if tests:
            work.spend(tests // TESTS_PER_STEP, self.name)
        return is_meant

    def _entries_of_one(self, document: dict[str, JsonValue], path: _Path, work: DocumentWork) -> IndexEntries:
        """Return the entries in an index of one field."""
        value: Any = document
        for name in path:
            if type(value) is list:
                return self._expand(document, work)
            value = value.get(name, MISSING) if type(value) is dict else MISSING
        if type(value) is list:
            return self._entries_of_array(value)
        if value is MISSING and self._sparse:
            return self._none
        return IndexEntries({self._key_of_one(value): _exact_one(value)}, self._plain)

    def _entries_of_array(self, elements: list[Any]) -> IndexEntries:
        """Return the entries of the elements of an array at the end of the one path."""
        if not elements:
            return IndexEntries({self._key_of_one(_EMPTY_ARRAY): _exact_one(_EMPTY_ARRAY)}, self._array)
        if len(elements) > STEPS_MAX:
            raise _too_many(self.name)
        entries: dict[bytes, bytes] = {}
        for element in elements:
            entries.setdefault(self._key_of_one(element), _exact_one(element))
        if len(entries) > INDEX_ENTRIES_PER_DOCUMENT_MAX:
            raise _too_many(self.name)
        return IndexEntries(entries, self._array)

    def _expand(self, document: dict[str, JsonValue], work: DocumentWork) -> IndexEntries:
        """Return the entries of a document that has an array on a path."""
        if self._filter is None:
            work.begin()
        expansion = _Expansion(self._paths, self.name, work)
        expansion.add([document] * len(self._paths), [0] * len(self._paths))
        entries: dict[bytes, bytes] = {}
        for values in expansion.found:
            if self._sparse and all(value is MISSING for value in values):
                continue
            # Of values that have one key the first is told: which it is has to be the same on every replica.
            entries.setdefault(self._key(values), _exact(values))
            if len(entries) > INDEX_ENTRIES_PER_DOCUMENT_MAX:
                raise _too_many(self.name)
        return IndexEntries(entries, tuple(expansion.multikey))

    def _key(self, values: Sequence[Any]) -> bytes:
        parts = [encode_part(value, descending=down) for value, down in zip(values, self._descending, strict=True)]
        key = b"".join(parts)
        return key if len(key) <= INDEX_KEY_BYTES_MAX else self._refuse(key)

    def _key_of_one(self, value: Any) -> bytes:
        key = encode_part(value, descending=self._descending[0])
        return key if len(key) <= INDEX_KEY_BYTES_MAX else self._refuse(key)

    def _refuse(self, key: bytes) -> NoReturn:
        raise NotIndexable(
            f"index {self.name}: a key of {len(key)} bytes, of at most {INDEX_KEY_BYTES_MAX}",
            index=self.name,
            mongo_code=KEY_TOO_LONG,
        )


class _Expansion:
    """Goes through the arrays on the paths of a document; `found` gets the values of each entry."""

    __slots__ = ("_name", "_paths", "_step_count", "_work", "found", "multikey")

    def __init__(self, paths: tuple[_Path, ...], name: str, work: DocumentWork) -> None:
        self._paths = paths
        self._name = name
        self._work = work
        self._step_count = 0
        self.found: list[list[Any]] = []
        self.multikey = [False] * len(paths)

    def add(self, values: list[Any], depths: list[int]) -> None:
        """Add the entries below `values`, of which values[i] was reached by the first depths[i] names of path i.

        Recursion is as deep as the longest path. A depth beyond the path: the value is whole, whatever it is.
        """
        self._step_count += 1
        if self._step_count > STEPS_MAX:
            raise _too_many(self._name)
        self._work.spend(len(values), self._name)
        for field in range(len(values)):
            values[field], depths[field] = self._descend(values[field], field, depths[field])
        arrays = [
            field
            for field, value in enumerate(values)
            if type(value) is list and depths[field] <= len(self._paths[field])
        ]
        if not arrays:
            self.found.append(values)
            return
        place = {self._paths[field][: depths[field]] for field in arrays}
        if len(place) > 1:
            raise NotIndexable(
                f"index {self._name}: arrays in parallel, at {' and '.join(sorted(map('.'.join, place)))}",
                index=self._name,
                mongo_code=PARALLEL_ARRAYS,
            )
        self._elements(values, depths, arrays)

    def _descend(self, value: Any, field: int, depth: int) -> tuple[Any, int]:
        """Follow a path through objects, and through arrays where a number is a position and nothing else.

        Where an array has objects, the number is a name that each of them has or lacks, as well.
        """
        path = self._paths[field]
        while depth < len(path):
            name = path[depth]
            if type(value) is dict:
                value = value.get(name, MISSING)
            elif type(value) is list:
                position = _position(name)
                if position is None or self._work.has_object(value, self._name):
                    return value, depth
                self.multikey[field] = True
                value = value[position] if position < len(value) else MISSING
            else:
                return MISSING, len(path) + 1
            depth += 1
        return value, depth

    def _elements(self, values: list[Any], depths: list[int], arrays: list[int]) -> None:
        """Add the entries of each element of the array at which the fields `arrays` stand."""
        for field in arrays:
            self.multikey[field] = True
        elements = values[arrays[0]]
        if not elements:
            self._branch(values, depths, {field: self._empty(field, depths[field]) for field in arrays})
        for element in elements:
            self._branch(values, depths, {field: self._below(field, depths[field], element) for field in arrays})
        if any(
            depths[field] < len(self._paths[field]) and _position(self._paths[field][depths[field]]) is not None
            for field in arrays
        ):
            self._branch(values, depths, {field: self._at(field, depths[field], elements) for field in arrays})

    def _branch(self, values: list[Any], depths: list[int], taken: dict[int, tuple[Any, int]]) -> None:
        values, depths = values.copy(), depths.copy()
        for field, (value, depth) in taken.items():
            values[field], depths[field] = value, depth
        self.add(values, depths)

    def _empty(self, field: int, depth: int) -> tuple[Any, int]:
        length = len(self._paths[field])
        return (_EMPTY_ARRAY if depth == length else MISSING), length + 1

    def _below(self, field: int, depth: int, element: JsonValue) -> tuple[Any, int]:
        """Return where a field stands in an element. An array in an array is gone through only by position."""
        path = self._paths[field]
        if depth == len(path):
            return element, depth + 1
        if type(element) is not dict:
            return MISSING, len(path) + 1
        return element.get(path[depth], MISSING), depth + 1

    def _at(self, field: int, depth: int, elements: list[JsonValue]) -> tuple[Any, int]:
        """Return where a field stands when its next name is a position."""
        path = self._paths[field]
        position = None if depth == len(path) else _position(path[depth])
        if position is None or position >= len(elements):
            return MISSING, len(path) + 1
        return elements[position], depth + 1


def encode_part(value: Any, *, descending: bool) -> bytes:
    """Return the key of the value of one field; MISSING counts as null."""
    if value is MISSING:
        value = None
    elif value is _EMPTY_ARRAY:
        return EMPTY_ARRAY_KEY_DESCENDING if descending else EMPTY_ARRAY_KEY
    return encode_key(value, descending=descending)


def decode_values(value_key: bytes, exact: bytes) -> list[Any]:
    """Return the values of an entry: each a JSON value or MISSING.

    Raises:
        StateCorrupt: it is no entry.
    """
    if exact:
        return [parts[0] if parts else MISSING for parts in orjson.loads(exact)]
    values: list[Any] = []
    offset = 0
    while offset < len(value_key):
        value, offset = decode_key(value_key, offset)
        values.append(value)
    return values


def _exact(values: Sequence[Any]) -> bytes:
    """Return what an entry carries beside its key; nothing where the key decodes to the very values."""
    for value in values:
        if _exact_one(value):
            return orjson.dumps([_shown(value) for value in values])
    return b""


def _exact_one(value: Any) -> bytes:
    kind = type(value)
    if kind is str or kind is int or kind is bool or value is None:
        return b""
    if kind is float and not value.is_integer():
        return b""
    return orjson.dumps((_shown(value),))


def _shown(value: Any) -> list[Any]:
    if value is MISSING:
        return []
    return [[]] if value is _EMPTY_ARRAY else [value]


def _position(name: str) -> int | None:
    """Return the position in an array that a name of a path may mean."""
    is_number = name.isascii() and name.isdigit() and (name == "0" or name[0] != "0")
    return int(name) if is_number and len(name) < 10 else None


def _too_many(name: str) -> NotIndexable:
    return NotIndexable(
        f"index {name}: more than {INDEX_ENTRIES_PER_DOCUMENT_MAX} entries of one document",
        index=name,
        mongo_code=TOO_MANY_ENTRIES,
    )
