"""Filters: which documents a query means, and which element of an array made one match.

filter = parse_filter({"grades": {"$gte": 85}})
filter.matches({"_id": 1, "grades": [70, 87]})                        True
filter.position({"_id": 1, "grades": [70, 87]}, ("grades",))          1, what the positional `$` means
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from raftdoc.document.path import Path
from raftdoc.document.value import JsonValue
from raftdoc.limits import FILTER_TESTS_MAX
from raftdoc.query.allowance import Allowance, condition_count
from raftdoc.query.ast import Always, And, ExprMatch, Node, Nor, Not, Or
from raftdoc.query.filter_parser import FilterParser
from raftdoc.query.matcher import Predicate, compile_filter
from raftdoc.query.parts import check_parts
from raftdoc.query.position import Count, Places, find_positions, place_at

if TYPE_CHECKING:
    from raftdoc.query.context import Context
    from raftdoc.query.expressions.scope import Reading


def parse_filter(
    spec: JsonValue, pointer: str = "", *, variables: frozenset[str] = frozenset(), reading: Reading | None = None
) -> Filter:
    """Return the filter that spec says; `variables` are what `$expr` may read as `$$name`.

    `reading` is that of the pipeline that it stands in.

    Raises:
        InvalidQuery: it is no filter; the pointer is below `pointer`.
    """
    check_parts(spec, pointer)
    return Filter(FilterParser(variables, reading).parse(spec, pointer))


class Filter:
    """A parsed filter. `root` is its AST."""

    __slots__ = ("_allowance", "_predicate", "condition_count", "root", "uses_expressions")

    def __init__(self, root: Node) -> None:
        self.root = root
        self.condition_count = condition_count(root)
        self.uses_expressions = _uses_expressions(root)
        self._allowance = Allowance()
        self._predicate: Predicate = compile_filter(root, None, self._allowance)

    def bind(self, context: Context | None) -> Predicate:
        """Return the closure to call for every document of one run."""
        if context is None or not self.uses_expressions:
            return self._predicate
        return compile_filter(self.root, context, Allowance())

    def matches(self, document: dict[str, JsonValue], context: Context | None = None) -> bool:
        """Return whether the document is meant.

        Raises:
            InvalidQuery: an expression of `$expr` cannot take a value of the document.
        """
        return self.bind(context)(document)

    def judge(self, document: dict[str, JsonValue]) -> tuple[bool, int]:
        """Return whether the document is meant, and how many tests that took."""
        allowance = self._allowance
        if allowance.is_used:
            allowance.reset()
        allowance.left = FILTER_TESTS_MAX
        is_meant = self._predicate(document)
        return is_meant, allowance.spent

    def position(self, document: dict[str, JsonValue], array_path: Path, context: Context | None = None) -> int | None:
        """Return the place of the element by which the array at array_path made the document match.

        Of several conditions on one array the last counts. The document is one that matches.
        """
        return place_at(find_positions(self.root, document, context, _ignored), array_path)

    def places(self, document: dict[str, JsonValue], count: Count) -> Places:
        """Return the places in all arrays at once, for `place_at`; `count` is told of the elements seen."""
        return find_positions(self.root, document, None, count)

    @property
    def is_everything(self) -> bool:
        """Whether it matches every document."""
        return self.root == Always(True)


def _ignored(_count: int) -> None:
    """Count nothing: what is asked once takes no longer than the match."""


def _uses_expressions(node: Node) -> bool:
    if isinstance(node, And | Or | Nor):
        return any(_uses_expressions(child) for child in node.children)
    if isinstance(node, Not):
        return _uses_expressions(node.child)
    return isinstance(node, ExprMatch)
