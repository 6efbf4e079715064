"""Documents in a dictionary, as the executor reads them: without indexes."""

from __future__ import annotations

from collections.abc import Iterator

from raftdoc.query.index_definition import IndexDefinition
from raftdoc.query.reader import IndexEntry


class ListReader:
    """See `raftdoc.query.reader.DocumentReader`."""

    indexes: tuple[IndexDefinition, ...] = ()

    def __init__(self, bodies: dict[bytes, bytes]) -> None:
        self._bodies = bodies

    @property
    def document_count(self) -> int:
        return len(self._bodies)

    def get(self, id_key: bytes) -> bytes | None:
        return self._bodies.get(id_key)

    def scan(self, start: bytes, stop: bytes | None, *, reverse: bool = False) -> Iterator[tuple[bytes, bytes]]:
        keys = sorted(self._bodies, reverse=reverse)
        return iter([(key, self._bodies[key]) for key in keys if start <= key and (stop is None or key < stop)])

    def scan_index(
        self,
        index: IndexDefinition,
        start: bytes,
        stop: bytes | None,
        *,
        after: tuple[bytes, bytes] | None = None,
        reverse: bool = False,
    ) -> Iterator[IndexEntry]:
        raise AssertionError(index.name)

    def estimate(self, index: IndexDefinition | None, start: bytes, stop: bytes | None) -> int:
        return len(list(self.scan(start, stop)))
