"""Updates that are pipelines: `[{"$set": {"total": {"$add": ["$a", "$b"]}}}, {"$unset": "a"}]`.

    pipeline = parse_update_pipeline(spec, "/update")
    changed = apply_update_pipeline(pipeline, document, context)

One document goes in, one comes out. Expressions have no place inside apply: who proposes runs this, and proposes
the document.
"""

from __future__ import annotations

from typing import Any, Final

from raftdoc.query.aggregate import STAGES, Pipeline, parse_pipeline
from raftdoc.query.context import Context
from raftdoc.query.expressions.compile import escaped
from raftdoc.query.expressions.scope import fault

INVALID_OPTIONS: Final = 72

UPDATE_STAGES: Final = frozenset({"$set", "$addFields", "$unset", "$project", "$replaceRoot", "$replaceWith"})


def parse_update_pipeline(spec: list[Any], pointer: str, *, variables: frozenset[str] = frozenset()) -> Pipeline:
    """Return the pipeline of an update.

    Raises:
        InvalidQuery: it is no pipeline, or holds a stage that an update has not.
    """
    pipeline = parse_pipeline(spec, pointer, variables=variables)
    for place, stage in enumerate(spec):
        (name,) = stage
        assert name in STAGES, name
        if name not in UPDATE_STAGES:
            raise fault(f"an update has no stage {name}", f"{pointer}/{place}/{escaped(name)}", INVALID_OPTIONS)
    return pipeline


def apply_update_pipeline(pipeline: Pipeline, document: dict[str, Any], context: Context) -> dict[str, Any]:
    """Return what the pipeline makes of a document.

    Raises:
        InvalidQuery: an expression cannot take a value of it.
    """
    (changed,) = pipeline.run((document,), context)
    assert changed is not None, pipeline
    return changed
