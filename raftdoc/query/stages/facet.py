"""`$facet`: several pipelines over the same documents."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from raftdoc.document.path import is_object
from raftdoc.query.context import Context
from raftdoc.query.expressions.compile import check_field_name, escaped
from raftdoc.query.expressions.scope import Value, fault
from raftdoc.query.stages.stage import Document, Items, Meter, Runnable, Setting, paced

NOT_IN_FACET: Final = 40600


@dataclass(frozen=True, slots=True)
class Facet:
    pipelines: tuple[tuple[str, Runnable], ...]
    pointer: str

    def run(self, documents: Iterable[Document | None], context: Context) -> Items:
        held: list[Document] = []
        meter = Meter(self.pointer)
        for document in documents:
            if document is None:
                yield None
            else:
                meter.hold(document)
                held.append(document)
        made: Document = {}
        for place, (name, pipeline) in enumerate(self.pipelines):
            if place:
                # The one before may have looked at as much as fits between two pauses.
                yield None
            found = made[name] = []
            for document in pipeline.run(paced(held, context), context):
                if document is None:
                    yield None
                else:
                    meter.hold(document)
                    found.append(document)
        yield made


def build_facet(spec: Value, pointer: str, setting: Setting) -> Facet:
    """Raise InvalidQuery unless it is an object of names to pipelines."""
    if setting.is_in_facet:
        raise fault("$facet does not stand in a $facet", pointer, NOT_IN_FACET)
    if not is_object(spec) or not spec:
        raise fault("$facet takes an object of names to pipelines", pointer, 40169)
    pipelines = []
    for name, stages in spec.items():
        below = f"{pointer}/{escaped(name)}"
        check_field_name(name, below)
        if not isinstance(stages, list):
            raise fault("a pipeline is an array", below, 40170)
        for place, stage in enumerate(stages):
            if not isinstance(stage, dict):
                raise fault("a stage is an object", f"{below}/{place}", 40171)
        pipelines.append((name, setting.parse(stages, below, setting.below("$facet", below))))
    return Facet(tuple(pipelines), pointer)
