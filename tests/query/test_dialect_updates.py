"""Cases of updates in the dialect, written from knowledge of it rather than from this engine."""

from __future__ import annotations

from typing import Any

import pytest

from raftdoc.errors import InvalidQuery
from raftdoc.query.context import Context
from raftdoc.query.filter import parse_filter
from raftdoc.query.update import parse_update

NOW: Any = {"$date": "2024-05-01T12:00:00.000Z"}
DEC = {"$numberDecimal": "1.5"}
GRADES = [{"g": 80, "m": 7}, {"g": 90, "m": 8}, {"g": 85, "m": 9}]


def applied(document: Any, update: Any, query: Any = None, array_filters: Any = None) -> Any:
    filter = parse_filter({} if query is None else query)
    assert filter.matches(document)
    parsed = parse_update(update, array_filters, "/update")
    return parsed.apply({"_id": 1, **document}, filter=filter, context=Context(now=NOW), is_insert=False)


DONE: list[tuple[Any, Any, Any]] = [
    # $set, $unset
    ({}, {"$set": {"a": 1}}, {"a": 1}),
    ({"a": 1}, {"$set": {"a": {"b": 2}}}, {"a": {"b": 2}}),
    ({"a": {"b": 1, "c": 2}}, {"$set": {"a.b": 9}}, {"a": {"b": 9, "c": 2}}),
    ({}, {"$set": {"a.b.c": 1}}, {"a": {"b": {"c": 1}}}),
    ({}, {"$set": {"a.0": 1}}, {"a": {"0": 1}}),
    ({"a": [1]}, {"$set": {"a.0": 2}}, {"a": [2]}),
    ({"a": [{"b": 1}]}, {"$set": {"a.0.b": 2, "a.0.c": 3}}, {"a": [{"b": 2, "c": 3}]}),
    ({"a": []}, {"$set": {"a.2": 1}}, {"a": [None, None, 1]}),
    ({"a": 1}, {"$set": {"a": None}}, {"a": None}),
    ({"a": 1}, {"$set": {}}, {"a": 1}),
    ({"a": 1}, {"$unset": {"a": ""}}, {}),
    ({"a": 1}, {"$unset": {"b": ""}}, {"a": 1}),
    ({"a": {"b": 1, "c": 2}}, {"$unset": {"a.b": 1}}, {"a": {"c": 2}}),
    ({"a": {"b": 1}}, {"$unset": {"a.b": 1}}, {"a": {}}),
    ({"a": [1, 2, 3]}, {"$unset": {"a.1": 1}}, {"a": [1, None, 3]}),
    ({"a": [1]}, {"$unset": {"a.5": 1}}, {"a": [1]}),
    # arithmetic
    ({}, {"$inc": {"a": 5}}, {"a": 5}),
    ({"a": 5}, {"$inc": {"a": -7}}, {"a": -2}),
    ({"a": 1.5}, {"$inc": {"a": 1}}, {"a": 2.5}),
    ({"a": DEC}, {"$inc": {"a": 1}}, {"a": {"$numberDecimal": "2.5"}}),
    ({"a": {"b": 1}}, {"$inc": {"a.b": 1, "a.c": 1}}, {"a": {"b": 2, "c": 1}}),
    ({"a": [1, 2]}, {"$inc": {"a.1": 10}}, {"a": [1, 12]}),
    ({"a": 3}, {"$mul": {"a": 4}}, {"a": 12}),
    ({"a": 3}, {"$mul": {"a": 0.5}}, {"a": 1.5}),
    ({}, {"$mul": {"a": 4}}, {"a": 0}),
    ({"a": 5}, {"$min": {"a": 3}}, {"a": 3}),
    ({"a": 5}, {"$min": {"a": 7}}, {"a": 5}),
    ({"a": 5}, {"$max": {"a": 7}}, {"a": 7}),
    ({}, {"$max": {"a": 7}}, {"a": 7}),
    ({"a": 5}, {"$min": {"a": None}}, {"a": None}),
    ({"a": "x"}, {"$max": {"a": 7}}, {"a": "x"}),
    ({"a": None}, {"$max": {"a": 1}}, {"a": 1}),
    ({"a": 5}, {"$max": {"a": 5.0}}, {"a": 5}),
    ({"a": 5}, {"$bit": {"a": {"and": 4}}}, {"a": 4}),
    ({"a": 5}, {"$bit": {"a": {"or": 2}}}, {"a": 7}),
    ({"a": 5}, {"$bit": {"a": {"xor": 7}}}, {"a": 2}),
    ({}, {"$bit": {"a": {"or": 3}}}, {"a": 3}),
    ({}, {"$currentDate": {"a": True}}, {"a": NOW}),
    # $rename
    ({"a": 1}, {"$rename": {"a": "b"}}, {"b": 1}),
    ({"a": 1, "b": 2}, {"$rename": {"a": "b"}}, {"b": 1}),
    ({"a": 1}, {"$rename": {"a": "b.c"}}, {"b": {"c": 1}}),
    ({"a": {"b": 1, "c": 2}}, {"$rename": {"a.b": "d"}}, {"a": {"c": 2}, "d": 1}),
    ({"a": 1}, {"$rename": {"x": "y"}}, {"a": 1}),
    # $push
    ({}, {"$push": {"a": 1}}, {"a": [1]}),
    ({"a": [1]}, {"$push": {"a": [2, 3]}}, {"a": [1, [2, 3]]}),
    ({"a": [1]}, {"$push": {"a": {"$each": [2, 3]}}}, {"a": [1, 2, 3]}),
    ({"a": [1]}, {"$push": {"a": {"$each": []}}}, {"a": [1]}),
    ({}, {"$push": {"a": {"$each": []}}}, {"a": []}),
    ({"a": [1, 2]}, {"$push": {"a": {"$each": [9], "$position": 0}}}, {"a": [9, 1, 2]}),
    ({"a": [1, 2, 3]}, {"$push": {"a": {"$each": [9, 8], "$position": -1}}}, {"a": [1, 2, 9, 8, 3]}),
    ({"a": [1, 2]}, {"$push": {"a": {"$each": [9], "$position": 99}}}, {"a": [1, 2, 9]}),
    ({"a": [1, 2]}, {"$push": {"a": {"$each": [9], "$position": -99}}}, {"a": [9, 1, 2]}),
    ({"a": [1, 2]}, {"$push": {"a": {"$each": [3], "$slice": -2}}}, {"a": [2, 3]}),
    ({"a": [1, 2]}, {"$push": {"a": {"$each": [3], "$slice": 2}}}, {"a": [1, 2]}),
    ({"a": [1, 2]}, {"$push": {"a": {"$each": [3], "$slice": 0}}}, {"a": []}),
    ({"a": [1, 2]}, {"$push": {"a": {"$each": [], "$slice": -1}}}, {"a": [2]}),
    ({"a": [3, 1]}, {"$push": {"a": {"$each": [2], "$sort": 1}}}, {"a": [1, 2, 3]}),
    ({"a": [3, 1]}, {"$push": {"a": {"$each": [], "$sort": -1}}}, {"a": [3, 1]}),
    ({"a": [3, "x", None]}, {"$push": {"a": {"$each": [], "$sort": 1}}}, {"a": [None, 3, "x"]}),
    (
        {"a": [{"s": 3}, {"s": 1}]},
        {"$push": {"a": {"$each": [{"s": 2}], "$sort": {"s": 1}, "$slice": -2}}},
        {"a": [{"s": 2}, {"s": 3}]},
    ),
    (
        {"a": [{"s": {"t": 2}}, {"s": {"t": 1}}]},
        {"$push": {"a": {"$each": [], "$sort": {"s.t": 1}}}},
        {"a": [{"s": {"t": 1}}, {"s": {"t": 2}}]},
    ),
    # $addToSet, $pop, $pull, $pullAll
    ({}, {"$addToSet": {"a": 1}}, {"a": [1]}),
    ({"a": [1]}, {"$addToSet": {"a": 1}}, {"a": [1]}),
    ({"a": [1]}, {"$addToSet": {"a": {"$each": [1, 2, 2]}}}, {"a": [1, 2]}),
    ({"a": [1]}, {"$addToSet": {"a": [1, 2]}}, {"a": [1, [1, 2]]}),
    ({"a": [{"x": 1, "y": 2}]}, {"$addToSet": {"a": {"y": 2, "x": 1}}}, {"a": [{"x": 1, "y": 2}, {"y": 2, "x": 1}]}),
    ({"a": [1, 1]}, {"$addToSet": {"a": 2}}, {"a": [1, 1, 2]}),
    ({"a": [True]}, {"$addToSet": {"a": 1}}, {"a": [True, 1]}),
    ({"a": [1, 2, 3]}, {"$pop": {"a": 1}}, {"a": [1, 2]}),
    ({"a": [1, 2, 3]}, {"$pop": {"a": -1}}, {"a": [2, 3]}),
    ({"a": []}, {"$pop": {"a": 1}}, {"a": []}),
    ({}, {"$pop": {"a": 1}}, {}),
    ({"a": [1, 2, 1]}, {"$pull": {"a": 1}}, {"a": [2]}),
    ({"a": [1, 2, 3]}, {"$pull": {"a": {"$gte": 2}}}, {"a": [1]}),
    ({"a": [1, 2, 3]}, {"$pull": {"a": {"$in": [1, 3]}}}, {"a": [2]}),
    ({"a": [{"x": 1, "y": 2}, {"x": 1}]}, {"$pull": {"a": {"x": 1, "y": 2}}}, {"a": [{"x": 1}]}),
    ({"a": [{"x": 1, "y": 2}, {"x": 2}]}, {"$pull": {"a": {"x": 1}}}, {"a": [{"x": 2}]}),
    ({"a": [{"x": [1, 2]}, {"x": [3]}]}, {"$pull": {"a": {"x": {"$elemMatch": {"$eq": 3}}}}}, {"a": [{"x": [1, 2]}]}),
    ({"a": [[1, 2], [3]]}, {"$pull": {"a": [1, 2]}}, {"a": [[3]]}),
    ({"a": ["ab", "b"]}, {"$pull": {"a": {"$regex": "^a"}}}, {"a": ["b"]}),
    ({"a": [None, 1]}, {"$pull": {"a": None}}, {"a": [1]}),
    ({}, {"$pull": {"a": 1}}, {}),
    ({"a": [1, 2, 3, 2]}, {"$pullAll": {"a": [2, 3]}}, {"a": [1]}),
    ({"a": [{"x": 1}, {"x": 1, "y": 2}]}, {"$pullAll": {"a": [{"x": 1}]}}, {"a": [{"x": 1, "y": 2}]}),
    ({"a": {"b": [1, 2]}}, {"$pull": {"a.b": 1}}, {"a": {"b": [2]}}),
    # replacement and pipelines
    ({"a": 1, "b": 2}, {"c": 3}, {"c": 3}),
    ({"a": 1}, {}, {}),
    ({"a": 1}, [{"$set": {"b": {"$add": ["$a", 1]}}}, {"$unset": "a"}], {"b": 2}),
    ({"a": [1, 2]}, [{"$set": {"n": {"$size": "$a"}}}], {"a": [1, 2], "n": 2}),
    ({"a": 1}, [{"$replaceWith": {"x": "$a"}}], {"x": 1}),
    ({"a": 1}, [{"$set": {"at": "$$NOW"}}], {"a": 1, "at": NOW}),
]


