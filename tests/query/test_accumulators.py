"""Accumulators: what they keep, and that two halves merged are the whole."""

from __future__ import annotations

import math

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raftdoc.errors import InvalidQuery, QueryOverBudget
from raftdoc.limits import PIPELINE_BYTES_MAX
from raftdoc.query.aggregate import parse_pipeline
from raftdoc.query.context import Context
from raftdoc.query.stages.group import GroupStage

FIELDS = {
    "sum": {"$sum": "$v"},
    "avg": {"$avg": "$v"},
    "min": {"$min": "$v"},
    "max": {"$max": "$v"},
    "first": {"$first": "$v"},
    "last": {"$last": "$v"},
    "push": {"$push": "$v"},
    "set": {"$addToSet": "$v"},
    "count": {"$count": {}},
    "merged": {"$mergeObjects": "$o"},
    "joined": {"$concatArrays": "$l"},
    "union": {"$setUnion": "$l"},
    "first2": {"$firstN": {"n": 2, "input": "$v"}},
    "last2": {"$lastN": {"n": 2, "input": "$v"}},
    "min2": {"$minN": {"n": 2, "input": "$v"}},
    "max2": {"$maxN": {"n": 2, "input": "$v"}},
    "top": {"$top": {"sortBy": {"v": -1, "n": 1}, "output": "$n"}},
    "top2": {"$topN": {"n": 2, "sortBy": {"v": 1, "n": 1}, "output": ["$v", "$n"]}},
    "bottom": {"$bottom": {"sortBy": {"v": -1, "n": 1}, "output": "$n"}},
    "bottom2": {"$bottomN": {"n": 2, "sortBy": {"v": 1, "n": 1}, "output": "$n"}},
    "median": {"$median": {"input": "$v", "method": "approximate"}},
    "percentiles": {"$percentile": {"input": "$v", "p": [0, 0.25, 1], "method": "continuous"}},
}

values = (
    st.none()
    | st.booleans()
    | st.integers(-50, 50)
    | st.floats(-50, 50, width=16)
    | st.sampled_from(["a", "b", [1], {"x": 1}])
)
documents = st.lists(
    st.fixed_dictionaries(
        {"g": st.sampled_from(["a", "b", 1, 1.0, None, True])},
        optional={"v": values, "o": st.dictionaries(st.sampled_from("xyz"), values), "l": st.lists(values, max_size=3)},
    ),
    max_size=40,
).map(lambda made: [{**document, "n": place} for place, document in enumerate(made)])


def grouped(items, fields, *, id="$g"):
    pipeline = parse_pipeline([{"$group": {"_id": id, **fields}}], "/pipeline")
    return list(pipeline.run(items, Context()))


def stage_of(fields) -> GroupStage:
    (stage,) = parse_pipeline([{"$group": {"_id": "$g", **fields}}], "/pipeline").stages
    assert isinstance(stage, GroupStage)
    return stage


def _folded(stage: GroupStage, items):
    folder = stage.folder(Context())
    for document in items:
        folder.frame[0] = document
        id_ = stage.id.run(folder.frame)
        folder.add(id_)
    return folder


@given(documents, st.integers(0, 40))
def test_two_halves_merged_are_the_whole(items, cut: int) -> None:
    stage = stage_of(FIELDS)
    merged = stage.folder(Context())
    for half in (items[:cut], items[cut:]):
        partials = list(_folded(stage, half).partials())
        merged.merge(orjson.loads(orjson.dumps(partials)))
    assert list(merged.results()) == list(_folded(stage, items).results())


@given(st.lists(st.floats(-1e6, 1e6), max_size=50), st.integers(0, 50))
def test_deviations_merged_are_nearly_those_of_the_whole(numbers: list[float], cut: int) -> None:
    stage = stage_of({"pop": {"$stdDevPop": "$v"}, "samp": {"$stdDevSamp": "$v"}})
    items = [{"g": 1, "v": number} for number in numbers]
    merged = stage.folder(Context())
    for half in (items[:cut], items[cut:]):
        merged.merge(list(_folded(stage, half).partials()))
    for one, other in zip(merged.results(), _folded(stage, items).results(), strict=True):
        for name in ("pop", "samp"):
            assert one[name] is other[name] is None or math.isclose(one[name], other[name], rel_tol=1e-6, abs_tol=1e-3)


@given(st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=50))
def test_a_sum_of_doubles_loses_no_more_than_its_last_bits(numbers: list[float]) -> None:
    try:
        exact = math.fsum(numbers)
    except OverflowError:
        return
    scale = max(map(abs, numbers))
    (group,) = grouped([{"g": 1, "v": number} for number in numbers], {"t": {"$sum": "$v"}})
    assert math.isclose(group["t"], exact, rel_tol=1e-15, abs_tol=scale * 1e-28)


