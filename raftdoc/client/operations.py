"""The operations of `bulk_write`: each on one document, which its filter names by `_id`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from raftdoc.client.errors import InvalidUse
from raftdoc.client.values import DocumentId, Json, as_dict

Update: TypeAlias = "Mapping[str, Any] | Sequence[Mapping[str, Any]]"
"""Operators (`{"$set": ...}`), or a pipeline."""


@dataclass(frozen=True, slots=True)
class InsertOne:
    document: Mapping[str, Any]

    def line(self) -> dict[str, Json]:
        return {"insert": as_dict(self.document)}


@dataclass(frozen=True, slots=True)
class ReplaceOne:
    filter: Mapping[str, Any]
    """`{"_id": ...}`."""
    replacement: Mapping[str, Any]
    upsert: bool = False
    if_revision: str | None = None

    def line(self) -> dict[str, Json]:
        id, rest = split_filter(self.filter)
        if rest:
            raise InvalidUse("ReplaceOne in bulk_write takes {'_id': ...}; its condition is if_revision")
        line = {
            "_id": id,
            "document": as_dict(self.replacement),
            "upsert": self.upsert or None,
            "if_match": self.if_revision,
        }
        return {"replace": {name: value for name, value in line.items() if value is not None}}


@dataclass(frozen=True, slots=True)
class UpdateOne:
    filter: Mapping[str, Any]
    """`{"_id": ...}`, and comparisons that guard the update."""
    update: Update
    upsert: bool = False
    array_filters: Sequence[Mapping[str, Any]] | None = None

    def line(self) -> dict[str, Json]:
        id, rest = split_filter(self.filter)
        line = {
            "_id": id,
            "update": self.update,
            "filter": rest or None,
            "upsert": self.upsert or None,
            "array_filters": self.array_filters,
        }
        return {"update": {name: value for name, value in line.items() if value is not None}}


@dataclass(frozen=True, slots=True)
class DeleteOne:
    filter: Mapping[str, Any]
    """`{"_id": ...}`."""

    def line(self) -> dict[str, Json]:
        id, rest = split_filter(self.filter)
        if rest:
            raise InvalidUse("DeleteOne in bulk_write takes {'_id': ...} alone")
        return {"delete": {"_id": id}}


Operation: TypeAlias = InsertOne | ReplaceOne | UpdateOne | DeleteOne


def line_of(operation: Operation) -> dict[str, Json]:
    """Return an operation as a line of a bulk.

    Raises:
        InvalidUse: it is none.
    """
    if not isinstance(operation, Operation):
        raise InvalidUse(f"an operation is an InsertOne, ReplaceOne, UpdateOne or DeleteOne, not {operation!r:.60}")
    return operation.line()


def check_replacement(replacement: Mapping[str, Any]) -> None:
    """Raise if a document that replaces another has operators in it.

    Raises:
        InvalidUse: it has, or is no document.
    """
    if not isinstance(replacement, Mapping):
        raise InvalidUse(f"a replacement is a dict, not {replacement!r:.60}")
    if any(isinstance(name, str) and name.startswith("$") for name in replacement):
        raise InvalidUse("a replacement is a document: operators are for update_one")


def split_filter(filter: Mapping[str, Any]) -> tuple[DocumentId, dict[str, Any]]:
    """Return the id that a filter names, and the rest of it.

    Raises:
        InvalidUse: it names none.
    """
    if not isinstance(filter, Mapping):
        raise InvalidUse(f"a filter is a dict, not {filter!r:.60}")
    rest = dict(filter)
    id = rest.pop("_id", None)
    if id is None:
        raise InvalidUse("an operation of bulk_write names its document: {'_id': ...}; use update_many for others")
    return id, rest
