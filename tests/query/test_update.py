"""Updates: what each operator does, what it refuses with which number, and that nothing but the result changes."""

from __future__ import annotations

import copy
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raftdoc.errors import InvalidQuery, TooLarge, UpdateRefused
from raftdoc.limits import INTEGER_MAX
from raftdoc.query.context import Context
from raftdoc.query.filter import parse_filter
from raftdoc.query.update import parse_update

NOW: Any = {"$date": "2024-05-01T12:00:00.000Z"}


def applied(
    document: Any, update: Any, *, query: Any = None, array_filters: Any = None, is_insert: bool = False
) -> Any:
    matching = parse_filter(query if query is not None else {})
    parsed = parse_update(update, array_filters, "/update")
    return parsed.apply(document, filter=matching, context=Context(now=NOW), is_insert=is_insert)


DONE = [
    ({"a": 1}, {"$set": {"b.c": 2}}, {"a": 1, "b": {"c": 2}}),
    ({"a": [1, 2]}, {"$set": {"a.3": 9}}, {"a": [1, 2, None, 9]}),
    ({"a": [1, 2]}, {"$unset": {"a.0": ""}}, {"a": [None, 2]}),
    ({"a": 1}, {"$unset": {"a.b.c": ""}}, {"a": 1}),
    ({"n": 1}, {"$inc": {"n": 2}}, {"n": 3}),
    ({"n": 1}, {"$inc": {"n": 0.5, "m": 1}}, {"n": 1.5, "m": 1}),
    ({"n": {"$numberDecimal": "0.10"}}, {"$inc": {"n": 1}}, {"n": {"$numberDecimal": "1.10"}}),
    ({}, {"$mul": {"i": 5, "f": 2.5}}, {"f": 0.0, "i": 0}),
    ({"n": 5}, {"$min": {"n": 3}, "$max": {"m": 7}}, {"n": 3, "m": 7}),
    ({"n": 5}, {"$max": {"n": "text"}}, {"n": "text"}),
    ({"n": 13}, {"$bit": {"n": {"and": 7, "or": 8}}}, {"n": 13}),
    ({"a": 1, "b": 2}, {"$rename": {"a": "c.d", "x": "y"}}, {"b": 2, "c": {"d": 1}}),
    ({}, {"$currentDate": {"at": True, "on": {"$type": "date"}}}, {"at": NOW, "on": NOW}),
    ({"a": [3, 1]}, {"$push": {"a": {"$each": [2], "$sort": -1, "$slice": 2}}}, {"a": [3, 2]}),
    ({"a": [1, 4]}, {"$push": {"a": {"$each": [2, 3], "$position": 1}}}, {"a": [1, 2, 3, 4]}),
    (
        {"a": [{"x": 2, "y": 1}, {"x": 1, "y": 1}]},
        {"$push": {"a": {"$each": [{"x": 0, "y": 2}], "$sort": {"y": -1, "x": 1}}}},
        {"a": [{"x": 0, "y": 2}, {"x": 1, "y": 1}, {"x": 2, "y": 1}]},
    ),
    ({"a": [1]}, {"$addToSet": {"a": {"$each": [1.0, 2, 2, True]}}}, {"a": [1, 2, True]}),
    ({"a": [1, 2, 3]}, {"$pop": {"a": -1}}, {"a": [2, 3]}),
    ({"a": [1, 5, "x", 7]}, {"$pull": {"a": {"$gte": 5}}}, {"a": [1, "x"]}),
    (
        {"a": [{"n": 1, "m": 1}, {"n": 1}, 1]},
        {"$pull": {"a": {"n": 1, "m": {"$exists": False}}}},
        {"a": [{"n": 1, "m": 1}, 1]},
    ),
    ({"a": [1, 1.0, 2, "1"]}, {"$pullAll": {"a": [1]}}, {"a": [2, "1"]}),
    ({"a": 1}, {"$setOnInsert": {"b": 1}}, {"a": 1}),
    ({"a": [[1], [2]]}, {"$push": {"a.$[]": 3}}, {"a": [[1, 3], [2, 3]]}),
]