@pytest.mark.parametrize(("document", "update", "expected"), DONE)
def test_update_does(document: Any, update: Any, expected: Any) -> None:
    result = applied(document, update)
    assert list(result.items()) == [("_id", 1), *expected.items()]


PLACES: list[tuple[Any, Any, Any, Any, Any]] = [
    ([1, 5, 9], {"a": 5}, {"$set": {"a.$": 0}}, None, [1, 0, 9]),
    ([1, 5, 9], {"a": {"$gt": 4}}, {"$inc": {"a.$": 1}}, None, [1, 6, 9]),
    (GRADES, {"a.g": 85}, {"$set": {"a.$.m": 6}}, None, [*GRADES[:2], {"g": 85, "m": 6}]),
    (
        GRADES,
        {"a": {"$elemMatch": {"g": {"$gt": 82}, "m": 9}}},
        {"$unset": {"a.$.g": 1}},
        None,
        [*GRADES[:2], {"m": 9}],
    ),
    ([1, 5, 9], None, {"$inc": {"a.$[]": 10}}, None, [11, 15, 19]),
    ([], None, {"$inc": {"a.$[]": 10}}, None, []),
    (GRADES, None, {"$inc": {"a.$[].m": 1}}, None, [{"g": 80, "m": 8}, {"g": 90, "m": 9}, {"g": 85, "m": 10}]),
    ([1, 5, 9], None, {"$set": {"a.$[x]": 0}}, [{"x": {"$gte": 5}}], [1, 0, 0]),
    ([1, 5, 9], None, {"$set": {"a.$[x]": 0}}, [{"x": 7}], [1, 5, 9]),
    (
        GRADES,
        None,
        {"$set": {"a.$[e].m": 0}},
        [{"e.g": {"$gt": 84}}],
        [GRADES[0], {"g": 90, "m": 0}, {"g": 85, "m": 0}],
    ),
    (GRADES, None, {"$set": {"a.$[e].m": 0}}, [{"e.g": {"$gt": 84}, "e.m": 9}], [*GRADES[:2], {"g": 85, "m": 0}]),
    ([1, 5], None, {"$set": {"a.$[x]": 0, "a.$[y]": 9}}, [{"x": 1}, {"y": 5}], [0, 9]),
    ([[1, 2], [3]], None, {"$inc": {"a.$[].$[x]": 5}}, [{"x": {"$gt": 1}}], [[1, 7], [8]]),
    ([{"b": [1, 2]}, {"b": [2]}], None, {"$pull": {"a.$[].b": 2}}, None, [{"b": [1]}, {"b": []}]),
    ([{"b": [1]}], None, {"$push": {"a.$[].b": 2}}, None, [{"b": [1, 2]}]),
    ([1, 2], None, {"$unset": {"a.$[x]": 1}}, [{"x": 2}], [1, None]),
]


