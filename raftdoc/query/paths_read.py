"""Which paths a filter looks at: whether the values of an index are enough to judge it."""

from __future__ import annotations

from raftdoc.document.path import Path
from raftdoc.query.ast import Always, And, ExprMatch, Node, Nor, Not, Or, SchemaMatch


def paths_of(node: Node) -> frozenset[Path] | None:
    """Return every path that a filter looks at; None where it looks at the document as a whole."""
    if isinstance(node, Always):
        return frozenset()
    if isinstance(node, And | Or | Nor):
        found = [paths_of(child) for child in node.children]
        known = [paths for paths in found if paths is not None]
        return frozenset().union(*known) if len(known) == len(found) else None
    if isinstance(node, Not):
        return paths_of(node.child)
    if isinstance(node, ExprMatch | SchemaMatch):
        return None
    return frozenset({node.path})
