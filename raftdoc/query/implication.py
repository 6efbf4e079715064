"""Whether every document that a filter matches is in a sparse or partial index. In doubt it is not."""

from __future__ import annotations

from raftdoc.query.ast import Always, And, Compare, Exists, In, Node, Or
from raftdoc.query.bounds import Condition, Conjunction, conjunction_of
from raftdoc.query.intervals import contains


def has_one_of(conjunction: Conjunction, paths: set[tuple[str, ...]]) -> bool:
    """Return whether the filter asks for a document that has one of the paths."""
    return any(condition.path in paths and condition.implies_presence for condition in conjunction.conditions)


def implies(root: Node, conjunction: Conjunction, wanted: Node) -> bool:
    """Return whether what root matches, `wanted` matches as well."""
    if wanted == Always(True) or wanted in _parts(root):
        return True
    if isinstance(wanted, And):
        return all(implies(root, conjunction, child) for child in wanted.children)
    if isinstance(wanted, Or):
        return any(implies(root, conjunction, child) for child in wanted.children)
    if isinstance(wanted, Exists):
        return has_one_of(conjunction, {wanted.path})
    if isinstance(wanted, Compare | In):
        (limit,) = conjunction_of(wanted).conditions
        return limit.is_exact and any(_is_within(condition, limit) for condition in conjunction.conditions)
    return False


def _parts(root: Node) -> tuple[Node, ...]:
    return root.children if isinstance(root, And) else (root,)


def _is_within(condition: Condition, limit: Condition) -> bool:
    return (
        condition.path == limit.path
        and condition.is_exact
        and bool(condition.intervals)
        and contains(limit.intervals, condition.intervals)
    )