@pytest.mark.parametrize(("document", "update", "result"), DONE)
def test_operator_does_what_it_says(document: Any, update: Any, result: Any) -> None:
    before = copy.deepcopy((document, update))
    assert orjson.dumps(applied(document, update), option=orjson.OPT_SORT_KEYS) == orjson.dumps(
        result, option=orjson.OPT_SORT_KEYS
    )
    assert (document, update) == before


REFUSED = [
    ({"n": "x"}, {"$inc": {"n": 1}}, 14, "/update/$inc/n"),
    ({"n": INTEGER_MAX}, {"$inc": {"n": 1}}, 2, "/update/$inc/n"),
    ({"n": 1e308}, {"$mul": {"n": 10}}, 2, "/update/$mul/n"),
    ({"n": {"$numberDecimal": "Infinity"}}, {"$mul": {"n": 0}}, 2, "/update/$mul/n"),
    ({"a": 1}, {"$push": {"a": 1}}, 2, "/update/$push/a"),
    ({"a": 1}, {"$pop": {"a": 1}}, 14, "/update/$pop/a"),
    ({"a": 1}, {"$set": {"a.b": 1}}, 28, "/update/$set/a.b"),
    ({"a": [1]}, {"$set": {"a.b": 1}}, 28, "/update/$set/a.b"),
    ({"a": [1]}, {"$set": {"a.$": 1}}, 2, "/update/$set/a.$"),
    ({"a": 1}, {"$set": {"a.$[]": 1}}, 2, "/update/$set/a.$[]"),
    ({"a": [1]}, {"$set": {"a.1000000": 1}}, 2, "/update/$set/a.1000000"),
    ({"a": [1]}, {"$rename": {"a.0": "b"}}, 2, "/update/$rename/a.0"),
    ({"_id": 1}, {"$set": {"_id": 2}}, 66, "/update"),
    ({"_id": 1}, {"$unset": {"_id": ""}}, 66, "/update"),
    ({"_id": 1}, {"_id": 2, "a": 1}, 66, "/update"),
]


@pytest.mark.parametrize(("document", "update", "number", "pointer"), REFUSED)
def test_document_that_does_not_take_the_update_is_named(document: Any, update: Any, number: int, pointer: str) -> None:
    with pytest.raises(UpdateRefused) as refused:
        applied(document, update)
    assert (refused.value.mongo_code, refused.value.pointer) == (number, pointer)


INVALID = [
    (1, None, 9, "/update"),
    ({"$set": 1}, None, 9, "/update/$set"),
    ({"$nope": {}}, None, 9, "/update/$nope"),
    ({"$set": {"a": 1}, "b": 1}, None, 9, "/update/b"),
    ({"a": 1, "$set": {}}, None, 52, "/update"),
    ({"$set": {"a": {"$x": 1}}}, None, 52, "/update/$set/a"),
    ({"$set": {"a..b": 1}}, None, 56, "/update/$set/a..b"),
    ({"$set": {"a/b": 1, "a/b.c": 1}}, None, 40, "/update/$set/a~1b.c"),
    ({"$set": {"a": 1}, "$inc": {"a": 1}}, None, 40, "/update/$inc/a"),
    ({"$set": {"a.$.b.$": 1}}, None, 2, "/update/$set/a.$.b.$"),
    ({"$set": {"$[].a": 1}}, None, 2, "/update/$set/$[].a"),
    ({"$set": {"a.$[x]": 1}}, None, 2, "/update/$set/a.$[x]"),
    ({"$set": {"a": 1}}, [{"x": 1}], 9, "/array_filters"),
    ({"$set": {"a.$[x]": 1}}, [{"x": 1, "y": 2}], 9, "/array_filters/0"),
    ({"$set": {"a.$[x]": 1}}, [{"x": 1}, {"x.a": 2}], 9, "/array_filters/1"),
    ({"$set": {"a.$[X]": 1}}, [{"X": 1}], 2, "/array_filters/0"),
    ({"$rename": {"a": 1}}, None, 2, "/update/$rename/a"),
    ({"$rename": {"a": "a.b"}}, None, 2, "/update/$rename/a"),
    ({"$push": {"a": {"$each": 1}}}, None, 2, "/update/$push/a/$each"),
    ({"$push": {"a": {"$each": [], "$nope": 1}}}, None, 2, "/update/$push/a/$nope"),
    ({"$push": {"a": {"$each": [], "$sort": {f"p{n}": 1 for n in range(33)}}}}, None, 2, "/update/$push/a/$sort"),
    ({"$currentDate": {"a": {"$type": "timestamp"}}}, None, 2, "/update/$currentDate/a"),
]