def test_groups_are_formed_by_value_and_null_takes_in_what_is_missing() -> None:
    items = [
        {"g": 1},
        {"g": 1.0},
        {"g": True},
        {"g": None},
        {},
        {"g": {"$numberDecimal": "1.0"}},
        {"g": [1]},
        {"g": "1"},
    ]
    counts = [(group["_id"], group["n"]) for group in grouped(items, {"n": {"$sum": 1}})]
    assert counts == [(1, 3), (True, 1), (None, 2), ([1], 1), ("1", 1)]
    assert [type(id_) for id_, _ in counts] == [int, bool, type(None), list, str]


def test_sums_of_integers_are_exact_beyond_64_bits_until_the_end() -> None:
    items = [{"v": (1 << 63) - 1}, {"v": 1}, {"v": -1}]
    assert grouped(items, {"t": {"$sum": "$v"}}, id=None) == [{"_id": None, "t": (1 << 63) - 1}]
    assert grouped(items[:2], {"t": {"$sum": "$v"}}, id=None) == [{"_id": None, "t": float(1 << 63)}]


def test_n_may_depend_on_the_group() -> None:
    items = [{"g": {"n": n}, "v": v} for n in (1, 2) for v in (5, 6, 7)]
    fields = {"kept": {"$firstN": {"n": "$n", "input": "$v"}}}
    assert [group["kept"] for group in grouped(items, fields)] == [[5], [5, 6]]


@pytest.mark.parametrize(
    ("field", "pointer", "mongo_code"),
    [
        ({"$sum": [1, 2]}, "/$sum", 40237),
        ({"$nonsense": 1}, "/$nonsense", 15952),
        ({"$sum": 1, "$avg": 1}, "", 40238),
        (5, "", 40234),
        ({"$firstN": {"input": "$v"}}, "/$firstN", 5787906),
        ({"$firstN": {"input": "$v", "n": 0}}, "/$firstN/n", 7548606),
        ({"$median": {"input": "$v", "method": "guess"}}, "/$median/method", 2),
        ({"$percentile": {"input": "$v", "method": "discrete", "p": [2]}}, "/$percentile/p", 7750303),
    ],
)
def test_a_field_that_is_none_is_refused_where_it_stands(field, pointer: str, mongo_code: int) -> None:
    with pytest.raises(InvalidQuery) as caught:
        grouped([], {"t": field})
    assert (caught.value.pointer, caught.value.mongo_code) == (f"/pipeline/0/$group/t{pointer}", mongo_code)


def test_what_sorts_gives_of_many_values_what_it_would_of_all_at_once() -> None:
    numbers = [n * 7919 % 10007 for n in range(10007)]
    fields = {
        "least": {"$minN": {"input": "$v", "n": 2000}},
        "most": {"$maxN": {"input": "$v", "n": 1500}},
        "few": {"$maxN": {"input": "$v", "n": 3}},
        "top": {"$topN": {"output": "$v", "sortBy": {"v": 1}, "n": 1100}},
        "bottom": {"$bottomN": {"output": "$v", "sortBy": {"v": 1}, "n": 20000}},
        "first": {"$top": {"output": "$v", "sortBy": {"v": -1}}},
        "middle": {"$median": {"input": "$v", "method": "discrete"}},
    }
    items = [item for place, v in enumerate(numbers, 1) for item in ([{"v": v}] if place % 64 else [{"v": v}, None])]
    answers = parse_pipeline([{"$group": {"_id": None, **fields}}], "/pipeline").run(items, Context())
    assert [answer for answer in answers if answer is not None] == [
        {
            "_id": None,
            "least": list(range(2000)),
            "most": list(range(10006, 8506, -1)),
            "few": [10006, 10005, 10004],
            "top": list(range(1100)),
            "bottom": list(range(10007)),
            "first": 10006,
            "middle": 5003.0,
        }
    ]


def test_equal_values_are_kept_in_the_order_in_which_they_came() -> None:
    items = [{"v": 1.0 if n % 3 else 1, "n": n} for n in range(5000)]
    fields = {
        "least": {"$minN": {"input": "$v", "n": 3000}},
        "most": {"$maxN": {"input": "$v", "n": 3000}},
        "top": {"$topN": {"output": "$n", "sortBy": {"v": 1}, "n": 3000}},
    }
    answers = parse_pipeline([{"$group": {"_id": None, **fields}}], "/pipeline").run(items, Context())
    (answer,) = [answer for answer in answers if answer is not None]
    kinds = [type(item["v"]) for item in items[:3000]]
    assert [type(value) for value in answer["least"]] == [type(value) for value in answer["most"]] == kinds
    assert answer["top"] == list(range(3000))


def test_the_numbers_of_a_percentile_are_measured() -> None:
    items = ({"v": n % 10} for n in range(PIPELINE_BYTES_MAX // 8 // 64 + 10))
    field = {"$percentile": {"input": "$v", "p": [0.5], "method": "discrete"}}
    fields = {f"p{n}": field for n in range(64)}
    with pytest.raises(QueryOverBudget) as caught:
        grouped(items, fields, id=None)
    assert caught.value.mongo_code == 292
