"""What each operator of a filter means, and which filters are refused with which number."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raftdoc.document.value import JsonValue
from raftdoc.errors import InvalidQuery, QueryOverBudget
from raftdoc.query.filter import parse_filter
from tests.document.values import json_values

DATE: JsonValue = {"$date": "2024-05-01T12:00:00Z"}
SAME_DATE: JsonValue = {"$date": {"$numberLong": "1714564800000"}}

HOLDS: list[tuple[Any, Any]] = [
    ({}, {"a": 1}),
    ({"a": None}, {"b": 1}),
    ({"a": None}, {"a": None}),
    ({"a": {"$lte": None}}, {}),
    ({"a": 1}, {"a": 1.0}),
    ({"a": 2}, {"a": {"$numberDecimal": "2.00"}}),
    ({"a": DATE}, {"a": SAME_DATE}),
    ({"a": {"$gt": 1}}, {"a": [0, 5]}),
    ({"a": [1, 2]}, {"a": [1, 2]}),
    ({"a": [1, 2]}, {"a": [[1, 2], 3]}),
    ({"a": {"$gt": 4, "$lt": 2}}, {"a": [1, 5]}),
    ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 2}}),
    ({"a.b": 1}, {"a": [{"b": 1}, {"b": 2}]}),
    ({"a.0": 5}, {"a": [5]}),
    ({"a.0": 5}, {"a": {"0": 5}}),
    ({"a.0.b": 5}, {"a": [{"b": 5}]}),
    ({"a": {"$ne": 3}}, {"a": [1, 2]}),
    ({"a": {"$in": [None]}}, {}),
    ({"a": {"$in": [True, "x"]}}, {"a": True}),
    ({"a": {"$nin": [1, 2]}}, {}),
    ({"a": {"$exists": True}}, {"a": None}),
    ({"a": {"$exists": 0}}, {}),
    ({"a": {"$type": "array"}}, {"a": []}),
    ({"a": {"$type": ["int", "string"]}}, {"a": 5}),
    ({"a": {"$type": "long"}}, {"a": 1 << 40}),
    ({"a": {"$type": 9}}, {"a": DATE}),
    ({"a": {"$all": [1, [2]]}}, {"a": [1, [2]]}),
    ({"a": {"$all": [{"$elemMatch": {"b": 1}}]}}, {"a": [{"b": 1}]}),
    ({"a": {"$elemMatch": {"$gt": 1, "$lt": 3}}}, {"a": [0, 2]}),
    ({"a": {"$elemMatch": {"b": 1, "c": 2}}}, {"a": [{"b": 1}, {"b": 1, "c": 2}]}),
    ({"a": {"$elemMatch": {"0": 1}}}, {"a": [[1]]}),
    ({"a": {"$size": 2}}, {"a": [1, 2]}),
    ({"a": {"$regex": "^ab"}}, {"a": ["x", "abc"]}),
    ({"a": {"$regex": "^AB", "$options": "i"}}, {"a": "abc"}),
    ({"a": {"$regex": "c$"}}, {"a": "abc\n"}),
    ({"a": {"$mod": [4, -1]}}, {"a": -5}),
    ({"a": {"$mod": [4.9, 1]}}, {"a": 5.7}),
    ({"a": {"$bitsAllSet": [0, 2]}}, {"a": 5}),
    ({"a": {"$bitsAnySet": [63]}}, {"a": -1}),
    ({"a": {"$bitsAllClear": 2}}, {"a": 5.0}),
    ({"a": {"$not": {"$gt": 1}}}, {}),
    ({"$or": [{"a": 1}, {"b": 1}]}, {"b": 1}),
    ({"$nor": [{"a": 1}]}, {"a": 2}),
    ({"$expr": {"$gt": ["$a", "$b"]}}, {"a": 2, "b": 1}),
    ({"$jsonSchema": {"required": ["a"], "properties": {"a": {"bsonType": "int", "minimum": 1}}}}, {"a": 1}),
    ({"$jsonSchema": {"properties": {"a": {"multipleOf": 0.1}}}}, {"a": 0.3}),
    ({"$comment": "why"}, {}),
]
FAILS: list[tuple[Any, Any]] = [
    ({"a": None}, {"a": []}),
    ({"a": None}, {"a": 0}),
    ({"a.b": None}, {"a": [1, 2]}),
    ({"a": 1}, {"a": True}),
    ({"a": True}, {"a": 1}),
    ({"a": {"$in": [1]}}, {"a": True}),
    ({"a": {"$gt": 1}}, {"a": "2"}),
    ({"a": {"$gt": None}}, {}),
    ({"a": {"b": 1, "c": 2}}, {"a": {"c": 2, "b": 1}}),
    ({"a.b": 1}, {"a": [[{"b": 1}]]}),
    ({"a.01": 5}, {"a": [1, 5]}),
    ({"a.$date": DATE}, {"a": DATE}),
    ({"a": {"$ne": 1}}, {"a": [1, 2]}),
    ({"a": {"$all": []}}, {"a": []}),
    ({"a": {"$elemMatch": {"$gt": 4, "$lt": 2}}}, {"a": [1, 5]}),
    ({"a": {"$elemMatch": {"$gt": 1}}}, {"a": 2}),
    ({"a": {"$size": 0}}, {}),
    ({"a": {"$type": "number"}}, {"a": True}),
    ({"a": {"$bitsAnySet": 1}}, {"a": 1.5}),
    ({"a": {"$mod": [2, 0]}}, {"a": True}),
]


@pytest.mark.parametrize(("filter", "document"), HOLDS)
def test_filter_matches(filter: Any, document: Any) -> None:
    assert parse_filter(filter).matches(document)


@pytest.mark.parametrize(("filter", "document"), FAILS)
def test_filter_does_not_match(filter: Any, document: Any) -> None:
    assert not parse_filter(filter).matches(document)


@pytest.mark.parametrize(
    ("filter", "pointer", "code"),
    [
        (1, "/filter", 14),
        ({"$where": "1"}, "/filter/$where", 2),
        ({"$near": 1}, "/filter/$near", 2),
        ({"a": {"$near": 1}}, "/filter/a/$near", 5626500),
        ({"a": {"$gt": 1, "b": 2}}, "/filter/a/b", 2),
        ({"$and": []}, "/filter/$and", 2),
        ({"$or": [{"a": 1}, 2]}, "/filter/$or/1", 2),
        ({"$and": [{"a/b": {"$in": 1}}]}, "/filter/$and/0/a~1b/$in", 2),
        ({"a": {"$in": [{"$gt": 1}]}}, "/filter/a/$in/0", 2),
        ({"a": {"$not": {}}}, "/filter/a/$not", 2),
        ({"a": {"$not": 1}}, "/filter/a/$not", 2),
        ({"a": {"$size": -1}}, "/filter/a/$size", 2),
        ({"a": {"$mod": [0, 1]}}, "/filter/a/$mod/0", 2),
        ({"a": {"$type": "nothing"}}, "/filter/a/$type", 2),
        ({"a": {"$type": []}}, "/filter/a/$type", 9),
        ({"a": {"$type": True}}, "/filter/a/$type", 14),
        ({"a": {"$bitsAllSet": -1}}, "/filter/a/$bitsAllSet", 9),
        ({"a": {"$bitsAllSet": [-1]}}, "/filter/a/$bitsAllSet/0", 2),
        ({"a": {"$regex": "("}}, "/filter/a/$regex", 51091),
        ({"a": {"$regex": "(?=a)"}}, "/filter/a/$regex", 51091),
        ({"a": {"$regex": "a", "$options": "g"}}, "/filter/a/$regex", 51108),
        ({"a": {"$options": "i"}}, "/filter/a/$options", 2),
        ({"a": {"$elemMatch": {"$expr": True}}}, "/filter/a/$elemMatch/$expr", 2),
        ({"a": {"$eq": {"$date": "soon"}}}, "/filter/a/$eq", 2),
        ({"a": [{"$oid": "x"}]}, "/filter/a/0", 2),
        ({"$jsonSchema": {"properties": {"x": {"minLength": "1"}}}}, "/filter/$jsonSchema/properties/x/minLength", 9),
        ({"$jsonSchema": {"nothing": 1}}, "/filter/$jsonSchema/nothing", 9),
    ],
)
def test_filter_is_refused_at_its_place_with_its_number(filter: Any, pointer: str, code: int) -> None:
    with pytest.raises(InvalidQuery) as caught:
        parse_filter(filter, "/filter")
    assert (caught.value.pointer, caught.value.mongo_code) == (pointer, code)


def test_filter_that_is_too_deep_is_refused() -> None:
    filter: JsonValue = {"a": 1}
    for _ in range(101):
        filter = {"$and": [filter]}
    with pytest.raises(InvalidQuery, match="levels"):
        parse_filter(filter)


@pytest.mark.parametrize(
    ("filter", "pointer"),
    [
        ({"a": {"$in": [1] * 4097}}, "/a/$in"),
        ({"a": {"$not": {"$all": [1] * 4097}}}, "/a/$not/$all"),
    ],
)
def test_filter_that_is_too_long_is_refused(filter: Any, pointer: str) -> None:
    with pytest.raises(InvalidQuery, match="4096") as caught:
        parse_filter(filter)
    assert caught.value.pointer == pointer


@pytest.mark.parametrize(
    ("filter", "document", "path", "place"),
    [
        ({"a": {"$gte": 85}}, {"a": [70, 87, 90]}, "a", 1),
        ({"a.b": 2}, {"a": [{"b": 1}, {"b": 2}]}, "a", 1),
        ({"a": {"$elemMatch": {"b": 2}}}, {"a": [{"b": 1}, {"b": 2}]}, "a", 1),
        ({"a": {"$gt": 1, "$lt": 5}}, {"a": [1, 2, 9]}, "a", 1),
        ({"a": 1, "b": 2}, {"a": [0, 1], "b": [2]}, "a", 1),
        ({"a": 1, "b": 2}, {"a": [0, 1], "b": [2]}, "b", 0),
        ({"b": 2}, {"a": [0, 1], "b": [1, 2]}, "a", 1),
        ({"$or": [{"a": 7}, {"a": 1}]}, {"a": [0, 1]}, "a", 1),
        ({"a": {"$not": {"$lt": 0}}}, {"a": [0, 1]}, "a", None),
        ({"a": {"$size": 2}}, {"a": [0, 1]}, "a", None),
        ({"a.0": 0}, {"a": [0, 1]}, "a", None),
    ],
)
def test_position_is_the_element_that_met_the_condition(filter: Any, document: Any, path: str, place: Any) -> None:
    parsed = parse_filter(filter)
    assert parsed.matches(document)
    assert parsed.position(document, tuple(path.split("."))) == place


LONG_ARRAY = {"a": list(range(20_000)), "o": [{"b": [1] * 200} for _ in range(100)]}
MANY = range(600)


@pytest.mark.parametrize(
    "spec",
    [
        {"$or": [{"a": -number - 1} for number in MANY]},
        {"$nor": [{"a": {"$gt": 10**6 + number}} for number in MANY]},
        {"o": {"$elemMatch": {"$or": [{"b": -number} for number in MANY]}}},
        {"$jsonSchema": {"properties": {"a": {"items": {"allOf": [{"minimum": -number} for number in MANY]}}}}},
    ],
)
def test_long_filter_over_long_arrays_is_refused_not_worked_off(spec: Any) -> None:
    with pytest.raises(QueryOverBudget):
        parse_filter(spec).matches(LONG_ARRAY)


SOME = range(300)
WHOLE = [[1] * 40_000]
NESTED: Any = [1] * 15_000
for _ in range(48):
    NESTED = [{"0": NESTED}]
BINARY = {"$binary": {"base64": "AAAA" * 200_000, "subType": "00"}}


@pytest.mark.parametrize(
    ("spec", "value"),
    [
        ({"$nor": [{"a": {"$lt": [-number]}} for number in SOME]}, WHOLE),
        ({"$nor": [{"a": {"$in": [[number]]}} for number in SOME]}, WHOLE),
        ({"$nor": [{"a": {"$lt": {"b": number}}} for number in SOME]}, {"b": 10**6, "c": WHOLE}),
        ({"$nor": [{"a": {"$lt": {"$binary": {"base64": "AAAA", "subType": "00"}}}}] * 300}, BINARY),
        ({"$nor": [{"a": {"$mod": [7, 3]}}] * 15}, [0] * 400_000),
        ({"$nor": [{f"a.b{number}": 1} for number in range(16)]}, [{}] * 200_000),
        ({"$nor": [{f"a.b{number}": 1} for number in SOME]}, [0] * 15_000),
        ({"$nor": [{"a" + ".0" * 96 + f".z{number}": 1} for number in range(16)]}, NESTED),
        ({"$nor": [{"a": {"$elemMatch": {"b": number}}} for number in SOME]}, [0] * 15_000),
    ],
)
def test_what_each_condition_goes_through_is_counted(spec: Any, value: Any) -> None:
    with pytest.raises(QueryOverBudget):
        parse_filter(spec).matches({"a": value})


@pytest.mark.parametrize(
    ("spec", "value"),
    [
        ({"$nor": [{"a": {"$bitsAnySet": 1}}] * 300}, BINARY),
        ({"$nor": [{"a": [number]} for number in SOME]}, [0] * 1000),
        ({"$nor": [{"a": {"$lt": 0}}, {"a": 1}, {"a": {"$mod": [7, 3]}}]}, [2] * 400_000),
    ],
)
def test_large_values_are_read_once_and_large_documents_gone_through_a_few_times(spec: Any, value: Any) -> None:
    assert parse_filter(spec).matches({"a": value})


@given(
    st.lists(st.fixed_dictionaries({"a": json_values}), max_size=4),
    json_values,
    st.sampled_from(["$lt", "$in", "$gte"]),
)
@settings(max_examples=200, deadline=None)
def test_what_a_document_counts_does_not_depend_on_those_before_it(documents: Any, value: Any, operator: str) -> None:
    operand = [value] if operator == "$in" else value
    for spec in ({"a": {operator: operand}}, {"a.b": {operator: operand}}, {"a": {operator: operand, "$mod": [2, 0]}}):
        used = parse_filter(spec)
        for document in [*documents, {"a": [[0] * 200]}, *documents]:
            assert used.judge(document) == parse_filter(spec).judge(document)


def test_long_filter_is_as_good_as_a_short_one_and_counts_anew_for_each_document() -> None:
    long = parse_filter({"$or": [{"a": number} for number in range(1000)]})
    assert [long.matches({"a": [number, -1]}) for number in range(990, 1010)] == [True] * 10 + [False] * 10
    assert all(long.matches({"a": list(range(1000 - number, 1800))}) for number in range(1, 5))
