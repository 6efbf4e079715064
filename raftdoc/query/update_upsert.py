"""The document that an upsert starts from: what the filter says a document is equal to.

{"a": 1, "b.c": {"$eq": 2}, "d": {"$gt": 3}}      {"a": 1, "b": {"c": 2}}
"""

from __future__ import annotations

from typing import Final

from raftdoc.document.path import Path
from raftdoc.document.value import JsonValue
from raftdoc.errors import InvalidQuery
from raftdoc.query.ast import All, And, Compare, In, Node, Or

NOT_SINGLE_VALUE: Final = 54


def equalities(node: Node, pointer: str = "/filter") -> dict[Path, JsonValue]:
    """Return the value that each path has in every document that the filter matches.

    Raises:
        InvalidQuery: a path, or part of it, has two.
    """
    found: dict[Path, JsonValue] = {}
    above: set[Path] = set()
    """Every proper beginning of a path that was found."""
    for path, value in _collect(node):
        beginnings = [path[:length] for length in range(1, len(path))]
        if path in found or path in above or any(beginning in found for beginning in beginnings):
            detail = f"the filter names two values for {'.'.join(path)!r}: the new document cannot be made from it"
            raise InvalidQuery(detail, pointer=pointer, mongo_code=NOT_SINGLE_VALUE)
        found[path] = value
        above.update(beginnings)
    return found


def _collect(node: Node) -> list[tuple[Path, JsonValue]]:
    if isinstance(node, Compare):
        return [(node.path, node.value)] if node.op == "$eq" else []
    if isinstance(node, In):
        return [(node.path, node.values[0])] if len(node.values) == 1 else []
    if isinstance(node, And | All):
        return [pair for child in node.children for pair in _collect(child)]
    if isinstance(node, Or) and len(node.children) == 1:
        return _collect(node.children[0])
    return []


def document_from(node: Node, *, id_only: bool, pointer: str = "/filter") -> dict[str, JsonValue]:
    """Return the new document before the update is done to it; for a replacement it has the `_id` at most.

    Raises:
        InvalidQuery: the filter names two values for one path.
    """
    document: dict[str, JsonValue] = {}
    found = equalities(node, pointer)
    for path in sorted(found, key=lambda path: path[0] != "_id"):
        if id_only and path[0] != "_id":
            continue
        target = document
        for name in path[:-1]:
            inner = target.setdefault(name, {})
            assert isinstance(inner, dict), path
            target = inner
        target[path[-1]] = found[path]
    return document
