"""One application of an update to a document: what it knows, and what is left of what it may do."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from raftdoc.document.path import Path
from raftdoc.document.value import JsonValue
from raftdoc.errors import QueryOverBudget, TooLarge, UpdateRefused
from raftdoc.limits import UPDATE_TESTS_MAX
from raftdoc.query.context import Context
from raftdoc.query.filter import Filter
from raftdoc.query.matcher import Predicate
from raftdoc.query.position import Places, place_at

BAD_VALUE: Final = 2
"""The dialect's number."""

PADDING_MAX: Final = 100_000
"""How many nulls one update may put before elements far behind the end of an array."""


@dataclass(slots=True)
class Moment:
    """What one application of an update knows beside the value at hand."""

    root: dict[str, JsonValue]
    is_insert: bool
    context: Context
    """Has the time, and is what conditions with expressions are evaluated in."""
    filter: Filter | None
    """That the root matches; a document that is made matches none."""
    bytes_max: int
    """Of the document."""
    bytes_made: int = 0
    """Of elements that are new, as JSON."""
    padding_left: int = PADDING_MAX
    tests_left: int = UPDATE_TESTS_MAX
    bound: dict[int, Predicate] = field(default_factory=dict)
    """Conditions with expressions, by identity, for the context."""
    places: Places | None = None
    """Of the elements by which the filter matched, once they were looked for."""

    def charge(self, tests: int, leaf_pointer: str) -> None:
        """Count tests and changes of elements of arrays.

        Raises:
            UpdateRefused: they are too many.
        """
        self.tests_left -= tests
        if self.tests_left < 0:
            raise _too_many(leaf_pointer)

    def position(self, path: Path, leaf_pointer: str) -> int | None:
        """Return the place in the array at path of the element by which the filter matched.

        Raises:
            UpdateRefused: it takes too many tests.
        """
        if self.filter is None:
            return None
        if self.places is None:
            try:
                self.places = self.filter.places(self.root, lambda tests: self.charge(tests, leaf_pointer))
            except QueryOverBudget:
                raise _too_many(leaf_pointer) from None
        return place_at(self.places, path)

    def _bound(self, condition: Filter) -> Predicate:
        predicate = self.bound.get(id(condition))
        if predicate is None:
            predicate = self.bound[id(condition)] = condition.bind(self.context)
        return predicate

    def hold(self, bytes_made: int) -> None:
        """Note how many bytes of new elements there are by now.

        Raises:
            TooLarge: more than a document may have.
        """
        self.bytes_made = bytes_made
        if bytes_made > self.bytes_max:
            raise TooLarge("the document", limit=self.bytes_max)

    def meets(self, subject: dict[str, JsonValue], condition: Filter, leaf_pointer: str) -> bool:
        """Return whether a condition of the update holds, and count what it has gone through in the subject.

        Raises:
            UpdateRefused: that is too much.
        """
        if condition.uses_expressions:
            return self._bound(condition)(subject)
        try:
            is_met, tests = condition.judge(subject)
        except QueryOverBudget as error:
            raise UpdateRefused(error.detail, pointer=leaf_pointer, mongo_code=BAD_VALUE) from None
        if tests:
            self.charge(tests, leaf_pointer)
        return is_met


def _too_many(pointer: str) -> UpdateRefused:
    detail = f"an update makes at most {UPDATE_TESTS_MAX} tests and changes of elements in one document"
    return UpdateRefused(detail, pointer=pointer, mongo_code=BAD_VALUE)
