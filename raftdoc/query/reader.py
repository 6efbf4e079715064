"""What the executor reads from: one collection as of one moment, whatever keeps it.

    with-less on purpose: whoever opened the snapshot closes it, when the last slice has run.

Implemented by `statemachine.reader` over an engine's snapshot. Id keys are those of `document.key`, value keys those
of `query.index_keys`; a stop of None means to the end.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol

from raftdoc.query.index_definition import IndexDefinition


class IndexEntry(NamedTuple):
    """One entry of an index; `exact` as in `query.index_keys.decode_values`."""

    value_key: bytes
    id_key: bytes
    exact: bytes


class DocumentReader(Protocol):
    @property
    def document_count(self) -> int:
        """Exactly, as of the moment."""
        ...

    @property
    def indexes(self) -> tuple[IndexDefinition, ...]:
        """Those that are ready."""
        ...

    def get(self, id_key: bytes) -> bytes | None:
        """Return the normal JSON of a document."""
        ...

    def scan(self, start: bytes, stop: bytes | None, *, reverse: bool = False) -> Iterator[tuple[bytes, bytes]]:
        """Yield (id key, normal JSON) of start <= id key < stop, in order."""
        ...

    def scan_index(
        self,
        index: IndexDefinition,
        start: bytes,
        stop: bytes | None,
        *,
        after: tuple[bytes, bytes] | None = None,
        reverse: bool = False,
    ) -> Iterator[IndexEntry]:
        """Yield the entries of start <= value key < stop; `after` is (value key, id key) of the last not wanted."""
        ...

    def estimate(self, index: IndexDefinition | None, start: bytes, stop: bytes | None) -> int:
        """Return about how many entries of an index, or without one how many documents, lie in a range."""
        ...
