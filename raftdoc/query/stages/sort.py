"""`$sort`, which holds no more than a following `$limit` lets through."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import orjson

from raftdoc.document.path import is_object
from raftdoc.query.context import Context
from raftdoc.query.expressions.scope import Value, fault
from raftdoc.query.sort import Sort, parse_sort
from raftdoc.query.sorter import Sorter
from raftdoc.query.stages.stage import Document, Items, Setting, paced


@dataclass(frozen=True, slots=True)
class SortStage:
    sort: Sort
    pointer: str
    limit: int | None = None
    """How many documents are wanted after the sort; None: all."""

    def run(self, documents: Iterable[Document | None], context: Context) -> Items:
        sorter, key_of = Sorter(self.limit, self.pointer), self.sort.key
        for document in documents:
            if document is None:
                yield None
                continue
            key = key_of(document)
            if sorter.takes(key):
                sorter.add(key, document, len(orjson.dumps(document)))
                yield from sorter.settle()
        yield from paced((document for _, document in sorter.rows()), context)


def build_sort(spec: Value, pointer: str, setting: Setting) -> SortStage:
    """Raise InvalidQuery unless it is an object of paths to 1 or -1."""
    if not is_object(spec):
        raise fault("$sort takes an object", pointer, 15973)
    if not spec:
        raise fault("$sort takes at least one path", pointer, 15976)
    return SortStage(parse_sort(spec, pointer), pointer)
