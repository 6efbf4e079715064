"""`$sort`, which holds no more than a following `$limit` lets through."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from raftdoc.document.path import is_object
from raftdoc.query.context import Context
from raftdoc.query.expressions.scope import Value, fault
from raftdoc.query.sort import Sort, parse_sort
from raftdoc.query.stages.stage import Document, Items, Meter, Setting

_TRIM_AT: Final = 1000
"""Documents over the limit that are collected before they are sorted out."""


@dataclass(frozen=True, slots=True)
class SortStage:
    sort: Sort
    pointer: str
    limit: int | None = None
    """How many documents are wanted after the sort; None: all."""

    def run(self, documents: Iterable[Document | None], context: Context) -> Items:
        held: list[tuple[bytes, int, Document]] = []
        key, meter = self.sort.key, Meter(self.pointer)
        full = None if self.limit is None else self.limit + max(_TRIM_AT, self.limit)
        for ordinal, document in enumerate(documents):
            if document is None:
                yield None
                continue
            held.append((key(document), ordinal, document))
            if full is None:
                meter.hold(document)
            elif len(held) >= full:
                held.sort()
                del held[self.limit :]
                meter = self._measured(held)
        held.sort()
        for _, _, document in held[: self.limit]:
            yield document

    def _measured(self, held: list[tuple[bytes, int, Document]]) -> Meter:
        meter = Meter(self.pointer)
        for _, _, document in held:
            meter.hold(document)
        return meter


def build_sort(spec: Value, pointer: str, setting: Setting) -> SortStage:
    """Raise InvalidQuery unless it is an object of paths to 1 or -1."""
    if not is_object(spec):
        raise fault("$sort takes an object", pointer, 15973)
    if not spec:
        raise fault("$sort takes at least one path", pointer, 15976)
    return SortStage(parse_sort(spec, pointer), pointer)
