"""How much a filter, an update, a projection or a pipeline is made of: reading it takes time in proportion.

Counted before it is read, because mostly nothing else runs on the node meanwhile. A part is a member of an object, or
an element of an array that is an object, an array or a field path; a value is any element of an array, or anything
below `$literal`. A pattern counts as several parts, by the size of its program, and a path of an update as one for
each of its names. What an update only stores is none of it: the size of a document bounds it.
"""

from __future__ import annotations

from typing import Final

from raftdoc.document.value import JsonValue
from raftdoc.errors import InvalidQuery
from raftdoc.limits import QUERY_PARTS_MAX, QUERY_VALUES_MAX
from raftdoc.query.pattern_size import pattern_size
from raftdoc.query.regex import PATTERN_BYTES_MAX

BAD_VALUE: Final = 2
PATTERN_PARTS: Final = 4
"""A pattern counts as so many parts more: it is translated and compiled."""
PROGRAM_OF_PART: Final = 128
"""And as one more for so many instructions of its program."""
PROGRAM_MAX: Final = 120_000
"""More the compiler refuses, and says where."""
PATTERN_OPERATORS: Final = frozenset({"$regexMatch", "$regexFind", "$regexFindAll"})
"""Their member `regex` is a pattern, compiled twice: for a match, and for where it is."""


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
                        self._take_pattern(member)
                    elif name in PATTERN_OPERATORS and isinstance(member, dict):
                        self._take_pattern(member.get("regex"), programs=2)
                    elif name == "$jsonSchema":
                        self._take_schema(member)
                    if isinstance(member, dict | list):
                        (self._literals if name == "$literal" else left).append(member)
            elif isinstance(node, list):
                self._take_values(len(node))
                nested = [each for each in node if isinstance(each, dict | list)]
                self.take_parts(len(nested) + sum(1 for each in node if isinstance(each, str) and each[:1] == "$"))
                left += nested
        self._take_literals()

    def _take_pattern(self, source: JsonValue, *, programs: int = 1) -> None:
        # One that is longer is refused by the compiler, before it does anything.
        if isinstance(source, str) and len(source) <= PATTERN_BYTES_MAX:
            size = min(pattern_size(source), PROGRAM_MAX)
            self.take_parts(PATTERN_PARTS + programs * size // PROGRAM_OF_PART)

    def _take_schema(self, schema: JsonValue) -> None:
        """Take the patterns of a schema."""
        schemas = [schema]
        while schemas:
            node = schemas.pop()
            if isinstance(node, dict):
                self._take_pattern(node.get("pattern"))
                named = node.get("patternProperties")
                for source in named if isinstance(named, dict) else ():
                    self._take_pattern(source)
                schemas += node.values()
            elif isinstance(node, list):
                schemas += node

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
