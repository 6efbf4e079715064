"""The lines of a bulk: what each asks for, as a step of a command.

    {"insert":  {"_id": 1, "qty": 2}}
    {"replace": {"_id": 1, "document": {"qty": 3}, "upsert": true, "if_match": "\\"3e0\\""}}
    {"update":  {"_id": 1, "update": {"$inc": {"qty": 1}}, "filter": {"qty": {"$lt": 9}}, "upsert": true}}
    {"delete":  {"_id": 1, "if_match": "\\"3e0\\""}}

`_id` says which document; an update or a deletion may name more conditions on it, of comparison and logic.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

import orjson

from raftdoc.api.preconditions import revision_to_match
from raftdoc.database.bulk_writes import BulkItem
from raftdoc.database.update_plan import Plan, Wanted
from raftdoc.document import DocumentId, check_id, id_key, parse_document, parse_json, with_id
from raftdoc.document.document import ParsedDocument
from raftdoc.errors import InvalidId, InvalidRequest, RaftdocError, UnknownOption
from raftdoc.statemachine import update_steps
from raftdoc.statemachine.commands import expected_revision

VERBS: Final = ("insert", "replace", "update", "delete")
REPLACE_MEMBERS: Final = frozenset({"_id", "document", "upsert", "if_match"})
UPDATE_MEMBERS: Final = frozenset({"_id", "update", "array_filters", "filter", "upsert", "if_match"})
DELETE_MEMBERS: Final = frozenset({"_id", "filter", "if_match"})

Identifier: TypeAlias = Callable[[ParsedDocument, int], tuple[DocumentId, bytes]]


def parse_bulk_line(line: bytes, position: int, *, identify: Identifier, bytes_max: int) -> BulkItem:
    """Return the item that a line describes; pointers in errors lead into the line.

    Raises:
        InvalidRequest: it describes none.
    """
    value = parse_json(line)
    if not isinstance(value, dict) or len(value) != 1 or next(iter(value)) not in VERBS:
        raise InvalidRequest(f"a line is an object with one member of {', '.join(VERBS)}", pointer="")
    ((verb, arguments),) = value.items()
    if not isinstance(arguments, dict):
        raise InvalidRequest(f"{verb} takes an object", pointer=f"/{verb}")
    try:
        match verb:
            case "insert":
                return _insert(arguments, position, identify, bytes_max)
            case "replace":
                return _replace(_Arguments(arguments, REPLACE_MEMBERS), bytes_max)
            case "update":
                return _update(_Arguments(arguments, UPDATE_MEMBERS), bytes_max, len(line))
            case _:
                return _delete(_Arguments(arguments, DELETE_MEMBERS), len(line))
    except RaftdocError as error:
        error.pointer = f"/{verb}{error.pointer or ''}"
        raise


class _Arguments:
    """The members of one line."""

    def __init__(self, members: dict[str, Any], known: frozenset[str]) -> None:
        for name in members:
            if name not in known:
                place = name.replace("~", "~0").replace("/", "~1")
                raise UnknownOption(f"there is no member {name[:100]!r} here", pointer=f"/{place}")
        if "_id" not in members:
            raise InvalidRequest("the member _id is missing", pointer="/_id")
        self.members = members
        self.id = check_id(members["_id"])

    def flag(self, name: str) -> bool:
        value = self.members.get(name, False)
        if not isinstance(value, bool):
            raise InvalidRequest(f"{name} is true or false", pointer=f"/{name}")
        return value

    def needed(self, name: str) -> Any:
        if name not in self.members:
            raise InvalidRequest(f"the member {name} is missing", pointer=f"/{name}")
        return self.members[name]

    @property
    def if_match(self) -> int | None:
        """The revision of `if_match`, which is an entity tag."""
        tag = self.members.get("if_match")
        if tag is None:
            return None
        if not isinstance(tag, str):
            raise InvalidRequest("if_match is an entity tag", pointer="/if_match")
        return revision_to_match({b"if-match": tag.encode()})

    def filter(self) -> dict[str, Any]:
        """Return the whole filter of the document.

        Raises:
            InvalidRequest: `filter` is none, or names an `_id` of its own.
        """
        conditions = self.members.get("filter", {})
        if not isinstance(conditions, dict) or "_id" in conditions:
            raise InvalidRequest("filter is an object of conditions beside _id", pointer="/filter")
        return {**conditions, "_id": self.id}


def _insert(document: dict[str, Any], position: int, identify: Identifier, bytes_max: int) -> BulkItem:
    id_, body = identify(parse_document(orjson.dumps(document), bytes_max=bytes_max), position)
    return BulkItem(id_, update_steps.insert(id_, body), None, len(body))


def _replace(arguments: _Arguments, bytes_max: int) -> BulkItem:
    parsed = parse_document(orjson.dumps(arguments.needed("document")), bytes_max=bytes_max)
    if parsed.id is not None and id_key(parsed.id) != id_key(arguments.id):
        raise InvalidId("the document has another _id than the line", pointer="/document/_id")
    body = with_id(parsed.normal, arguments.id)
    step = update_steps.replace(
        id_key(arguments.id), body, expected=expected_revision(arguments.if_match), upsert=arguments.flag("upsert")
    )
    return BulkItem(arguments.id, step, None, len(body))


def _update(arguments: _Arguments, bytes_max: int, byte_count: int) -> BulkItem:
    wanted = Wanted(
        filter=arguments.filter(),
        update=arguments.needed("update"),
        array_filters=arguments.members.get("array_filters"),
        upsert=arguments.flag("upsert"),
        if_match=arguments.if_match,
        bytes_max=bytes_max,
    )
    return _item(arguments, wanted, byte_count)


def _delete(arguments: _Arguments, byte_count: int) -> BulkItem:
    return _item(arguments, Wanted(filter=arguments.filter(), is_delete=True, if_match=arguments.if_match), byte_count)


def _item(arguments: _Arguments, wanted: Wanted, byte_count: int) -> BulkItem:
    # The moment counts for nothing here: what needs it is done at apply, by log time.
    plan = Plan(wanted, 0)
    step = plan.by_id_step()
    if step is None:
        raise InvalidRequest(
            "a line of a bulk is comparison, logic and operators: use update for pipelines and patterns"
        )
    (change,) = plan.changes()
    return BulkItem(arguments.id, step, change, byte_count)
