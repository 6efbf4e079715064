"""Pipelines: stages that documents go through one after the other.

    pipeline = parse_pipeline([{"$match": {"open": True}}, {"$count": "n"}], "/pipeline")
    for document in pipeline.run(documents, context):   # None is a pause: see `stages`
        ...

The caller may take the leading filter out (`pipeline.filter`) and hand in only what an index finds for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

from raftdoc.limits import PIPELINE_STAGES_MAX
from raftdoc.query.context import Context
from raftdoc.query.expressions.compile import escaped
from raftdoc.query.expressions.scope import Value, fault
from raftdoc.query.filter import Filter
from raftdoc.query.parts import check_parts
from raftdoc.query.stages import fields, group, plain
from raftdoc.query.stages.bucket_auto import build_bucket_auto
from raftdoc.query.stages.facet import NOT_IN_FACET, build_facet
from raftdoc.query.stages.joins import build_lookup, build_union_with
from raftdoc.query.stages.plain import Limit, Match
from raftdoc.query.stages.redact import build_redact
from raftdoc.query.stages.sort import SortStage, build_sort
from raftdoc.query.stages.stage import WRONG_STAGE_FORM, Document, Items, Setting, Stage, StageBuilder, eased, rested
from raftdoc.query.stages.unwind import build_unwind

UNKNOWN_STAGE: Final = 40324
TYPE_MISMATCH: Final = 14

STAGES: Final[Mapping[str, StageBuilder]] = {
    **plain.BUILDERS,
    **fields.BUILDERS,
    **group.BUILDERS,
    "$sort": build_sort,
    "$unwind": build_unwind,
    "$redact": build_redact,
    "$facet": build_facet,
    "$lookup": build_lookup,
    "$unionWith": build_union_with,
    "$bucketAuto": build_bucket_auto,
}

_WRITING: Final = frozenset({"$out", "$merge"})
_WRITING_INSIDE: Final = {"$lookup": 51047, "$unionWith": 31441}
_ELSEWHERE: Final = frozenset(
    {
        "$changeStream", "$changeStreamSplitLargeEvent", "$collStats", "$currentOp", "$geoNear", "$indexStats",
        "$listCatalog", "$listClusterCatalog", "$listLocalSessions", "$listSampledQueries", "$listSearchIndexes",
        "$listSessions", "$planCacheStats", "$querySettings", "$queryStats", "$shardedDataDistribution",
    }
)  # fmt: skip
"""Stages of the dialect that raftdoc has not; where they stand decides the number."""
OTHER_STAGES: Final = (
    _WRITING | _ELSEWHERE | {"$densify", "$fill", "$graphLookup", "$search", "$setWindowFields", "$vectorSearch"}
)
"""Every stage of the dialect that raftdoc has not."""

_SHORT: Final = 8
"""Stages of a pipeline through which a document of any size goes without a pause."""
_STAGES_IN_ONE_GO: Final = 4
"""The same of a longer one, for large documents."""


@dataclass(frozen=True, slots=True)
class Pipeline:
    stages: tuple[Stage, ...]

    @property
    def is_source(self) -> bool:
        """Whether it begins with documents of its own (`$documents`)."""
        return bool(self.stages) and isinstance(self.stages[0], plain.Documents)

    @property
    def filter(self) -> Filter | None:
        """The leading `$match`: documents that it does not match need not be handed in."""
        return self.stages[0].filter if self.stages and isinstance(self.stages[0], Match) else None

    def split(self) -> tuple[Pipeline, Pipeline]:
        """Return the first stage and the others."""
        return Pipeline(self.stages[:1]), Pipeline(self.stages[1:])

    def run(self, documents: Iterable[Document | None], context: Context) -> Items:
        """Return what comes out of the last stage; None is a pause, handed on from the documents.

        Raises:
            InvalidQuery: a stage or an expression cannot take a value, or would hold too much.
        """
        # All that is done with a document is done before the next is asked for: it shows where documents come from.
        flowing: Iterator[Document | None] = eased(documents, context)
        is_long = len(self.stages) > _SHORT
        for place, stage in enumerate(self.stages):
            if is_long and place % _STAGES_IN_ONE_GO == 0:
                flowing = rested(flowing)
            flowing = stage.run(flowing, context)
        return flowing


def parse_pipeline(spec: Value, pointer: str, *, variables: frozenset[str] = frozenset()) -> Pipeline:
    """Return the pipeline of a specification that stands at pointer in the request.

    Raises:
        InvalidQuery: it is none.
    """
    check_parts(spec, pointer)
    return _parse(spec, pointer, Setting(_parse, variables))


def _parse(spec: Value, pointer: str, setting: Setting) -> Pipeline:
    if not isinstance(spec, list):
        raise fault("a pipeline is an array of stages", pointer, TYPE_MISMATCH)
    if len(spec) > PIPELINE_STAGES_MAX:
        raise fault(f"a pipeline has at most {PIPELINE_STAGES_MAX} stages", pointer, 7749501)
    stages = [
        _parse_stage(stage, f"{pointer}/{place}", replace(setting, is_first=place == 0))
        for place, stage in enumerate(spec)
    ]
    return Pipeline(tuple(_with_limits(stages)))


def _parse_stage(spec: Value, pointer: str, setting: Setting) -> Stage:
    if not isinstance(spec, dict):
        raise fault("a stage is an object", pointer, TYPE_MISMATCH)
    if len(spec) != 1:
        raise fault("a stage is an object of exactly one member", pointer, WRONG_STAGE_FORM)
    ((name, value),) = spec.items()
    below = f"{pointer}/{escaped(name)}"
    builder = STAGES.get(name)
    if builder is None:
        raise fault(f"there is no stage {name!r}", below, _number_of_unknown(name, setting))
    return builder(value, below, setting)


def _number_of_unknown(name: str, setting: Setting) -> int:
    if name in _WRITING and setting.inside in _WRITING_INSIDE:
        return _WRITING_INSIDE[setting.inside]
    if name in _WRITING | _ELSEWHERE and setting.is_in_facet:
        return NOT_IN_FACET
    if name in _WRITING:
        return UNKNOWN_STAGE
    if name.startswith("$changeStream") and setting.inside:
        return 40573
    return 73 if name in _ELSEWHERE and setting.inside else UNKNOWN_STAGE


def _with_limits(stages: list[Stage]) -> list[Stage]:
    """Tell a sort of the limit behind it."""
    known = [
        replace(stage, limit=following.count)
        if isinstance(stage, SortStage) and isinstance(following, Limit)
        else stage
        for stage, following in pairwise(stages)
    ]
    return [*known, *stages[-1:]]
