"""The shapes of bodies, as JSON Schema 2020-12: part of the OpenAPI description."""

from __future__ import annotations

from typing import Any, Final

from raftdoc import errors, limits
from raftdoc.api.errors import STATUS
from raftdoc.api.query_schemas import QUERY_SCHEMAS
from raftdoc.api.write_schemas import WRITE_SCHEMAS
from raftdoc.errors import CATALOGUE

Schema = dict[str, Any]


def _object(properties: Schema, *, optional: tuple[str, ...] = (), description: str = "") -> Schema:
    """Return the schema of an object with exactly these members, all of them required but the optional ones."""
    schema: Schema = {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
    }
    return schema | {"description": description} if description else schema


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


TEXT: Final[Schema] = {"type": "string"}
COUNT: Final[Schema] = {"type": "integer", "minimum": 0}
TIME_MS: Final[Schema] = COUNT | {"description": "Milliseconds since 1970, UTC."}
NODE: Final[Schema] = TEXT | {"description": "The id of a node."}
NODE_OR_NULL: Final[Schema] = {"type": ["string", "null"], "description": "The id of a node; null: not known."}
NODE_STATE: Final[Schema] = {
    "enum": ["joining", "member", "draining", "leaving", "removed"],
    "description": "Where the node is in its life.",
}
_ADDRESSES: Final[Schema] = {
    "http": TEXT | {"description": "Where clients reach it, a URL."},
    "peer": TEXT | {"description": "Where other nodes reach it, host:port."},
    "host": TEXT | {"description": "The machine: replicas are kept on different ones where possible."},
}
TAG: Final[Schema] = TEXT | {
    "description": "The entity tag, with its quotes: ready to be sent as If-Match.",
    "pattern": '^"[0-9a-f]+"$',
}
NOT_FOUND_CODES: Final = tuple(
    f"{what}_not_found"
    for what in ("database", "collection", "document", "index", "node", "operation", "request", "group", "path")
)


def codes() -> list[str]:
    """Return every code that a problem may have."""
    shown = [code for code, cls in CATALOGUE.items() if not issubclass(cls, errors.Fatal)]
    return sorted({*shown, *NOT_FOUND_CODES})


def _problem_members() -> Schema:
    return {
        "type": TEXT | {"pattern": "^urn:raftdoc:problem:[a-z-]+$"},
        "title": TEXT,
        "status": {"enum": sorted(set(STATUS.values()))},
        "detail": TEXT,
        "code": {"enum": codes()},
        "retryable": {"type": "boolean", "description": "Whether the same request may succeed later."},
        "outcome": {
            "enum": ["applied", "not_applied", "unknown"],
            "description": "What became of the write. Never wrong; unknown only where it truly is.",
        },
        "errors": _list(
            _object(
                {
                    "pointer": TEXT | {"description": "A JSON Pointer to the fault."},
                    "line": {"type": "integer", "minimum": 1, "description": "Of an NDJSON body."},
                    "code": {"enum": codes()},
                    "detail": TEXT,
                },
                optional=("pointer", "line", "code"),
            )
        ),
        "limit": COUNT | {"description": "The limit that the request is over."},
        "leader": NODE_OR_NULL,
        "first": COUNT | {"description": "The oldest that is kept."},
        "mongo_code": COUNT | {"description": "The dialect's number of a fault in a query."},
        "index": {"type": ["string", "null"], "description": "The index that refused; null: the order of the ids."},
        "key": TEXT | {"description": "The indexed values by path, as JSON."},
        "node": NODE | {"description": "The node that answered."},
        "request_id": TEXT,
    }


_EXTRAS: Final = ("errors", "limit", "leader", "first", "mongo_code", "index", "key")