@pytest.mark.parametrize(("array", "query", "update", "array_filters", "expected"), PLACES)
def test_update_finds_its_elements(array: Any, query: Any, update: Any, array_filters: Any, expected: Any) -> None:
    assert applied({"a": array}, update, query, array_filters)["a"] == expected


REFUSED: list[tuple[Any, Any, int]] = [
    ({"a": 1}, {"$set": {"a": 1, "a.b": 2}}, 40),
    ({"a": 1}, {"$set": {"a": 1}, "$inc": {"a": 2}}, 40),
    ({}, {"$set": {"_id": 2}}, 66),
    ({}, {"$unset": {"_id": 1}}, 66),
    ({}, {"_id": 2, "a": 1}, 66),
    ({"a": 1}, {"$set": {"a.b": 1}}, 28),
    ({"a": "x"}, {"$inc": {"a": 1}}, 14),
    ({"a": None}, {"$inc": {"a": 1}}, 14),
    ({"a": 1}, {"$inc": {"a": "1"}}, 14),
    ({"a": 2**63 - 1}, {"$inc": {"a": 1}}, 2),
    ({"a": []}, {"$mul": {"a": 1}}, 14),
    ({"a": 1}, {"$push": {"a": 2}}, 2),
    ({"a": 1}, {"$addToSet": {"a": 2}}, 2),
    ({"a": 1}, {"$pop": {"a": 1}}, 14),
    ({"a": [1]}, {"$pop": {"a": 2}}, 9),
    ({"a": 1}, {"$pull": {"a": 1}}, 2),
    ({"a": [1]}, {"$pullAll": {"a": 1}}, 2),
    ({"a": [1]}, {"$push": {"a": {"$each": 1}}}, 2),
    ({"a": [1]}, {"$push": {"a": {"$each": [1], "$slice": "x"}}}, 2),
    ({"a": [1]}, {"$push": {"a": {"$each": [1], "$what": 1}}}, 2),
    ({"a": [1]}, {"$push": {"a": {"$each": [1], "$sort": 2}}}, 2),
    ({"a": [1]}, {"$addToSet": {"a": {"$each": 1}}}, 14),
    ({"a": 1}, {"$rename": {"a": "a"}}, 2),
    ({"a": 1}, {"$rename": {"a": 5}}, 2),
    ({"a": 1.5}, {"$bit": {"a": {"and": 1}}}, 2),
    ({"a": 1}, {"$bit": {"a": {"nand": 1}}}, 2),
    ({"a": 1}, {"$set": {"": 1}}, 56),
    ({"a": 1}, {"$set": {"a.": 1}}, 56),
    ({"a": 1}, {"$set": {"$x": 1}}, 52),
    ({"a": 1}, {"$what": {"a": 1}}, 9),
    ({"a": 1}, {"$set": 5}, 9),
    ({"a": 1}, {"$set": {"a": 1}, "b": 2}, 9),
    ({"a": [1]}, {"$set": {"a.$": 1}}, 2),
    ({"a": [1]}, {"$set": {"a.$[x]": 1}}, 2),
    ({"a": 5}, {"$set": {"a.$[]": 1}}, 2),
    ({}, {"$set": {"a.$[]": 1}}, 2),
    ({"a": [1]}, {"$currentDate": {"a": "now"}}, 2),
    ({"a": [[1]]}, {"$set": {"a.b": 1}}, 28),
    # pipelines
    ({"a": 1}, [{"$nothing": {}}], 40324),
    ({"a": 1}, [{"$match": 1}], 15959),
    ({"a": 1}, [{"$match": {}}], 72),
    ({"a": 1}, [{"$merge": "other"}], 72),
    ({"a": 1}, [{"$set": {}, "$unset": "a"}], 40323),
]


