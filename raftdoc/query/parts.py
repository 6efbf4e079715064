"""How much a filter, an update, a projection or a pipeline is made of: reading it takes time in proportion.

Counted before it is read, because nothing else runs on the node meanwhile. A part is a member of an object, or an
element of an array that is an object, an array or a field path; a value is any element of an array, or anything below
`$literal`. What an update only stores is neither: the size of a document bounds it.
"""

from __future__ import annotations

from typing import Final

from raftdoc.document.value import JsonValue
from raftdoc.errors import InvalidQuery
from raftdoc.limits import QUERY_PARTS_MAX, QUERY_VALUES_MAX

BAD_VALUE: Final = 2
PATTERN_PARTS: Final = 4
"""A pattern counts as so many parts more: it is translated and compiled."""


class PartCount:
    """What is left of both for one specification, which stands at pointer in the request."""

    __slots__ = ("_left", "_literals", "_parts_left", "_pointer", "_values_left")

    def __init__(self, pointer: str) -> None:
        self._pointer = pointer
        self._parts_left = QUERY_PARTS_MAX
        self._values_left = QUERY_VALUES_MAX
        self._left: list[JsonValue] = []
        self._literals: list[JsonValue] = []

    def take(self, spec: JsonValue) -> None:
        """Count a specification and all below it.

        Raises:
            InvalidQuery: there is too much of it.
        """
        left = self._left
        left.append(spec)
        while left:
            node = left.pop()
            if isinstance(node, dict):
                self.take_parts(len(node))
                for name, member in node.items():
                    if name == "$regex":
                        self.take_parts(PATTERN_PARTS)
                    if isinstance(member, dict | list):
                        (self._literals if name == "$literal" else left).append(member)
            elif isinstance(node, list):
                self._take_values(len(node))
                nested = [each for each in node if isinstance(each, dict | list)]
                self.take_parts(len(nested) + sum(1 for each in node if isinstance(each, str) and each[:1] == "$"))
                left += nested
        self._take_literals()

    def take_parts(self, count: int) -> None:
        """Raise InvalidQuery if there are not so many left."""
        self._parts_left -= count
        if self._parts_left < 0:
            detail = f"there are more than {QUERY_PARTS_MAX} members and nested elements in it"
            raise InvalidQuery(detail, pointer=self._pointer, mongo_code=BAD_VALUE)

    def _take_values(self, count: int) -> None:
        self._values_left -= count
        if self._values_left < 0:
            detail = f"there are more than {QUERY_VALUES_MAX} values in its arrays"
            raise InvalidQuery(detail, pointer=self._pointer, mongo_code=BAD_VALUE)

    def _take_literals(self) -> None:
        literals = self._literals
        while literals:
            node = literals.pop()
            if isinstance(node, dict | list):
                self._take_values(len(node))
                literals += node.values() if isinstance(node, dict) else node


def check_parts(spec: JsonValue, pointer: str) -> None:
    """Check that a specification can be read in little time.

    Raises:
        InvalidQuery: there is too much of it.
    """
    PartCount(pointer).take(spec)
