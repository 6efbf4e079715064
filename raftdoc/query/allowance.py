"""How much work a filter may make of one document: a long filter over long arrays is a product.

Short filters are not counted: their work is in proportion to the document, whose size is bounded.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NoReturn

from raftdoc.document.path import Reached
from raftdoc.errors import QueryOverBudget
from raftdoc.limits import FILTER_TESTS_MAX
from raftdoc.query.ast import All, And, ElemMatch, Node, Nor, Not, Or, SchemaMatch

UNCOUNTED_CONDITIONS: Final = 16
EXCEEDED_MEMORY_LIMIT: Final = 146

Test = Callable[[Reached], bool]


class Allowance:
    """Tests of values that are left for the document at hand."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = FILTER_TESTS_MAX

    def counted(self, test: Test) -> Test:
        """Return a test that is counted.

        Its call raises QueryOverBudget when it is one too many.
        """

        def counted_test(reached: Reached) -> bool:
            self.left -= 1
            if self.left < 0:
                refuse()
            return test(reached)

        return counted_test


def refuse() -> NoReturn:
    """Raise QueryOverBudget."""
    raise QueryOverBudget(
        f"the filter would make more than {FILTER_TESTS_MAX} tests of one document",
        pointer="/filter",
        mongo_code=EXCEEDED_MEMORY_LIMIT,
    )


def condition_count(node: Node) -> int:
    """Return how many conditions a filter has; a schema counts with its keywords and values."""
    if isinstance(node, And | Or | Nor | All):
        return sum(condition_count(child) for child in node.children)
    if isinstance(node, Not | ElemMatch):
        return condition_count(node.child)
    return node.weight if isinstance(node, SchemaMatch) else 1


def value_count(value: Any) -> int:
    """Return how many values a value is made of."""
    if isinstance(value, list):
        return 1 + sum(map(value_count, value))
    return 1 + sum(map(value_count, value.values())) if isinstance(value, dict) else 1