_INDEX_OPTIONS: Final[Schema] = {
    "name": TEXT,
    "fields": {
        "type": "object",
        "additionalProperties": {"enum": [1, -1]},
        "minProperties": 1,
        "maxProperties": limits.INDEX_FIELDS_MAX,
        "description": "Paths and their directions; the order counts.",
    },
    "unique": {"type": "boolean"},
    "sparse": {"type": "boolean", "description": "Documents that have none of the fields are not in it."},
    "partial": {"type": "object", "description": "Only documents that this filter matches are in it."},
    "expire_after_s": COUNT | {"description": "Documents whose date in the field is so old are deleted."},
}

SCHEMAS: Final[dict[str, Schema]] = {
    **QUERY_SCHEMAS,
    **WRITE_SCHEMAS,
    "Problem": _object(_problem_members(), optional=_EXTRAS, description="RFC 9457 problem details."),
    "ResultProblem": _object(
        {name: schema for name, schema in _problem_members().items() if name not in ("node", "request_id")},
        optional=(*_EXTRAS, "detail"),
    ),
    "Object": {"type": "object"},
    "Text": TEXT,
    "Status": _object({"status": {"enum": ["alive", "ready"]}}),
    "Options": {
        "type": "object",
        "description": "Options by name; one that is not known is refused with its JSON Pointer.",
    },
    "Id": {
        "type": ["string", "number", "boolean", "object"],
        "description": "Any scalar but null: a string of 1-512 bytes, a number, a boolean, or a tagged scalar.",
    },
    "Document": {
        "type": "object",
        "properties": {"_id": _ref("Id")},
        "description": "A JSON object. `_id` is its only reserved member.",
    },
    "Database": _object(
        {
            "name": TEXT,
            "group": COUNT | {"description": "Its home group."},
            "created_ms": TIME_MS,
            "options": {"type": "object"},
            "replicas": _list(NODE),
        }
    ),
    "Databases": _object({"databases": _list(_ref("Database"))}),
    "Collection": _object(
        {
            "name": TEXT,
            "created_ms": TIME_MS,
            "document_count": COUNT,
            "document_bytes": COUNT,
            "options": {"type": "object"},
        }
    ),
    "Collections": _object({"collections": _list(_ref("Collection"))}),
    "IndexRequest": _object(_INDEX_OPTIONS, optional=tuple(name for name in _INDEX_OPTIONS if name != "fields")),
    "Index": _object(
        {
            **_INDEX_OPTIONS,
            "state": {"enum": ["building", "ready", "failed"]},
            "multikey": _list(TEXT) | {"description": "The fields on whose path an array was ever met."},
            "entry_count": COUNT,
            "created_ms": TIME_MS,
            "operation": TEXT | {"description": "Tells how far the build is: `/v1/operations/{operation}`."},
            "failure": {"type": ["string", "null"], "description": "Why the build failed, with the documents' ids."},
        },
        optional=("partial", "expire_after_s"),
    ),
    "Indexes": _object({"indexes": _list(_ref("Index"))}),
    "Written": _object({"_id": _ref("Id"), "etag": TAG}),
    "ResultsLine": _object(
        {"_id": _ref("Id"), "status": {"type": "integer"}, "etag": TAG, "error": _ref("ResultProblem")},
        optional=("etag", "error"),
        description="What became of the document on the same line of the request, counting no empty lines.",
    ),
    "RequestRecord": _object(
        {
            "key": TEXT,
            "outcome": {"enum": ["applied", "not_applied"]},
            "code": {"enum": ["ok", *codes()]},
            "status": {"type": "integer", "description": "What the write was answered with."},
            "etag": {"type": ["string", "null"]},
            "time_ms": TIME_MS,
            "expires_ms": TIME_MS | {"description": "From then on the key may be forgotten."},
        }
    ),
    "Replica": _object({"node": NODE, "role": TEXT, "applied_index": {"type": ["integer", "null"]}}),
    "Group": _object(
        {
            "id": COUNT,
            "database": {"type": ["string", "null"], "description": "Null: the catalog."},
            "leader": NODE_OR_NULL,
            "term": COUNT,
            "commit_index": COUNT,
            "replicas": _list(_ref("Replica")),
        }
    ),
    "Groups": _object({"groups": _list(_ref("Group"))}),
    "Member": _object({"id": NODE, **_ADDRESSES, "alive": {"type": "boolean"}, "state": NODE_STATE}),
    "Membership": _object(
        {
            "id": NODE,
            **_ADDRESSES,
            "state": NODE_STATE,
            "alive": {"type": "boolean", "description": "Whether the node that answered is connected to it."},
            "groups": _list(COUNT) | {"description": "Groups of databases that have a replica there."},
        }
    ),
    "Memberships": _object({"members": _list(_ref("Membership"))}),
    "MemberChange": _object(
        {"member": _ref("Membership"), "operation": TEXT | {"description": "Of /v1/operations/{operation}."}}
    ),
    "JoinRequest": _object(
        {
            "id": NODE,
            "store_id": TEXT | {"description": "Of its data directory."},
            "cluster_id": TEXT,
            **_ADDRESSES,
        }
    ),
    "DrainRequest": _object(
        {"node": NODE, "undo": {"type": "boolean", "description": "Let it have replicas again."}}, optional=("undo",)
    ),
    "RebalanceRequest": _object(
        {"dry_run": {"type": "boolean", "description": "Only tell what there is to do."}}, optional=("dry_run",)
    ),
    "Rebalancing": _object(
        {
            "moves": COUNT | {"description": "How many steps there are."},
            "steps": _list(_ref("RebalancingStep")),
            "operation": {
                "type": ["string", "null"],
                "description": "Of /v1/operations/{operation}; null: nothing was begun.",
            },
        }
    ),
    "RebalancingStep": _object(
        {
            "group": COUNT,
            "database": {"type": ["string", "null"], "description": "null: it has just been dropped."},
            "kind": {"enum": ["replica", "leadership"]},
            "from": NODE_OR_NULL | {"description": "null: the group gets a replica more."},
            "to": NODE_OR_NULL | {"description": "null: the group has a replica less."},
            "why": TEXT,
        }
    ),
    "Operation": _object(
        {
            "id": TEXT,
            "kind": {"enum": ["join", "drain", "remove", "rebalance", "build_index", "update"]},
            "state": {"enum": ["running", "done", "failed"]},
            "detail": TEXT,
            "done": COUNT,
            "total": COUNT | {"description": "Of documents, replicas, or whatever it goes through."},
        }
    ),
    "Cluster": _object(
        {
            "cluster_id": TEXT,
            "node": NODE | {"description": "The node that answered."},
            "members": _list(_ref("Member")),
            "groups": _list(_ref("Group")),
            "limits": {"type": "object", "additionalProperties": {"type": "integer"}},
        }
    ),
    "Transfer": _object({"group": COUNT, "to": NODE_OR_NULL}),
    "TransferRequest": _object(
        {"group": COUNT, "to": NODE_OR_NULL | {"description": "Absent or null: the group chooses."}}, optional=("to",)
    ),
}

NDJSON_LINES: Final = {
    "Page": "PageLine",
    "Results": "ResultsLine",
    "Document": "Document",
    "BulkLine": "BulkLine",
    "BulkResults": "BulkResultsLine",
}
"""What one line is, of bodies that are NDJSON."""

PARAMETERS: Final[dict[str, Schema]] = {
    "limit": {"type": "integer", "minimum": 1, "maximum": limits.LIST_LIMIT_MAX, "default": limits.LIST_LIMIT_DEFAULT},
    "cursor": {"type": "string", "maxLength": limits.CURSOR_BYTES_MAX},
    "filter": TEXT,
    "sort": TEXT,
    "fields": TEXT,
    "skip": COUNT | {"maximum": limits.SKIP_MAX},
    "atomic": {"enum": ["true", "false"], "default": "false"},
    "ordered": {"enum": ["true", "false"], "default": "true"},
    "id_type": {"enum": ["string", "json"], "default": "string"},
}
