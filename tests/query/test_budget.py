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


DEEP = {"n": [[0] * 7500], "m": [[0] * 7500], "big": list(range(160_000)), "text": "ab" * 15_500, "pattern": r"\pL{80}"}


@pytest.mark.parametrize(
    "compared",
    [
        {"$eq": ["$n", "$m"]},
        {"$cmp": ["$n", "$m"]},
        {"$in": ["$n", ["$m"]]},
        {"$indexOfArray": [["$m"], "$n"]},
        {"$setUnion": ["$n", "$m"]},
        {"$setEquals": ["$n", "$m"]},
        {"$setIsSubset": ["$n", "$m"]},
        {"$setDifference": ["$n", "$m"]},
        {"$max": ["$n", "$m"]},
        {"$minN": {"n": 1, "input": ["$n", "$m"]}},
        {"$sortArray": {"input": ["$n", "$m"], "sortBy": 1}},
    ],
)
def test_values_that_are_compared_count_by_all_that_is_in_them(compared) -> None:
    loop = {"$size": {"$filter": {"input": {"$range": ["$z", 3000]}, "cond": compared}}}
    with pytest.raises(InvalidQuery) as caught:
        run([{"$set": {"x": loop}}], [{"_id": 1, "z": 0, **DEEP}])
    assert caught.value.mongo_code == 146


@pytest.mark.parametrize(
    "taken",
    [
        {"$ne": ["$big", {"$slice": ["$big", 1]}]},
        {"$size": {"$setUnion": ["$big"]}},
        {"$max": "$big"},
        {"$in": [-1, "$big"]},
        {"$regexMatch": {"input": "$text", "regex": "((a|b)?){100}c"}},
        {"$regexMatch": {"input": "z", "regex": {"$concat": ["$pattern", "a"]}}},
    ],
)
def test_what_short_expressions_look_through_counts_over_all_of_them(taken) -> None:
    document = {"_id": 1, **DEEP}
    with pytest.raises(InvalidQuery) as caught:
        run([{"$set": {f"x{place}": taken for place in range(20)}}], [document])
    assert caught.value.mongo_code == 146


def test_ordinary_patterns_and_values_count_as_nothing() -> None:
    stage = {
        "$set": {
            "a": {"$regexMatch": {"input": "$s", "regex": "[a-z]+@[a-z]+[.]com"}},
            "b": {"$regexFindAll": {"input": "$s", "regex": "a+|b"}},
            "c": {"$regexMatch": {"input": "$s", "regex": {"$concat": ["^", "$s"]}}},
            "d": {"$setUnion": ["$l", ["x"]]},
            "e": {"$eq": ["$l", ["x"]]},
        }
    }
    context = Context()
    before = context.budget.steps_left
    list(parse_pipeline([stage], "/p").run([{"s": "aabab" * 4, "l": [{"v": 1}] * 4}], context))
    assert context.budget.steps_left == before


def test_matches_are_bounded_where_each_search_may_read_all_of_the_text() -> None:
    for pattern, text in (("(((a)|b)?){1000}c|a", "ab" * 200), ("(?s)a.*c|a", "a" * 30_000)):
        with pytest.raises(InvalidQuery) as caught:
            run([{"$set": {"x": {"$regexFindAll": {"input": "$s", "regex": pattern}}}}], [{"s": text}])
        assert caught.value.mongo_code == 146
    words = run(
        [{"$set": {"x": {"$size": {"$regexFindAll": {"input": "$s", "regex": r"\w+"}}}}}], [{"s": "ab " * 30_000}]
    )
    assert words[0]["x"] == 30_000


def test_what_the_patterns_of_a_filter_do_with_one_document_is_bounded() -> None:
    far = parse_filter({"s": {"$regex": "((a|b)?){1000}c"}})
    assert not far.matches({"s": "ab" * 100})
    for value in ("ab" * 15_500, ["ab" * 500] * 40):
        with pytest.raises(InvalidQuery) as caught:
            far.matches({"s": value})
        assert caught.value.mongo_code == 146
    assert not far.matches({"s": "ab" * 1000})
    assert parse_filter({"s": {"$regex": "b{3}|c"}}).matches({"s": "ab" * 500_000 + "c"})


def test_a_format_of_a_date_has_a_bounded_length() -> None:
    for operator, input_ in (("$dateFromString", "dateString"), ("$dateToString", "date")):
        value = "2024" if input_ == "dateString" else {"$date": "2024-05-01T12:00:00Z"}
        with pytest.raises(InvalidQuery) as caught:
            run([{"$set": {"x": {operator: {input_: value, "format": "$f"}}}}], [{"f": "x" * 1001}])
        assert caught.value.mongo_code == 146
