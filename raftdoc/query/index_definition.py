"""What an index is: the body of `POST C/indexes`, checked, and the record that is kept of it.

    {"fields": {"customer": 1, "created": -1}, "unique": true, "partial": {"state": "open"}}

The order of the fields counts. Documents lie in the order of their `_id` without any index, so `_id` alone cannot be
indexed again. A partial filter decides at apply, on every replica, what is in the index: it is comparison and logic
only. A time-to-live index has one field; the documents whose date in it is old enough are deleted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple

import orjson

from raftdoc.document import JsonValue, parse_name
from raftdoc.document.path import parse_path
from raftdoc.errors import InvalidName, InvalidQuery, UnknownOption
from raftdoc.limits import INDEX_DEFINITION_BYTES_MAX, INDEX_FIELDS_MAX, TTL_S_MAX
from raftdoc.query.ast import And, Compare, Exists, In, Node, Or, TypeIs
from raftdoc.query.filter import parse_filter

CANNOT_CREATE_INDEX: Final = 67
"""The dialect's number of a definition that cannot be."""

ID_INDEX_NAME: Final = "_id_"
"""What the dialect calls the order of the documents themselves."""

MEMBERS: Final = ("name", "fields", "unique", "sparse", "partial", "expire_after_s")

IndexState = Literal["building", "ready", "failed"]


class IndexDefinition(NamedTuple):
    name: str
    id: int
    """Never reused within its collection; 0: not given yet."""
    fields: tuple[tuple[str, int], ...]
    """Path and direction, 1 or -1."""
    unique: bool = False
    sparse: bool = False
    """Documents that have none of the fields are not in it."""
    partial: dict[str, JsonValue] | None = None
    """Only documents that this filter matches are in it."""
    expire_after_s: int | None = None
    state: IndexState = "building"
    multikey_paths: tuple[bool, ...] = ()
    """For each field whether an array was ever met on its path. It never becomes false again."""
    partial_root: Node | None = None
    """The partial filter, parsed."""

    @property
    def is_multikey(self) -> bool:
        return any(self.multikey_paths)

    def specification(self) -> dict[str, Any]:
        """Return the definition as a caller would write it; options that have their default are left out."""
        shown: dict[str, Any] = {"name": self.name, "fields": dict(self.fields)}
        for member in ("unique", "sparse"):
            if getattr(self, member):
                shown[member] = True
        for member in ("partial", "expire_after_s"):
            if getattr(self, member) is not None:
                shown[member] = getattr(self, member)
        return shown

    def is_same_index(self, other: IndexDefinition) -> bool:
        """Return whether the two have the same fields and options, whatever their names and states."""
        return _unnamed(self) == _unnamed(other)


def parse_index_definition(specification: Mapping[str, Any], pointer: str = "") -> IndexDefinition:
    """Return the index that a specification describes, with id 0.

    Raises:
        UnknownOption: a member that no index has.
        InvalidQuery: of the number 67, or what is wrong with a path or the partial filter.
    """
    for member in specification:
        if member not in MEMBERS:
            place = member.replace("~", "~0").replace("/", "~1")
            raise UnknownOption(f"an index has no option {member[:100]!r}", pointer=f"{pointer}/{place}")
    fields = _fields(specification.get("fields"), f"{pointer}/fields")
    definition = IndexDefinition(
        name=_name(specification.get("name"), fields, f"{pointer}/name"),
        id=0,
        fields=fields,
        unique=_flag(specification, "unique", pointer),
        sparse=_flag(specification, "sparse", pointer),
        partial_root=_partial_root(specification.get("partial"), f"{pointer}/partial"),
        partial=specification.get("partial"),
        expire_after_s=_seconds(specification.get("expire_after_s"), f"{pointer}/expire_after_s"),
        multikey_paths=(False,) * len(fields),
    )
    _check_together(definition, pointer)
    return definition


def _unnamed(definition: IndexDefinition) -> tuple[Any, ...]:
    partial = None if definition.partial is None else repr(definition.partial)
    return definition.fields, definition.unique, definition.sparse, partial, definition.expire_after_s


def _fault(detail: str, pointer: str) -> InvalidQuery:
    return InvalidQuery(detail, pointer=pointer, mongo_code=CANNOT_CREATE_INDEX)


def _fields(value: JsonValue, pointer: str) -> tuple[tuple[str, int], ...]:
    if not isinstance(value, dict) or not value:
        raise _fault('the fields of an index are an object such as {"customer": 1, "created": -1}', pointer)
    if len(value) > INDEX_FIELDS_MAX:
        raise _fault(f"an index has at most {INDEX_FIELDS_MAX} fields", pointer)
    fields = []
    for path, direction in value.items():
        place = f"{pointer}/{path.replace('~', '~0').replace('/', '~1')}"
        parse_path(path, place)
        if isinstance(direction, bool) or direction not in (1, -1):
            raise _fault("the direction of a field is 1 or -1", place)
        fields.append((path, 1 if direction == 1 else -1))
    if [path for path, _ in fields] == ["_id"]:
        raise _fault("documents are in the order of their _id already", pointer)
    return tuple(fields)


def _name(value: JsonValue, fields: tuple[tuple[str, int], ...], pointer: str) -> str:
    name = "_".join(f"{path}_{direction}" for path, direction in fields) if value is None else value
    if not isinstance(name, str):
        raise _fault("the name of an index is a string", pointer)
    if name == ID_INDEX_NAME:
        raise _fault(f"{ID_INDEX_NAME} is the order of the documents themselves", pointer)
    try:
        return parse_name(name)
    except InvalidName as error:
        hint = " (made from the fields: give it another)" if value is None else ""
        raise _fault(f"the name of an index: {error.detail}{hint}", pointer) from None


def _flag(specification: Mapping[str, Any], member: str, pointer: str) -> bool:
    value = specification.get(member, False)
    if not isinstance(value, bool):
        raise _fault(f"{member} is true or false", f"{pointer}/{member}")
    return value


def _seconds(value: JsonValue, pointer: str) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= TTL_S_MAX:
        raise _fault(f"expire_after_s is a whole number from 0 to {TTL_S_MAX}", pointer)
    return value


def _partial_root(value: JsonValue, pointer: str) -> Node | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise _fault("partial is a filter", pointer)
    root = parse_filter(value, pointer).root
    _check_partial(root, pointer)
    return root


def _check_partial(node: Node, pointer: str) -> None:
    """Refuse what a partial filter cannot have: it runs at apply, and the planner has to see what it implies."""
    if isinstance(node, And | Or):
        for child in node.children:
            _check_partial(child, pointer)
    elif not isinstance(node, Compare | In | Exists | TypeIs):
        raise _fault("a partial filter has comparisons, $in, $exists, $type, $and and $or only", pointer)


def _check_together(definition: IndexDefinition, pointer: str) -> None:
    if len(orjson.dumps(definition.specification())) > INDEX_DEFINITION_BYTES_MAX:
        raise _fault(f"the definition of an index has at most {INDEX_DEFINITION_BYTES_MAX} bytes", pointer)
    if definition.sparse and definition.partial is not None:
        raise _fault("an index is sparse or partial: a filter with $exists does both", f"{pointer}/sparse")
    if definition.expire_after_s is not None and (len(definition.fields) > 1 or definition.fields[0][0] == "_id"):
        raise _fault("a time-to-live index has one field, which is not _id", f"{pointer}/expire_after_s")