@pytest.mark.parametrize(("update", "array_filters", "number", "pointer"), INVALID)
def test_fault_of_an_update_has_its_number_and_its_place(
    update: Any, array_filters: Any, number: int, pointer: str
) -> None:
    with pytest.raises(InvalidQuery) as refused:
        parse_update(update, array_filters, "/update")
    assert (refused.value.mongo_code, refused.value.pointer) == (number, pointer)
    assert not isinstance(refused.value, UpdateRefused)


def test_positional_operator_takes_the_element_that_the_filter_matched() -> None:
    document = {"_id": 1, "grades": [80, 95, 85]}
    changed = applied(document, {"$set": {"grades.$": 0}}, query={"grades": {"$gte": 90}})
    assert changed == {"_id": 1, "grades": [80, 0, 85]}


def test_all_positional_paths_of_an_update_look_for_the_place_once() -> None:
    paths = [f"b{number}.$" for number in range(100)]
    document = {"a": [0] * 100_000 + [1]}
    query = {"$and": [{"a": {"$mod": [7, 1]}}, {"a": 1}]}
    assert applied(document, {"$set": dict.fromkeys(paths, 1)}, query=query)["b99"] == {"100000": 1}


def test_elements_looked_at_for_the_positional_operator_are_bounded() -> None:
    document, query = {"a": [0] * 100_000 + [1]}, {"$and": [{"a": {"$mod": [7, 1]}}] * 11}
    with pytest.raises(UpdateRefused, match="tests and changes") as refused:
        applied(document, {"$set": {"b.$": 1, "a.$": 2}}, query=query)
    assert (refused.value.mongo_code, refused.value.pointer) == (2, "/update/$set/a.$")
    first = {"a": [1] + [0] * 100_000}
    assert applied(first, {"$set": {"a.$": 2}}, query=query) == {"a": [2] + [0] * 100_000}


def test_array_filters_choose_the_elements() -> None:
    document = {"a": [{"x": 1}, {"x": 5}, {"y": 1}]}
    changed = applied(document, {"$inc": {"a.$[big].x": 1}}, array_filters=[{"big.x": {"$gte": 5}}])
    assert changed == {"a": [{"x": 1}, {"x": 6}, {"y": 1}]}


def test_two_identifiers_that_meet_at_one_element_conflict() -> None:
    with pytest.raises(UpdateRefused) as refused:
        applied({"a": [5]}, {"$set": {"a.$[x]": 1, "a.$[y]": 2}}, array_filters=[{"x": 5}, {"y": {"$gt": 0}}])
    assert refused.value.mongo_code == 40


def test_members_are_added_in_the_order_of_their_names_and_the_id_stays_first() -> None:
    changed = applied({"_id": 1}, {"$set": {"b": 1, "10": 1, "9": 1, "a": 1}})
    assert list(changed) == ["_id", "9", "10", "a", "b"]


def test_replacement_keeps_the_id_first() -> None:
    assert list(applied({"_id": 1, "a": 1}, {"b": 2, "_id": 1.0}).items()) == [("_id", 1), ("b", 2)]


@pytest.mark.parametrize(
    ("pipeline", "result"),
    [
        ([{"$set": {"b": {"$add": ["$a", 1]}}}, {"$unset": "a"}], {"_id": 1, "b": 3}),
        ([{"$replaceWith": {"at": "$$NOW"}}], {"_id": 1, "at": NOW}),
        ([], {"_id": 1, "a": 2}),
    ],
)
def test_pipeline_makes_one_document_of_one(pipeline: Any, result: Any) -> None:
    assert list(applied({"_id": 1, "a": 2}, pipeline).items()) == list(result.items())


@pytest.mark.parametrize(
    ("pipeline", "array_filters", "number"),
    [([{"$match": {}}], None, 72), ([{"$set": 1}], None, 40272), ([{"$set": {"a": 1}}], [{"x": 1}], 9)],
)
def test_pipeline_that_is_no_update_is_refused(pipeline: Any, array_filters: Any, number: int) -> None:
    with pytest.raises(InvalidQuery) as refused:
        parse_update(pipeline, array_filters, "/update")
    assert refused.value.mongo_code == number


