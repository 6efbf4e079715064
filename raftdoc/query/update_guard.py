"""What may run inside apply, on every replica: comparison and logic, and nothing that a library decides.

A regular expression, an expression or a JSON Schema could be judged otherwise by another version of what evaluates it.
A filter or an update that has one is evaluated where the request arrives, and apply checks the revision instead.
"""

from __future__ import annotations

from typing import assert_never

from raftdoc.query.ast import (
    All,
    Always,
    And,
    Bits,
    Compare,
    ElemMatch,
    Exists,
    ExprMatch,
    In,
    Mod,
    Node,
    Nor,
    Not,
    Or,
    Regex,
    SchemaMatch,
    Size,
    TypeIs,
)


def is_portable(node: Node) -> bool:
    """Return whether a filter is comparison and logic only."""
    if isinstance(node, Regex | ExprMatch | SchemaMatch):
        return False
    if isinstance(node, Always | Compare | In | Exists | TypeIs | Size | Mod | Bits):
        return True
    if isinstance(node, Not | ElemMatch):
        return is_portable(node.child)
    if isinstance(node, And | Or | Nor | All):
        return all(is_portable(child) for child in node.children)
    assert_never(node)
