"""How much work one document may make in the indexes of its collection: fields times elements, over all of them.

What is worked out for a document that is in the indexes already is not bounded again: it has to go out of them.
"""

from __future__ import annotations

from typing import Any, Final

from raftdoc.document.path import is_object
from raftdoc.errors import NotIndexable
from raftdoc.limits import INDEX_SHARE_MAX, INDEX_WORK_MAX

TOO_MANY_ENTRIES: Final = 67
"""The dialect's number."""

TESTS_PER_STEP: Final = 4
"""So many tests of a partial filter, or looks at elements, take as long as one field of one element."""


UNBOUNDED: Final = 1 << 62


class DocumentWork:
    """Steps that are left for one document, and what is known of its arrays. A large document has one for each byte."""

    __slots__ = ("_floor", "_left", "_objects", "_share")

    def __init__(self, byte_count: int | None) -> None:
        """Begin with a document of so many bytes; None: without a bound."""
        if byte_count is None:
            self._left = self._share = UNBOUNDED
        else:
            self._left = INDEX_WORK_MAX if byte_count < INDEX_WORK_MAX else byte_count
            self._share = INDEX_SHARE_MAX if byte_count < INDEX_SHARE_MAX else byte_count
        self._floor = 0
        self._objects: dict[int, tuple[list[Any], bool]] | None = None

    def begin(self) -> None:
        """Go on with the next index, if it has arrays or a partial filter: any other makes no work that is counted."""
        self._floor = max(0, self._left - self._share)

    def spend(self, steps: int, name: str) -> None:
        """Count steps for the index of this name.

        Raises:
            NotIndexable: they are too many.
        """
        self._left -= steps
        if self._left < self._floor:
            raise NotIndexable(
                f"index {name}: the document takes too many steps, which are fields times elements of arrays",
                index=name,
                mongo_code=TOO_MANY_ENTRIES,
            )

    def has_object(self, array: list[Any], name: str) -> bool:
        """Return whether an element is an object; an array is gone through once for all fields and indexes."""
        if self._objects is None:
            self._objects = {}
        known = self._objects.get(id(array))
        if known is None:
            self.spend(len(array) // TESTS_PER_STEP, name)
            # The array is kept, so that no other can have its identity.
            known = self._objects[id(array)] = array, any(is_object(element) for element in array)
        return known[1]