def test_set_on_insert_counts_for_new_documents_only() -> None:
    update = {"$setOnInsert": {"made": True}, "$set": {"a": 1}}
    assert applied({"_id": 1}, update, is_insert=True) == {"_id": 1, "a": 1, "made": True}


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from([0.5, -0.0, 1.0]) | st.sampled_from("ab"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=6,
)
DOCUMENTS = st.dictionaries(st.sampled_from("abc"), VALUES, max_size=3)
PATHS = st.sampled_from(["a", "b", "a.b", "a.0", "b.c.a", "c.1", "c.$[]", "a.$[].b"])
ARGUMENTS = {
    "$set": VALUES,
    "$unset": VALUES,
    "$inc": st.integers(-3, 3) | st.just(0.5),
    "$min": VALUES,
    "$max": VALUES,
    "$push": VALUES,
    "$addToSet": VALUES,
    "$pop": st.sampled_from([1, -1]),
    "$pull": VALUES,
    "$rename": st.sampled_from(["d", "d.e"]),
}
UPDATES = st.sampled_from(sorted(ARGUMENTS)).flatmap(
    lambda operator: st.dictionaries(PATHS, ARGUMENTS[operator], min_size=1, max_size=2).map(
        lambda paths: {operator: paths}
    )
)


@settings(max_examples=300, deadline=None)
@given(DOCUMENTS, UPDATES)
def test_update_changes_neither_argument_and_says_truly_whether_anything_changed(document: Any, update: Any) -> None:
    before = orjson.dumps([document, update])
    try:
        changed = applied(document, update)
    except InvalidQuery:
        changed = document
    assert orjson.dumps([document, update]) == before
    assert (orjson.dumps(changed) == orjson.dumps(document)) == (changed is document)


@settings(max_examples=300, deadline=None)
@given(DOCUMENTS, st.sampled_from("abc"), VALUES, st.sampled_from(["$set", "$unset", "$push", "$addToSet"]))
def test_operators_on_a_plain_name_agree_with_a_model(document: Any, name: str, value: Any, operator: str) -> None:
    try:
        changed = applied(document, {operator: {name: value}})
    except InvalidQuery:
        assert operator in ("$push", "$addToSet")
        assert name in document
        assert not isinstance(document[name], list)
        return
    expected = copy.deepcopy(document)
    if operator == "$set":
        expected[name] = value
    elif operator == "$unset":
        expected.pop(name, None)
    else:
        array = expected.setdefault(name, [])
        is_there = any(orjson.dumps(applied({"a": [e]}, {"$addToSet": {"a": value}})["a"][1:]) == b"[]" for e in array)
        if operator == "$push" or not is_there:
            array.append(value)
    assert orjson.dumps(changed, option=orjson.OPT_SORT_KEYS) == orjson.dumps(expected, option=orjson.OPT_SORT_KEYS)


@pytest.mark.parametrize(
    ("update", "array_filters"),
    [
        (
            {"$set": {f"a.$[x{number}]": 1 for number in range(100)}},
            [{f"x{number}": {"$lt": -number}} for number in range(100)],
        ),
        ({"$pull": {"a": {"$not": {"$lt": 0}, "$nin": [1], "$gt": 10**9}}}, None),
        ({"$pull": {"a": {"$or": [{"b": number} for number in range(100)]}}}, None),
    ],
)
def test_conditions_times_elements_are_bounded(update: Any, array_filters: Any) -> None:
    with pytest.raises(UpdateRefused):
        applied({"a": list(range(400_000)), "n": 1}, update, array_filters=array_filters)


MANY = range(1000)


