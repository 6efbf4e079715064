"""The shapes of bodies that change documents in place: a part of `schemas`."""

from __future__ import annotations

from typing import Any, Final

Schema = dict[str, Any]

_ID: Final[Schema] = {"$ref": "#/components/schemas/Id"}
_ID_OR_NULL: Final[Schema] = {"anyOf": [_ID, {"type": "null"}]}
_PROBLEM: Final[Schema] = {"$ref": "#/components/schemas/ResultProblem"}
_COUNT: Final[Schema] = {"type": "integer", "minimum": 0}
_FLAG: Final[Schema] = {"type": "boolean", "default": False}
_TAG: Final[Schema] = {"type": "string", "description": "An entity tag, with its quotes."}

_FILTER: Final[Schema] = {"type": "object", "description": "Which documents are meant."}
_UPDATE: Final[Schema] = {
    "type": ["object", "array"],
    "description": "Update operators, a document that replaces the old one, or a pipeline.",
}
_ARRAY_FILTERS: Final[Schema] = {
    "type": ["array", "null"],
    "items": {"type": "object"},
    "description": "What `$[name]` in a path stands for.",
}
_SORT: Final[Schema] = {"type": ["object", "null"], "description": "Which one of several: the first in this order."}
_UPSERT: Final[Schema] = _FLAG | {"description": "Make a document where the filter means none."}
_MULTI: Final[Schema] = _FLAG | {"description": "All that the filter means, not the first alone."}


_OPERATION: Final[Schema] = {
    "type": "string",
    "description": "With `multi` under a key: of /v1/operations/{operation}, which tells how far it is.",
}


def _object(properties: Schema, *, required: tuple[str, ...], description: str = "") -> Schema:
    schema: Schema = {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }
    return schema | {"description": description} if description else schema


def _line(verb: str, arguments: Schema) -> Schema:
    return _object({verb: arguments}, required=(verb,))


WRITE_SCHEMAS: Final[dict[str, Schema]] = {
    "MergePatch": {"type": "object", "description": "RFC 7396: null removes a member, all else is set."},
    "JsonPatch": {
        "type": "array",
        "description": "RFC 6902.",
        "items": {
            "type": "object",
            "properties": {
                "op": {"enum": ["add", "remove", "replace", "move", "copy", "test"]},
                "path": {"type": "string"},
                "from": {"type": "string"},
                "value": {},
            },
            "required": ["op", "path"],
        },
    },
    "Update": _UPDATE,
    "UpdateRequest": _object(
        {
            "filter": _FILTER,
            "update": _UPDATE,
            "array_filters": _ARRAY_FILTERS,
            "sort": _SORT,
            "upsert": _UPSERT,
            "multi": _MULTI,
        },
        required=("filter", "update"),
    ),
    "DeleteRequest": _object({"filter": _FILTER, "sort": _SORT, "multi": _MULTI}, required=("filter",)),
    "FindAndModifyRequest": _object(
        {
            "filter": _FILTER,
            "update": _UPDATE,
            "delete": _FLAG | {"description": "Delete the document. Then there is no update."},
            "array_filters": _ARRAY_FILTERS,
            "sort": _SORT,
            "projection": {"type": ["object", "null"], "description": "What of the document is shown."},
            "upsert": _UPSERT,
            "return": {"enum": ["before", "after"], "default": "before"},
        },
        required=("filter",),
    ),
    "Updated": _object(
        {
            "matched": _COUNT,
            "modified": _COUNT,
            "upserted_id": _ID_OR_NULL,
            "refused": _COUNT | {"description": "How many of those matched did not take the update."},
            "errors": {
                "type": "array",
                "items": _object({"_id": _ID, "error": _PROBLEM}, required=("_id", "error")),
                "description": "The first of those.",
            },
            "operation": _OPERATION,
        },
        required=("matched", "modified", "upserted_id"),
    ),
    "Deleted": _object({"deleted": _COUNT, "operation": _OPERATION}, required=("deleted",)),
    "FoundAndModified": _object(
        {
            "matched": _COUNT,
            "modified": _COUNT,
            "upserted_id": _ID_OR_NULL,
            "etag": {"type": ["string", "null"], "description": "Of the document afterwards; null: there is none."},
            "document": {"type": ["object", "null"]},
        },
        required=("matched", "modified", "upserted_id", "etag", "document"),
    ),
    "BulkLine": {
        "oneOf": [
            _line("insert", {"$ref": "#/components/schemas/Document"}),
            _line(
                "replace",
                _object(
                    {"_id": _ID, "document": {"type": "object"}, "upsert": _UPSERT, "if_match": _TAG},
                    required=("_id", "document"),
                ),
            ),
            _line(
                "update",
                _object(
                    {
                        "_id": _ID,
                        "update": _UPDATE,
                        "array_filters": _ARRAY_FILTERS,
                        "filter": _FILTER,
                        "upsert": _UPSERT,
                        "if_match": _TAG,
                    },
                    required=("_id", "update"),
                ),
            ),
            _line("delete", _object({"_id": _ID, "filter": _FILTER, "if_match": _TAG}, required=("_id",))),
        ]
    },
    "BulkResultsLine": _object(
        {"_id": _ID, "status": {"type": "integer"}, "etag": _TAG, "modified": {"type": "boolean"}, "error": _PROBLEM},
        required=("_id", "status"),
        description="What became of the line at the same place; an ordered bulk ends with the first that failed.",
    ),
}
