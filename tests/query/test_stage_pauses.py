"""Between two pauses of a pipeline there is little work, whatever its documents and stages: counted, not timed."""

from __future__ import annotations

import sys
import tracemalloc
from collections.abc import Iterable
from typing import Any

import pytest

from raftdoc.query.aggregate import parse_pipeline
from raftdoc.query.context import Context

KEYS = {"$documents": {"$map": {"input": {"$range": [0, 3000]}, "in": {"k": {"$literal": 1}}}}}


def steps_of(stages: list[Any], items: Iterable[Any] = ()) -> list[int]:
    """Return how many functions are called, and generators resumed, in each step from one pause to the next."""
    run = parse_pipeline(stages, "/pipeline").run(iter(items), Context())
    steps = [0]

    def count(_frame: object, event: str, _argument: object) -> None:
        steps[-1] += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        for item in run:
            if item is None:
                steps.append(0)
    finally:
        sys.setprofile(None)
    return steps


def joined(local: Any, foreign: list[Any]) -> list[Any]:
    stage = {"$lookup": {"localField": "a", "foreignField": "k", "as": "j", "pipeline": foreign}}
    run = parse_pipeline([stage], "/pipeline").run([{"a": local}], Context())
    return next(document["j"] for document in run if document is not None)


def test_lookup_looks_for_equal_values_once() -> None:
    lookup = {"$lookup": {"localField": "a", "foreignField": "k", "as": "j", "pipeline": [KEYS, {"$count": "n"}]}}
    calls = [sum(steps_of([lookup], [{"a": [1] * count}])) for count in (2, 1000)]
    # One key for each value, not one set of documents.
    assert calls[1] - calls[0] < 1000 * 10


@pytest.mark.parametrize("local", [1, [1, 2], [1] * 5000, list(range(5000))])
def test_lookup_pauses_while_it_looks_for_values_and_while_it_finds_documents(local: Any) -> None:
    lookup = {"$lookup": {"localField": "a", "foreignField": "k", "as": "j", "pipeline": [KEYS]}}
    steps = steps_of([{"$set": {"a": {"$literal": local}}}, lookup], [{}])
    # The first one evaluates the documents of the other side.
    assert max(steps[1:]) < 3000


def test_lookup_finds_each_document_once_and_in_order_whatever_the_order_of_values() -> None:
    foreign = [{"$documents": [{"k": [n, n + 1], "n": n} for n in range(5)]}]
    assert [document["n"] for document in joined([4, 1, 1, 4, 0], foreign)] == [0, 1, 3, 4]
    nulls = [{"$documents": [{"n": 0}, {"k": 5, "n": 1}]}]
    assert [document["n"] for document in joined([5, None, 9], nulls)] == [0, 1]
    many = [{"$documents": [{"k": [n % 3, -n], "n": n} for n in range(200)]}]
    assert [document["n"] for document in joined([2, -3, 0, 2], many)] == [
        n for n in range(200) if n == 3 or n % 3 != 1
    ]
    assert joined([], foreign) == []
    assert joined([9, 9], foreign) == []


DOCUMENTS = {"$documents": {"$map": {"input": {"$range": [0, 3000]}, "in": {"x": "$$this", "y": {"$literal": 1}}}}}


@pytest.mark.parametrize(
    "stages",
    [
        [{"$bucketAuto": {"groupBy": "$x", "buckets": 1, "output": {f"o{n}": {"$sum": "$x"} for n in range(100)}}}],
        [{"$bucketAuto": {"groupBy": "$x", "buckets": 1}}],
        [{"$bucketAuto": {"groupBy": "$y", "buckets": 2}}],
        [{"$bucketAuto": {"groupBy": "$y", "buckets": 2, "granularity": "R5"}}],
        [{"$sample": {"size": 3000}}],
    ],
)
def test_a_stage_that_holds_documents_pauses_while_it_works_on_them(stages: list[Any]) -> None:
    steps = steps_of([DOCUMENTS, *stages])
    # The first one evaluates the documents.
    assert max(steps[1:]) < 9000
    assert len(steps) > 2 * 3000 // 64


@pytest.mark.parametrize(
    ("accumulator", "count"),
    [("$minN", 3000), ("$maxN", 700), ("$topN", 3000), ("$bottomN", 700), ("$median", 0), ("$percentile", 0)],
)
def test_accumulators_that_sort_pause_between_runs(accumulator: str, count: int) -> None:
    operand = {
        "$topN": {"output": "$x", "sortBy": {"x": -1}, "n": count},
        "$bottomN": {"output": "$x", "sortBy": {"x": -1}, "n": count},
        "$median": {"input": "$x", "method": "discrete"},
        "$percentile": {"input": "$x", "p": [0.1, 0.9], "method": "discrete"},
    }.get(accumulator, {"input": "$x", "n": count})
    stages = [[DOCUMENTS, {"$group": {"_id": None, **fields}}] for fields in ({}, {"f": {accumulator: operand}})]
    without, steps = map(steps_of, stages)
    runs, merges = 3, 2
    assert len(steps) - len(without) >= runs + merges
    assert max(steps[1:]) < 9000


def test_a_facet_pauses_after_each_of_its_pipelines() -> None:
    pipelines = {f"p{n}": [{"$match": {"a": {"$mod": [7, 9]}}}] for n in range(50)}
    assert max(steps_of([{"$facet": pipelines}], [{"a": [0] * 100}])) < 1000


@pytest.mark.parametrize(
    "large",
    [
        {str(n): n for n in range(2000)},
        {"a": [0] * 2000},
        {"a": [{"b": 0}] * 1000},
        {"a": {"d": {"c": [[0] * 500] * 4}}},
    ],
)
def test_a_large_document_is_paused_for_on_its_way_through_many_stages(large: dict[str, Any]) -> None:
    stages: list[Any] = [{"$set": {"a.b": 1}}, {"$project": {"x": 0}}, {"$match": {"a.c": None}}] * 20
    assert len(steps_of(stages, [large])) - 1 == 60 // 4
    # What only one stage makes large as well.
    grown = [{"$limit": 9}] * 8 + [{"$set": {"a": {"$literal": large}}}] + [{"$set": {"x": 1}}] * 40
    assert len(steps_of(grown, [{"_id": 1}])) - 1 == 10


def test_unwind_pauses_for_each_copy_of_a_large_document() -> None:
    large = {"a": [0] * 100, **{str(n): n for n in range(2000)}}
    assert len(steps_of([{"$unwind": "$a"}, {"$count": "n"}], [large])) > 100
    assert len(steps_of([{"$unwind": "$a"}, {"$count": "n"}], [{"a": [0] * 2000}])) == 1 + 2000 // 64


def test_small_documents_are_not_paused_for_on_their_way() -> None:
    small = {"_id": 1, "a": [{"b": 1}, [2, 3]], "c": {"d": "x" * 2000}}
    assert len(steps_of([{"$set": {"x": 1}}] * 100, [small] * 10)) == 1


@pytest.mark.parametrize("stage", [{"$set": {"x": 1}}, {"$unset": "x"}, {"$replaceWith": {"$mergeObjects": "$$ROOT"}}])
def test_what_stages_made_of_a_large_document_is_not_held_behind_them(stage: dict[str, Any]) -> None:
    def peak(stage_count: int) -> int:
        items = iter([{str(n): n for n in range(5000)}])
        run = parse_pipeline([stage] * stage_count, "/pipeline").run(items, Context())
        tracemalloc.start()
        try:
            for _ in run:
                pass
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak(100) < 2 * peak(10)