@pytest.mark.parametrize(("document", "update", "mongo_code"), REFUSED)
def test_update_is_refused_with_its_number(document: Any, update: Any, mongo_code: int) -> None:
    with pytest.raises(InvalidQuery) as caught:
        applied(document, update)
    assert caught.value.mongo_code == mongo_code


@pytest.mark.parametrize(
    ("array_filters", "mongo_code"),
    [
        ([{"y": 1}], 2),
        ([{"x": 1}, {"y": 1}], 9),
        ([{"x": 1}, {"x": 2}], 9),
        ([{}], 9),
        ([{"x": 1, "y": 2}], 9),
        ([{"X": 1}], 2),
        ([{"$and": []}], 2),
        ([{"$where": "x"}], 2),
        ([{"$text": {"$search": "x"}}], 2),
        ([{"$expr": {"$gt": ["$x", 1]}}], 224),
        ([{"$comment": "x"}], 9),
        ([5], 14),
        ({"x": 1}, 14),
    ],
)
def test_array_filters_are_refused_with_their_number(array_filters: Any, mongo_code: int) -> None:
    with pytest.raises(InvalidQuery) as caught:
        applied({"a": [1]}, {"$set": {"a.$[x]": 1}}, None, array_filters)
    assert caught.value.mongo_code == mongo_code
