"""The first rows of an order, in bounded memory and without ever sorting much at once.

Rows come as (key, row). Runs of some hundred are sorted as they fill; when there are twice as many rows as wanted, the
runs are merged and the rest dropped. Every step is a pause where the executor may give the loop back.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from itertools import islice
from operator import itemgetter
from typing import Any, Final

from raftdoc.errors import QueryOverBudget
from raftdoc.limits import SORT_BYTES_MAX

RUN_ROWS: Final = 256
EXCEEDED_MEMORY: Final = 292

_KEY = itemgetter(0)


class Sorter:
    """`add` rows, `settle` now and then, `rows` at the end."""

    def __init__(self, row_count: int | None, pointer: str = "/sort") -> None:
        """Keep the first row_count rows; None: all of them."""
        self._row_count = row_count
        self._pointer = pointer
        self._open: list[tuple[bytes, Any]] = []
        self._runs: list[list[tuple[bytes, Any]]] = []
        self._held = 0
        self._worst: bytes | None = None
        """The key of the last row kept, once there are as many as wanted."""
        self._bytes = 0

    def takes(self, key: bytes) -> bool:
        """Return whether a row of this key can still be in the answer: most rows of a long scan cannot."""
        return self._worst is None or key < self._worst

    def add(self, key: bytes, row: Any, size: int) -> None:
        """Take a row of about `size` bytes.

        Raises:
            QueryOverBudget: the rows to be kept are more than SORT_BYTES_MAX.
        """
        self._open.append((key, row))
        self._held += 1
        self._bytes += size + len(key)
        if self._bytes > SORT_BYTES_MAX:
            raise QueryOverBudget(
                f"sorting holds more than {SORT_BYTES_MAX} bytes: sort by an index, or ask for fewer rows",
                pointer=self._pointer,
                mongo_code=EXCEEDED_MEMORY,
            )
        if len(self._open) >= RUN_ROWS:
            self._close_run()

    def settle(self) -> Iterator[None]:
        """Drop what can be in no answer any more, in steps."""
        if self._row_count is None or self._held < 2 * self._row_count + RUN_ROWS:
            return
        kept: list[tuple[bytes, Any]] = []
        share = self._row_count / self._held
        for row in islice(self._merged(), self._row_count):
            kept.append(row)
            if len(kept) % RUN_ROWS == 0:
                yield
        self._runs, self._open, self._held = [kept], [], len(kept)
        self._worst = kept[-1][0]
        # Rows of one collection are alike: what is kept is taken for the same share of bytes.
        self._bytes = int(self._bytes * share)

    def rows(self) -> Iterator[tuple[bytes, Any]]:
        """Yield the rows in order, no more than wanted."""
        return islice(self._merged(), self._row_count)

    def _merged(self) -> Iterator[tuple[bytes, Any]]:
        self._close_run()
        return heapq.merge(*self._runs, key=_KEY)

    def _close_run(self) -> None:
        if self._open:
            self._open.sort(key=_KEY)
            self._runs.append(self._open)
            self._open = []