@pytest.mark.parametrize(
    ("update", "array_filters"),
    [
        ({"$unset": {f"a.$[].x{number}": "" for number in range(600)}}, None),
        ({"$unset": {f"a.$[].x.y{number}.z": "" for number in range(300)}}, None),
        ({"$unset": {f"a.$[x].x{number}": "" for number in range(600)}}, [{"x.n": 1}]),
        ({"$set": {"a.$[x].n": 2}}, [{"$or": [{"x.n": -number} for number in MANY]}]),
        ({"$max": {"a.$[].m": list(MANY)}}, None),
        ({"$addToSet": {"a.$[].m": {"$each": list(MANY)}}}, None),
        ({"$push": {"a.$[].e": {"$each": list(MANY), "$sort": 1, "$slice": 0}}}, None),
    ],
)
def test_what_is_done_to_each_element_is_counted(update: Any, array_filters: Any) -> None:
    document = {"a": [{"n": 1, "m": [*MANY, 2], "e": []} for _ in range(2000)]}
    with pytest.raises(UpdateRefused, match="at most 1000000 tests and changes") as refused:
        applied(document, update, array_filters=array_filters)
    assert refused.value.mongo_code == 2


@pytest.mark.parametrize(
    "update",
    [
        {"$inc": {f"a.$[].x{number}": 1 for number in range(400)}},
        {"$set": {"a.$[]": "x" * 100_000}},
        {"$set": {"a.$[]." + "x" * 100_000: 1}},
        {"$push": {"a.$[].b": {"$each": ["x" * 100_000]}}},
        {"$set": {"b.$[].$[]": "x" * 100_000}},
        {"$set": {f"c.{number}.$[]": "x" * 10_000 for number in range(600)}},
    ],
)
def test_elements_that_grow_beyond_a_document_are_refused_on_the_way(update: Any) -> None:
    document = {"a": [{} for _ in range(1000)], "b": [[1] * 100] * 100, "c": [[1] for _ in MANY]}
    with pytest.raises(TooLarge):
        applied(document, update)


def test_elements_are_counted_once_however_deep_they_lie() -> None:
    document = {"a": [[[[1] * 100] * 5] * 5] * 10}
    changed = applied(document, {"$set": {"a.$[].$[].$[].$[]": "x" * 20}})
    assert changed == {"a": [[[["x" * 20] * 100] * 5] * 5] * 10}


@pytest.mark.parametrize(
    ("element", "paths"),
    [({}, [f"p{number}" for number in range(32)]), ({"a": {"b": [0] * 20}}, ["a", "a.b", "c"])],
)
def test_values_that_a_push_sorts_by_are_bounded(element: Any, paths: list[str]) -> None:
    update = {"$push": {"a": {"$each": [], "$sort": dict.fromkeys(paths, 1)}}}
    assert applied({"a": [element] * 20_000}, update) == {"a": [element] * 20_000}
    with pytest.raises(UpdateRefused) as refused:
        applied({"a": [element] * 40_000}, update)
    assert (refused.value.mongo_code, refused.value.pointer) == (2, "/update/$push/a/$sort")


def test_elements_that_an_array_filter_does_not_mean_cost_its_conditions_alone() -> None:
    document = {"a": [{"n": number} for number in range(2000)]}
    update = {"$inc": {f"a.$[x].x{number}": 1 for number in range(600)}}
    changed = applied(document, update, array_filters=[{"x.n": {"$lt": 5}}])
    assert [len(element) for element in changed["a"]] == [601] * 5 + [1] * 1995


def test_one_change_of_every_element_passes_in_a_large_array() -> None:
    document = {"a": [0] * 500_000}
    assert applied(document, {"$inc": {"a.$[]": 1}}) == {"a": [1] * 500_000}


@pytest.mark.parametrize(
    ("update", "array_filters"),
    [
        ({"$pull": {"a": {"$nor": [{"b": {"$lt": [number]}} for number in range(600)]}}}, None),
        ({"$set": {"a.$[x].c": 1}}, [{"$and": [{"x.b": {"$gt": [number]}} for number in range(600)]}]),
        ({"$pull": {"a": {"b": 1}}}, None),
    ],
)
def test_what_conditions_go_through_in_the_elements_is_counted_over_all_of_them(
    update: Any, array_filters: Any
) -> None:
    element = {"b": [[1] * 2000] + [0] * 2000}
    with pytest.raises(UpdateRefused):
        applied({"a": [element] * 600}, update, array_filters=array_filters)


@pytest.mark.parametrize("path", ["a.1", "a.$[]"])
def test_unset_of_an_element_that_is_null_changes_nothing(path: str) -> None:
    document = {"_id": 1, "a": [None, None]}
    assert applied(document, {"$unset": {path: 1}}) is document
