"""Updates that are pipelines: stages that make one document of one document."""

from __future__ import annotations

from typing import Final

from raftdoc.document.value import JsonValue
from raftdoc.errors import InvalidQuery
from raftdoc.query.aggregate import OTHER_STAGES, Pipeline, parse_pipeline
from raftdoc.query.aggregate import STAGES as AGGREGATE_STAGES
from raftdoc.query.context import Context

INVALID_OPTIONS: Final = 72
STAGES: Final = frozenset({"$set", "$addFields", "$unset", "$project", "$replaceWith", "$replaceRoot"})


def parse_update_pipeline(spec: list[JsonValue], pointer: str) -> Pipeline:
    """Return the pipeline of an update.

    Raises:
        InvalidQuery: it is no pipeline, or has a stage that makes no document of a document.
    """
    _check_stages(spec, pointer, OTHER_STAGES)
    pipeline = parse_pipeline(spec, pointer)
    _check_stages(spec, pointer, frozenset(AGGREGATE_STAGES) - STAGES)
    return pipeline


def _check_stages(spec: list[JsonValue], pointer: str, refused: frozenset[str]) -> None:
    for place, stage in enumerate(spec):
        name = next(iter(stage), "") if isinstance(stage, dict) and len(stage) == 1 else ""
        if name in refused:
            detail = f"an update has no stage {name!r}; it has {', '.join(sorted(STAGES))}"
            raise InvalidQuery(detail, pointer=f"{pointer}/{place}", mongo_code=INVALID_OPTIONS)


def run_update_pipeline(pipeline: Pipeline, document: dict[str, JsonValue], context: Context) -> dict[str, JsonValue]:
    """Return what the pipeline makes of a document.

    Raises:
        InvalidQuery: an expression cannot take a value of it.
    """
    (made,) = [each for each in pipeline.run([document], context) if each is not None]
    return made
