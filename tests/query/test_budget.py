"""How much one document may take: all expressions over it share one burst, the next has its own."""

from __future__ import annotations

import pytest

from raftdoc.errors import InvalidQuery
from raftdoc.query.aggregate import parse_pipeline
from raftdoc.query.context import BURST_STEPS_MAX, Context
from raftdoc.query.filter import parse_filter
from raftdoc.query.projection import parse_projection
from raftdoc.query.update import parse_update

HALF = {"$size": {"$map": {"input": {"$range": ["$z", BURST_STEPS_MAX // 2 - 10_000]}, "in": "$z"}}}
DOCUMENT = {"_id": 1, "z": 0, "a": [0] * 3, "rows": [{"b": 0}] * 3}

TOGETHER = {
    "members": [{"$set": {"a": HALF, "b": HALF, "c": HALF}}],
    "elements": [{"$set": {"a.b": HALF}}],
    "projected elements": [{"$project": {"a.b": HALF}}],
    "stages": [{"$set": {"x": HALF}}, {"$set": {"y": HALF}}, {"$set": {"x": HALF}}],
    "conditions": [{"$match": {"$nor": [{"$expr": {"$eq": [HALF, place]}} for place in range(3)]}}],
    "accumulators": [{"$group": {"_id": None, **{f"x{place}": {"$sum": HALF} for place in range(3)}}}],
    "counts of groups": [
        {"$group": {"_id": "$$ROOT", **{f"x{place}": {"$firstN": {"n": HALF, "input": 1}} for place in range(3)}}}
    ],
}


def run(stages, documents):
    return [each for each in parse_pipeline(stages, "/p").run(documents, Context()) if each is not None]


@pytest.mark.parametrize("name", TOGETHER)
def test_all_expressions_over_one_document_share_its_burst(name: str) -> None:
    with pytest.raises(InvalidQuery) as caught:
        run(TOGETHER[name], [DOCUMENT])
    assert caught.value.mongo_code == 146


GIVING = {
    "those that come in": [],
    "elements": [{"$unwind": "$rows"}],
    "groups": [{"$group": {"_id": "$_id", "z": {"$first": "$z"}}}],
    "buckets": [{"$bucket": {"groupBy": "$_id", "boundaries": [0, 1, 2, 3, 4, 5], "output": {"z": {"$first": "$z"}}}}],
    "automatic buckets": [{"$bucketAuto": {"groupBy": "$_id", "buckets": 4, "output": {"z": {"$first": "$z"}}}}],
    "a sort": [{"$sort": {"_id": -1}}],
    "a sample": [{"$sample": {"size": 4}}],
}


@pytest.mark.parametrize("name", GIVING)
def test_each_document_has_a_burst_of_its_own_and_is_followed_by_a_pause(name: str) -> None:
    pipeline = parse_pipeline([*GIVING[name], {"$set": {"x": HALF}}], "/p")
    steps = list(pipeline.run([{**DOCUMENT, "_id": number} for number in range(4)], Context()))
    made = [place for place, each in enumerate(steps) if each is not None]
    assert len(made) >= 4
    assert all(steps[place + 1] is None for place in made)


def test_documents_that_automatic_buckets_fold_have_bursts_of_their_own() -> None:
    stage = {"$bucketAuto": {"groupBy": "$_id", "buckets": 1, "output": {"x": {"$sum": HALF}}}}
    assert len(run([stage], [{**DOCUMENT, "_id": number} for number in range(4)])) == 1


def test_a_document_that_a_lookup_joins_has_a_burst_of_its_own() -> None:
    rows = {"$map": {"input": {"$range": [0, 4]}, "in": {"z": 0}}}
    stage = {"$lookup": {"as": "x", "pipeline": [{"$documents": rows}, {"$set": {"x": HALF}}]}}
    assert len(run([stage], [DOCUMENT])[0]["x"]) == 4


def test_a_projection_shares_the_burst_of_its_document() -> None:
    projection, context = parse_projection({"x": HALF, "y": HALF, "w": HALF}, "/p"), Context()
    with pytest.raises(InvalidQuery) as caught:
        projection.apply(DOCUMENT, None, context)
    assert caught.value.mongo_code == 146


def test_conditions_on_the_elements_of_an_array_share_the_burst_of_its_document() -> None:
    update = parse_update({"$pull": {"rows": {"$expr": {"$eq": [1, HALF_OF_ELEMENT]}}}}, None, "/u")
    with pytest.raises(InvalidQuery) as caught:
        update.apply(DOCUMENT, filter=parse_filter({}), context=Context(), is_insert=False)
    assert caught.value.mongo_code == 146


HALF_OF_ELEMENT = {"$size": {"$map": {"input": {"$range": ["$b", BURST_STEPS_MAX // 2]}, "in": "$b"}}}
