"""The query parameters of a list, as the members of a query's body.

    ?filter={"qty":{"$gte":5}}&sort=-created,name&fields=name,qty&limit=20

`sort` and `fields` are names with commas between them, or JSON objects as in the body.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from raftdoc.document import parse_json
from raftdoc.errors import InvalidRequest, MalformedJson
from raftdoc.limits import LIST_LIMIT_MAX, SKIP_MAX


def find_body(query: Mapping[str, str]) -> dict[str, Any]:
    """Return the body of `C/query` that says the same.

    Raises:
        InvalidRequest: a parameter is not what it has to be.
    """
    body: dict[str, Any] = {}
    if "filter" in query:
        body["filter"] = _json("filter", query["filter"])
    if "sort" in query:
        body["sort"] = _object_or("sort", query["sort"], _sort)
    if "fields" in query:
        body["projection"] = _object_or("fields", query["fields"], _fields)
    if "limit" in query:
        body["limit"] = _number("limit", query["limit"], 1, LIST_LIMIT_MAX)
    if "skip" in query:
        body["skip"] = _number("skip", query["skip"], 0, SKIP_MAX)
    if "cursor" in query:
        body["cursor"] = query["cursor"]
    return body


def _json(name: str, text: str) -> Any:
    try:
        return parse_json(text.encode(errors="surrogatepass"))
    except MalformedJson as error:
        raise MalformedJson(f"the query parameter {name}: {error.detail}", pointer=f"/{name}") from None


def _object_or(name: str, text: str, read: Callable[[list[str]], dict[str, int]]) -> Any:
    """Return the object that a parameter is, or what `read` makes of the names in it.

    Raises:
        InvalidRequest: a name is empty, or stands there twice: one of the two would be passed over.
    """
    if text.lstrip().startswith("{"):
        return _json(name, text)
    parts = text.split(",")
    names = read(parts)
    if "" in names or len(names) < len(parts):
        raise InvalidRequest(f"{name} has names with commas between them, each once, not {text[:100]!r}")
    return names


def _sort(parts: list[str]) -> dict[str, int]:
    """`-created,name`: descending where a minus stands before the name."""
    return {part.removeprefix("-"): -1 if part.startswith("-") else 1 for part in parts}


def _fields(parts: list[str]) -> dict[str, int]:
    return dict.fromkeys(parts, 1)


def _number(name: str, text: str, least: int, most: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and least <= int(text) <= most):
        raise InvalidRequest(f"{name} is an integer from {least} to {most}, not {text[:100]!r}")
    return int(text)
