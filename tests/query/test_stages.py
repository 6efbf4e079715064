"""Stages: what flows through them, when they pause, what they may hold."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raftdoc.errors import InvalidQuery
from raftdoc.limits import PIPELINE_BYTES_MAX, PIPELINE_DEPTH_MAX, PIPELINE_STAGES_MAX
from raftdoc.query.aggregate import STAGES, parse_pipeline
from raftdoc.query.context import Context

ITEMS = [{"_id": n, "a": n % 3, "tags": ["x", "y"][: n % 3]} for n in range(9)]


class Shelf:
    """A CollectionReader over lists."""

    def __init__(self, **collections) -> None:
        self._collections = collections

    def documents(self, collection: str):
        return iter(self._collections.get(collection, []))


def run(stages, items=ITEMS, **context):
    return list(parse_pipeline(stages, "/pipeline").run(items, Context(**context)))


def refusal_of(stages, items=ITEMS) -> tuple[str | None, int]:
    with pytest.raises(InvalidQuery) as caught:
        run(stages, items)
    return caught.value.pointer, caught.value.mongo_code


EVERY_STAGE = {
    "$match": {"a": 1},
    "$project": {"a": 1},
    "$limit": 3,
    "$skip": 2,
    "$count": "n",
    "$sample": {"size": 3},
    "$documents": [{"a": 1}],
    "$set": {"b": "$a"},
    "$addFields": {"b": "$a"},
    "$unset": "a",
    "$replaceWith": "$$ROOT",
    "$replaceRoot": {"newRoot": "$$ROOT"},
    "$group": {"_id": "$a"},
    "$sortByCount": "$a",
    "$bucket": {"groupBy": "$a", "boundaries": [0, 2, 5]},
    "$bucketAuto": {"groupBy": "$a", "buckets": 2},
    "$sort": {"a": 1},
    "$unwind": "$tags",
    "$redact": "$$KEEP",
    "$facet": {"one": [{"$limit": 1}]},
    "$lookup": {"from": "other", "localField": "a", "foreignField": "a", "as": "joined"},
    "$unionWith": "other",
}


def test_every_stage_is_tried_below() -> None:
    assert EVERY_STAGE.keys() == STAGES.keys()


@pytest.mark.parametrize("name", sorted(STAGES))
def test_a_stage_hands_pauses_on_and_gives_the_same_without(name: str) -> None:
    reader = Shelf(other=[{"a": 1}, {"a": 2}])
    with_pauses = [item for document in ITEMS for item in (None, document)]
    paused = run([{name: EVERY_STAGE[name]}], with_pauses, reader=reader)
    plain = run([{name: EVERY_STAGE[name]}], ITEMS, reader=reader)
    assert [document for document in paused if document is not None] == plain
    if name not in ("$documents", "$limit"):
        assert paused.count(None) == len(ITEMS)


@pytest.mark.parametrize("name", sorted(STAGES))
def test_no_stage_changes_what_it_is_given(name: str) -> None:
    items = [{"_id": 1, "a": 1, "tags": ["x", "y"], "o": {"p": [{"q": 1}]}}]
    before = repr(items)
    run([{name: EVERY_STAGE[name]}, {"$set": {"o.p.q": 2, "tags": []}}], items, reader=Shelf(other=items))
    assert repr(items) == before


@given(
    st.lists(st.fixed_dictionaries({"a": st.integers(0, 5) | st.none() | st.text(max_size=2)})),
    st.integers(1, 30),
    st.sampled_from([1, -1]),
)
def test_a_sort_with_a_limit_is_the_head_of_the_sort(items, limit: int, direction: int) -> None:
    numbered = [{**item, "n": place} for place, item in enumerate(items * 40)]
    sort = {"$sort": {"a": direction}}
    assert run([sort, {"$limit": limit}], numbered) == run([sort], numbered)[:limit]


@given(st.lists(st.integers(0, 9) | st.none(), max_size=30), st.integers(1, 6))
def test_automatic_buckets_hold_every_document_in_order(numbers, count: int) -> None:
    buckets = run(
        [{"$bucketAuto": {"groupBy": "$v", "buckets": count, "output": {"v": {"$push": "$v"}}}}],
        [{"v": v} for v in numbers],
    )
    kept = [value for bucket in buckets for value in bucket["v"]]
    assert kept == sorted(numbers, key=lambda number: (number is not None, number or 0))
    assert len(buckets) <= count
    for bucket, following in pairwise(buckets):
        assert bucket["_id"]["max"] == following["_id"]["min"]


def test_a_sample_is_the_same_for_the_same_seed_and_each_document_comes_once() -> None:
    first, again = (run([{"$sample": {"size": 4}}], seed=5) for _ in range(2))
    assert first == again
    assert len({document["_id"] for document in first}) == 4
    assert run([{"$sample": {"size": 100}}], seed=1) != ITEMS
    assert sorted(document["_id"] for document in run([{"$sample": {"size": 100}}], seed=1)) == list(range(9))


def test_set_reaches_into_arrays_and_makes_objects() -> None:
    items = [{"a": [{"b": 1}, 2], "c": 3}]
    assert run([{"$set": {"a.x": "$c", "c.d": 1}}], items) == [{"a": [{"b": 1, "x": 3}, {"x": 3}], "c": {"d": 1}}]
    assert run([{"$set": {"c": "$$REMOVE"}}], items) == [{"a": [{"b": 1}, 2]}]
    assert refusal_of([{"$set": {"a": 1, "a.b": 2}}]) == ("/pipeline/0/$set/a.b", 40176)


def test_all_values_of_one_set_are_those_of_the_document_before_it() -> None:
    assert run([{"$set": {"a": "$b", "b": "$a"}}], [{"a": 1, "b": 2}]) == [{"a": 2, "b": 1}]


def test_lookup_joins_by_equality_as_a_filter_would() -> None:
    reader = Shelf(
        other=[{"_id": 1, "k": 5}, {"_id": 2, "k": [5, 6]}, {"_id": 3}, {"_id": 4, "k": None}, {"_id": 5, "k": "5"}]
    )
    stage = {"$lookup": {"from": "other", "localField": "k", "foreignField": "k", "as": "j"}}
    items = [{"k": 5.0}, {"k": [6, "5"]}, {}, {"k": [[5, 6]]}]
    joined = [[one["_id"] for one in document["j"]] for document in run([stage], items, reader=reader)]
    assert joined == [[1, 2], [2, 5], [3, 4], [2]]


def test_lookup_with_a_pipeline_sees_the_document_through_let_only() -> None:
    reader = Shelf(other=[{"v": 1}, {"v": 2}, {"v": 3}])
    inner = [{"$match": {"$expr": {"$gte": ["$v", "$$least"]}}}, {"$count": "n"}]
    stage = {"$lookup": {"from": "other", "let": {"least": "$a"}, "pipeline": inner, "as": "j"}}
    assert run([stage], [{"a": 2}, {"a": 9}], reader=reader) == [{"a": 2, "j": [{"n": 2}]}, {"a": 9, "j": []}]


def test_lookup_that_needs_nothing_of_the_document_runs_once() -> None:
    class Counting(Shelf):
        reads = 0

        def documents(self, collection: str):
            self.reads += 1
            return super().documents(collection)

    reader = Counting(other=[{"v": 1}])
    run([{"$lookup": {"from": "other", "pipeline": [{"$set": {"w": 1}}], "as": "j"}}], reader=reader)
    assert reader.reads == 1


def test_redact_looks_into_what_it_keeps() -> None:
    items = [{"level": 1, "sub": {"level": 5, "x": 1}, "list": [{"level": 1}, {"level": 9}, 7]}]
    stage = {"$redact": {"$cond": [{"$lte": ["$level", 3]}, "$$DESCEND", "$$PRUNE"]}}
    assert run([stage], items) == [{"level": 1, "list": [{"level": 1}, 7]}]


def test_a_limit_reads_no_more_than_it_needs() -> None:
    def endless():
        number = 0
        while True:
            yield {"n": number}
            number += 1

    assert run([{"$match": {"n": {"$gt": 2}}}, {"$limit": 2}], endless()) == [{"n": 3}, {"n": 4}]


@pytest.mark.parametrize(
    "stage",
    [
        {"$sort": {"n": 1}},
        {"$group": {"_id": "$n"}},
        {"$group": {"_id": None, "all": {"$push": "$text"}}},
        {"$facet": {"a": [{"$count": "n"}]}},
        {"$sample": {"size": 1_000_000}},
        {"$bucketAuto": {"groupBy": "$n", "buckets": 2}},
    ],
)
def test_a_stage_that_would_hold_too_much_is_refused(stage) -> None:
    text = "x" * (PIPELINE_BYTES_MAX // 8)
    name = next(iter(stage))
    items = ({"n": f"{number}{text}", "text": text} for number in range(20))
    assert refusal_of([stage], items) == (f"/pipeline/0/{name}", 292)


def test_documents_that_multiply_pause_though_none_arrives() -> None:
    items = [{"a": list(range(200)), "b": list(range(200))}]
    paused = run([{"$unwind": "$a"}, {"$unwind": "$b"}, {"$match": {"a": -1}}], items)
    assert paused.count(None) >= 40_000 // 64


def test_what_a_lookup_makes_for_one_document_is_bounded() -> None:
    grown = [
        {"$documents": [{"a": list(range(1000)), "b": list(range(1000)), "text": "x" * 1000}]},
        {"$unwind": "$a"},
        {"$unwind": "$b"},
    ]
    lookup = {"$lookup": {"let": {"a": "$a"}, "pipeline": grown, "as": "j"}}
    assert refusal_of([lookup, {"$count": "n"}]) == ("/pipeline/0/$lookup", 292)


def test_a_group_counts_with_its_fields() -> None:
    fields = {f"f{number}": {"$avg": "$n"} for number in range(400)}
    items = ({"n": number} for number in range(10_000))
    assert refusal_of([{"$group": {"_id": "$n", **fields}}], items)[1] == 292


def test_a_sample_holds_what_it_keeps_whatever_it_kept_before() -> None:
    sizes = [1] * 64 + [PIPELINE_BYTES_MAX // 16] * 64
    items = ({"text": "x" * size} for size in sizes)
    assert refusal_of([{"$sample": {"size": 64}}], items)[1] == 292


def test_a_sorted_head_holds_what_it_gives_only() -> None:
    text = "x" * (PIPELINE_BYTES_MAX // 2000)
    items = ({"n": number, "text": text} for number in range(4000))
    assert [document["n"] for document in run([{"$sort": {"n": -1}}, {"$limit": 2}], items)] == [3999, 3998]


def test_pipelines_are_bounded_in_length_and_depth() -> None:
    assert refusal_of([{"$skip": 0}] * (PIPELINE_STAGES_MAX + 1))[1] == 7749501
    stages: list[object] = []
    for _ in range(PIPELINE_DEPTH_MAX + 1):
        stages = [{"$unionWith": {"coll": "other", "pipeline": stages}}]
    assert refusal_of(stages)[1] == 232


@pytest.mark.parametrize(
    ("stages", "pointer", "mongo_code"),
    [
        ({}, "/pipeline", 14),
        ([5], "/pipeline/0", 14),
        ([{"$skip": 1, "$limit": 1}], "/pipeline/0", 40323),
        ([{"$nonsense": 1}], "/pipeline/0/$nonsense", 40324),
        ([{"$out": "x"}], "/pipeline/0/$out", 40324),
        ([{"$limit": 0}], "/pipeline/0/$limit", 15958),
        ([{"$skip": -1}], "/pipeline/0/$skip", 5107200),
        ([{"$skip": 1}, {"$documents": []}], "/pipeline/1/$documents", 40602),
        ([{"$facet": {"a": [{"$facet": {}}]}}], "/pipeline/0/$facet/a/0/$facet", 40600),
        ([{"$unwind": "tags"}], "/pipeline/0/$unwind", 28818),
        ([{"$match": {"$where": "1"}}], "/pipeline/0/$match/$where", 2),
    ],
)
def test_what_is_no_pipeline_is_refused_where_it_stands(stages, pointer: str, mongo_code: int) -> None:
    assert refusal_of(stages) == (pointer, mongo_code)


def test_a_document_that_doubles_with_every_stage_is_refused() -> None:
    assert refusal_of([{"$set": {"a": ["$a", "$a"]}}] * 60, [{"a": [1, 2]}])[1] == 10334


def test_a_stage_that_holds_documents_pauses_while_it_gives_them() -> None:
    items = [{"_id": n, "a": n} for n in range(1000)]
    for stage in (
        {"$sort": {"a": -1}},
        {"$group": {"_id": "$a"}},
        {"$facet": {"all": []}},
        {"$sample": {"size": 1000}},
        {"$sortByCount": "$a"},
        {"$bucketAuto": {"groupBy": "$a", "buckets": 500}},
    ):
        assert run([stage], items).count(None) >= 1000 // 64
    assert run([{"$documents": items[:600]}], items).count(None) >= 600 // 64
    union = run([{"$unionWith": "other"}], [], reader=Shelf(other=items))
    assert union.count(None) == 1000 // 64


def test_documents_that_expressions_loop_over_for_long_are_followed_by_pauses() -> None:
    long = {"$sum": {"$map": {"input": {"$range": [0, 5000]}, "in": "$$this"}}}
    items = [{"_id": n, "a": [1, 2, 3]} for n in range(10)]
    held = {"$group": {"_id": None, "all": {"$push": "$x"}}}
    assert run([{"$set": {"x": long}}, held], items).count(None) >= 9
    assert run([{"$group": {"_id": None, "all": {"$push": long}}}], items).count(None) >= 9
    assert run([{"$unwind": "$a"}, {"$set": {"x": long}}, held], items).count(None) >= 29
    assert run([{"$facet": {"all": [{"$set": {"x": long}}, held]}}], items).count(None) >= 9
    assert run([{"$documents": items}, {"$set": {"x": long}}, held], []).count(None) >= 9
    assert run([{"$set": {"x": {"$size": "$a"}}}, held], items).count(None) == 0
