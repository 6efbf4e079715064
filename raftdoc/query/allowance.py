"""How much work one document may make: conditions, fields and elements of arrays are a product.

What is found by names alone is not counted: that work is in proportion to the filter. Whoever meets an array counts its
elements, and whoever compares an array, an object or a binary as a whole counts its size, so small documents count
next to nothing. All of it follows from the filter and the document, so every replica counts alike.
"""

from __future__ import annotations

from typing import Any, Final

import orjson

from raftdoc.document.tagged import binary_of
from raftdoc.document.value import JsonValue, sort_key
from raftdoc.errors import QueryOverBudget
from raftdoc.limits import DOCUMENT_TESTS_PER_BYTE_MAX, FILTER_TESTS_MAX
from raftdoc.query.ast import All, And, ElemMatch, Node, Nor, Not, Or, SchemaMatch

EXCEEDED_MEMORY_LIMIT: Final = 146

TAGGED_TESTS: Final = 8
"""What reading a decimal or a date is counted with: it is text."""
REACHED_TESTS: Final = 2
"""What a value at the end of a path through arrays is counted with, beside the elements that were gone through."""
KEY_BYTES_PER_TEST: Final = 2
"""To make the key of a value that is compared whole."""
COMPARED_BYTES_PER_TEST: Final = 16
"""To compare it, or to look for it."""


SMALL_BYTES: Final = 256
"""The key of a value that is not larger is made whenever it is asked for."""


class Allowance:
    """Tests that are left for the document at hand, and what is known of its values."""

    __slots__ = ("_bits", "_keys", "_total", "document", "is_used", "left", "pointer")

    def __init__(self, document: JsonValue = None, pointer: str = "/filter") -> None:
        self.document = document
        self.pointer = pointer
        self.left = FILTER_TESTS_MAX
        self.is_used = False
        """Something stands here that is of this document alone."""
        self._total = FILTER_TESTS_MAX
        self._keys: dict[int, tuple[JsonValue, tuple[Any, ...], int]] = {}
        """By identity: the value, so that it lives as long; its key; the tests of one comparison."""
        self._bits: dict[int, tuple[JsonValue, int]] = {}

    def reset(self) -> None:
        """Forget what is of one document alone; `document` is set by whoever has another."""
        self.left = FILTER_TESTS_MAX
        self.is_used = False
        self._total = FILTER_TESTS_MAX
        self._keys, self._bits = {}, {}

    @property
    def spent(self) -> int:
        """The tests that the document at hand has made."""
        return self._total - self.left

    def spend(self, tests: int) -> None:
        """Count tests.

        Raises:
            QueryOverBudget: they are too many.
        """
        self.left -= tests
        if self.left < 0:
            self.exceed()

    def exceed(self) -> None:
        """Let a large document have what is in proportion to it, and no more.

        Raises:
            QueryOverBudget: that is too little.
        """
        if self._total == FILTER_TESTS_MAX:
            self.is_used = True
            self._total = max(FILTER_TESTS_MAX, DOCUMENT_TESTS_PER_BYTE_MAX * json_size(self.document))
            self.left += self._total - FILTER_TESTS_MAX
        if self.left < 0:
            self._keys, self._bits = {}, {}
            raise QueryOverBudget(
                f"the {self.pointer[1:]} would make more than {self._total} tests of one document",
                pointer=self.pointer,
                mongo_code=EXCEEDED_MEMORY_LIMIT,
            )

    def key(self, value: JsonValue) -> tuple[Any, ...]:
        """Return the sort key of a value that may be large; it is made once for a document, and counted."""
        known = self._keys.get(id(value)) if self.is_used else None
        if known is None:
            size = len(orjson.dumps(value))
            if size <= SMALL_BYTES:
                self.left -= size
                return sort_key(value)
            self.is_used = True
            self.spend(1 + size // KEY_BYTES_PER_TEST)
            known = self._keys[id(value)] = value, sort_key(value), 1 + size // COMPARED_BYTES_PER_TEST
        self.spend(known[2])
        return known[1]

    def bits(self, value: dict[str, JsonValue]) -> int:
        """Return the bits of a binary; it is decoded once for a document, and counted."""
        known = self._bits.get(id(value))
        if known is None:
            data = binary_of(value)[1]
            self.is_used = True
            self.spend(1 + len(data) // COMPARED_BYTES_PER_TEST)
            known = self._bits[id(value)] = value, int.from_bytes(data, "little")
        self.left -= 1
        return known[1]


def json_size(value: JsonValue) -> int:
    """Return the bytes of a value as JSON, of which each value in it has two at least."""
    return len(orjson.dumps(value))


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
