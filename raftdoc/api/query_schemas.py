"""The shapes of queries and their answers: a part of `schemas`."""

from __future__ import annotations

from typing import Any, Final

from raftdoc import limits

Schema = dict[str, Any]

_COUNT: Final[Schema] = {"type": "integer", "minimum": 0}
_STATS: Final[Schema] = {"$ref": "#/components/schemas/Stats"}
_OBJECTS: Final[Schema] = {"type": "array", "items": {"type": "object"}}
_CURSOR: Final[Schema] = {"type": ["string", "null"], "description": "Continues the list; null: this is its end."}
_PIPELINE: Final[Schema] = _OBJECTS | {"description": "Stages, each an object of one member."}

_BUDGETS: Final[Schema] = {
    "hint": {"type": ["string", "null"], "description": "The index to read by; `_id_`: the order of the ids."},
    "max_time_ms": {"type": ["integer", "null"], "minimum": 1, "maximum": limits.REQUEST_TIMEOUT_MS_MAX},
    "max_docs_examined": {"type": ["integer", "null"], "minimum": 1},
    "require_index": {
        "type": "boolean",
        "default": False,
        "description": "Refuse the query where it would read the whole collection.",
    },
}
_FILTER: Final[Schema] = {"filter": {"type": ["object", "null"], "description": "Which documents are meant."}}
_FIND: Final[Schema] = _FILTER | {
    "sort": {"type": ["object", "null"], "description": "Paths with 1 or -1, the first counts most."},
    "projection": {"type": ["object", "null"], "description": "Which part of each document is returned."},
    "limit": {
        "type": ["integer", "null"],
        "minimum": 1,
        "maximum": limits.LIST_LIMIT_MAX,
        "default": limits.LIST_LIMIT_DEFAULT,
    },
    "skip": {"type": ["integer", "null"], "minimum": 0, "maximum": limits.SKIP_MAX},
}


def _object(properties: Schema, *, required: tuple[str, ...] = ()) -> Schema:
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


def _answer(properties: Schema) -> Schema:
    return _object(properties | {"stats": _STATS}, required=(*properties, "stats"))


QUERY_SCHEMAS: Final[dict[str, Schema]] = {
    "Stats": _object(
        {
            "docs_examined": _COUNT,
            "keys_examined": _COUNT | {"description": "Entries of an index."},
            "index": {"type": ["string", "null"], "description": "That was read; null: the documents themselves."},
            "time_ms": {"type": "number", "minimum": 0},
        },
        required=("docs_examined", "keys_examined", "index", "time_ms"),
    ),
    "Page": _answer({"documents": _OBJECTS, "cursor": _CURSOR}),
    "PageLine": {
        "description": "A document; or the last line, without which the list was cut short.",
        "anyOf": [
            {"type": "object"},
            _object({"$end": _answer({"count": _COUNT, "cursor": _CURSOR})}, required=("$end",)),
            _object({"$error": {"$ref": "#/components/schemas/ResultProblem"}}, required=("$error",)),
        ],
    },
    "QueryRequest": _object(_FIND | {"cursor": {"type": ["string", "null"]}} | _BUDGETS),
    "CountRequest": _object(_FILTER | _BUDGETS),
    "Count": _answer({"count": _COUNT}),
    "DistinctRequest": _object({"field": {"type": "string"}} | _FILTER | _BUDGETS, required=("field",)),
    "Values": _answer({"values": {"type": "array", "description": "Each once, in the total order."}}),
    "AggregateRequest": _object({"pipeline": _PIPELINE} | _BUDGETS, required=("pipeline",)),
    "ExplainRequest": _object(
        _FIND | {"pipeline": _PIPELINE | {"description": "Explain a pipeline in the place of a query."}} | _BUDGETS
    ),
    "Plans": _answer(
        {
            "plan": {"type": "object", "description": "The one that was run."},
            "rejected": _OBJECTS | {"description": "Those that seemed dearer."},
            "returned": _COUNT,
        }
    ),
    "GetManyRequest": _object(
        {
            "ids": {"type": "array", "maxItems": limits.GET_MANY_IDS_MAX},
            "projection": _FIND["projection"],
            "max_time_ms": _BUDGETS["max_time_ms"],
        },
        required=("ids",),
    ),
}
