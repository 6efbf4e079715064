"""What calls take and return: documents as JSON, results as frozen values."""

from __future__ import annotations

import base64
import datetime
import decimal
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

import orjson

from raftdoc.client.errors import InvalidUse

Json: TypeAlias = Any
"""A value of JSON: None, bool, int, float, str, list, dict; tagged scalars are dicts with one member."""
DocumentId: TypeAlias = "str | int | float | bool | dict[str, Any]"
Document: TypeAlias = dict[str, Any]
DocumentT = TypeVar("DocumentT", bound=Mapping[str, Any])

_OPTIONS = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS


@dataclass(frozen=True, slots=True)
class Versioned(Generic[DocumentT]):
    """A document, and which revision of it this is."""

    document: DocumentT
    revision: str
    """Opaque; a condition of `put` and `delete`."""


@dataclass(frozen=True, slots=True)
class WriteResult:
    """What a write of one document by its id did."""

    id: DocumentId
    revision: str
    created: bool
    replayed: bool
    """Whether this answers an earlier attempt under the same idempotency key."""


@dataclass(frozen=True, slots=True)
class InsertOneResult:
    inserted_id: DocumentId
    revision: str


@dataclass(frozen=True, slots=True)
class InsertManyResult:
    inserted_ids: tuple[DocumentId, ...]


@dataclass(frozen=True, slots=True)
class UpdateResult:
    matched_count: int
    modified_count: int
    upserted_id: DocumentId | None


@dataclass(frozen=True, slots=True)
class DeleteResult:
    deleted_count: int


@dataclass(frozen=True, slots=True)
class OperationResult:
    """What became of one operation of many."""

    status: int
    id: DocumentId | None = None
    revision: str | None = None
    modified: bool = False
    error: Mapping[str, Any] | None = None
    """The problem, when it failed."""


@dataclass(frozen=True, slots=True)
class BulkWriteResult:
    results: tuple[OperationResult, ...]
    inserted_count: int
    matched_count: int
    modified_count: int
    deleted_count: int
    upserted_count: int


@dataclass(frozen=True, slots=True)
class CollectionInfo:
    name: str
    created_ms: int
    document_count: int
    document_bytes: int
    options: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class DatabaseInfo:
    name: str
    group: int
    created_ms: int
    options: Mapping[str, Any]
    replicas: tuple[str, ...]


def encode(value: object) -> bytes:
    """Return a value as JSON. A datetime, bytes and a Decimal become the tagged scalars that stand for them.

    Raises:
        InvalidUse: it has something that JSON has not; names it.
    """
    try:
        data = orjson.dumps(value, _tagged, _OPTIONS)
    except (TypeError, RecursionError) as error:
        cause = error.__cause__ or error
        raise InvalidUse(f"this cannot be sent as JSON: {cause}") from None
    if b"null" in data:
        # orjson writes null for NaN and infinities: a value that the caller did not mean.
        _refuse_no_numbers(value)
    return data


def _tagged(value: object) -> dict[str, str | dict[str, str]]:
    if isinstance(value, datetime.datetime):
        if value.tzinfo is None:
            raise TypeError(f"{value!r} has no time zone")
        text = value.astimezone(datetime.UTC).isoformat(timespec="milliseconds")
        return {"$date": text.replace("+00:00", "Z")}
    if isinstance(value, bytes | bytearray):
        return {"$binary": {"base64": base64.b64encode(value).decode(), "subType": "00"}}
    if isinstance(value, decimal.Decimal):
        if not value.is_finite():
            raise TypeError(f"{value!r} is no number")
        return {"$numberDecimal": str(value)}
    raise TypeError(f"{type(value).__name__} is no type of JSON")


def _refuse_no_numbers(value: object) -> None:
    if isinstance(value, float):
        if not math.isfinite(value):
            raise InvalidUse(f"this cannot be sent as JSON: {value} is no number there")
    elif isinstance(value, dict):
        for member in value.values():
            _refuse_no_numbers(member)
    elif isinstance(value, list | tuple):
        for element in value:
            _refuse_no_numbers(element)


def encode_document(document: object) -> bytes:
    """Return a document as JSON.

    Raises:
        InvalidUse: it is no mapping, or has something that JSON has not.
    """
    return encode(as_dict(document))


def as_dict(document: object) -> dict[str, Any]:
    """Return a document as a dict: itself, where it is one.

    Raises:
        InvalidUse: it is no mapping.
    """
    if isinstance(document, dict):
        return document
    if isinstance(document, Mapping):
        return dict(document)
    raise InvalidUse(f"a document is a dict, not {document!r:.60}")
