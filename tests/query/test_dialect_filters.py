"""Cases of filters and orders in the dialect, written from knowledge of it rather than from this engine."""

from __future__ import annotations

from typing import Any

import pytest

from raftdoc.errors import InvalidQuery
from raftdoc.query.context import Context
from raftdoc.query.filter import parse_filter
from raftdoc.query.projection import parse_projection
from raftdoc.query.sort import parse_sort

OID = {"$oid": "65f0c0ffee65f0c0ffee65f0"}
DAY = {"$date": "2024-02-29T00:00:00Z"}
NEXT_DAY = {"$date": "2024-03-01T00:00:00Z"}
DEC = {"$numberDecimal": "2.50"}
BIN = {"$binary": {"base64": "BQ==", "subType": "00"}}
ROWS = [{"p": 1, "q": 5}, {"p": 2, "q": 6}]

YES: list[tuple[Any, Any]] = [
    # null and missing
    ({}, {"a": None}),
    ({"a": None}, {"a": None}),
    ({"a": [1, None]}, {"a": None}),
    ({"a": 5}, {"a.b": None}),
    ({"a": [{"b": 1}, {}]}, {"a.b": None}),
    ({"a": [{"b": 1}, {"b": None}]}, {"a.b": None}),
    ({"a": []}, {"a": {"$ne": None}}),
    ({"a": None}, {"a": {"$gte": None}}),
    ({}, {"a": {"$lte": None}}),
    ({}, {"a": {"$in": [None, 1]}}),
    ({"a": None}, {"a": {"$exists": True}}),
    ({"a": None}, {"a": {"$type": "null"}}),
    ({}, {"a": {"$not": {"$type": "null"}}}),
    ({}, {"a": {"$ne": 1}}),
    ({}, {"a": {"$nin": [1, 2]}}),
    ({}, {"a": {"$not": {"$gt": 1}}}),
    # type bracketing
    ({"a": "5"}, {"a": {"$not": {"$gt": 1}}}),
    ({"a": "b"}, {"a": {"$gt": "a"}}),
    ({"a": False}, {"a": {"$lt": True}}),
    ({"a": True}, {"a": {"$gt": False}}),
    ({"a": DAY}, {"a": {"$lt": NEXT_DAY}}),
    ({"a": {"x": 2}}, {"a": {"$gt": {"x": 1}}}),
    ({"a": DEC}, {"a": 2.5}),
    ({"a": 2.5}, {"a": DEC}),
    ({"a": 2**53 + 1}, {"a": {"$gt": 2**53}}),
    ({"a": 2**53 + 1}, {"a": {"$gt": float(2**53)}}),
    ({"a": OID}, {"a": OID}),
    ({"a": OID}, {"a": {"$type": "objectId"}}),
    # arrays
    ({"a": [1, 2, 3]}, {"a": 2}),
    ({"a": [1, 2, 3]}, {"a": [1, 2, 3]}),
    ({"a": [[1, 2, 3]]}, {"a": [1, 2, 3]}),
    ({"a": [1, 9]}, {"a": {"$gt": 5, "$lt": 3}}),
    ({"a": [[5]]}, {"a.0.0": 5}),
    ({"a": [5, 6]}, {"a.1": 6}),
    ({"a": {"1": 6}}, {"a.1": 6}),
    ({"a": [{"1": 6}]}, {"a.1": 6}),
    ({"a": [{"b": [1, 2]}]}, {"a.b": 2}),
    ({"a": [{"b": [1, 2]}]}, {"a.b": [1, 2]}),
    ({"a": [{"b": [1, 2]}]}, {"a.0.b.1": 2}),
    ({"a": [{"b": [{"c": 7}]}]}, {"a.b.c": 7}),
    ({"a": [[2, 3], 1]}, {"a": {"$gt": [2, 2]}}),
    ({"a": [1, 2]}, {"a": {"$lt": [1, 3]}}),
    ({"a": [1, 2]}, {"a": {"$in": [[1, 2], 7]}}),
    ({"a": [1, 2]}, {"a": {"$type": "array"}}),
    ({"a": [1, "x"]}, {"a": {"$type": "string"}}),
    ({"a": [[1]]}, {"a": {"$type": "array"}}),
    ({"a": []}, {"a": {"$size": 0}}),
    ({"a": []}, {"a": []}),
    ({"a": [1, 2]}, {"a": {"$not": {"$size": 1}}}),
    ({"a": [1, 2]}, {"a": {"$exists": True}}),
    ({"a": []}, {"a.0": {"$exists": False}}),
    ({"a": [4]}, {"a.0": {"$exists": True}}),
    # $all
    ({"a": [1, 2, 3]}, {"a": {"$all": [3, 1]}}),
    ({"a": 5}, {"a": {"$all": [5]}}),
    ({"a": 5}, {"a": {"$all": [5, 5]}}),
    ({"a": [[1, 2]]}, {"a": {"$all": [[1, 2]]}}),
    ({"a": [1, 2]}, {"a": {"$all": [[1, 2]]}}),
    ({"a": ROWS}, {"a": {"$all": [{"$elemMatch": {"p": 1}}, {"$elemMatch": {"q": 6}}]}}),
    # $elemMatch
    ({"a": [1, 4, 9]}, {"a": {"$elemMatch": {"$gt": 3, "$lt": 5}}}),
    ({"a": ROWS}, {"a": {"$elemMatch": {"p": 2, "q": 6}}}),
    ({"a": ROWS}, {"a": {"$elemMatch": {"$or": [{"p": 9}, {"q": 5}]}}}),
    ({"a": [[1, 5]]}, {"a": {"$elemMatch": {"$elemMatch": {"$gt": 4}}}}),
    ({"a": [[7]]}, {"a": {"$elemMatch": {"0": 7}}}),
    ({"a": [{"b": [1, 2]}]}, {"a": {"$elemMatch": {"b": 2}}}),
    ({"a": [{}]}, {"a": {"$elemMatch": {"b": None}}}),
    ({"a": [{"b": ROWS}]}, {"a.b": {"$elemMatch": {"p": 1, "q": 5}}}),
    ({"a": [1, 2]}, {"a": {"$not": {"$elemMatch": {"$gt": 2}}}}),
    ({"a": 4}, {"a": {"$not": {"$elemMatch": {"$gt": 2}}}}),
    ({"a": [3]}, {"a": {"$elemMatch": {"$nin": [1, 2]}}}),
    ({"a": [None]}, {"a": {"$elemMatch": {"$eq": None}}}),
    # objects
    ({"a": {"x": 1, "y": 2}}, {"a": {"x": 1, "y": 2}}),
    ({"a": {"x": 1, "y": 2}}, {"a.y": 2, "a.x": 1}),
    ({"a": {}}, {"a": {}}),
    ({"a": {"x": 1.0}}, {"a": {"x": 1}}),
    # logic
    ({"a": 1}, {"$and": [{"a": 1}, {"b": None}]}),
    ({"a": 1}, {"$or": [{"a": 2}, {"a": 1}]}),
    ({"a": 1}, {"$nor": [{"a": 2}, {"b": 1}]}),
    ({"a": [1, 2]}, {"$and": [{"a": 1}, {"a": 2}]}),
    ({"a": "Anna"}, {"a": {"$not": {"$regex": "^B"}}}),
    ({"a": 3}, {"a": {"$not": {"$lt": 2}}}),
    # numbers
    ({"a": 7}, {"a": {"$mod": [4, 3]}}),
    ({"a": -7}, {"a": {"$mod": [4, -3]}}),
    ({"a": 7.9}, {"a": {"$mod": [4, 3]}}),
    ({"a": [1, 8]}, {"a": {"$mod": [4, 0]}}),
    ({"a": 7}, {"a": {"$mod": [4.9, 3]}}),
    ({"a": 5}, {"a": {"$bitsAllSet": [0, 2]}}),
    ({"a": 5}, {"a": {"$bitsAllClear": 2}}),
    ({"a": 5}, {"a": {"$bitsAnySet": 6}}),
    ({"a": 5}, {"a": {"$bitsAnyClear": 6}}),
    ({"a": -1}, {"a": {"$bitsAllSet": [0, 63, 200]}}),
    ({"a": BIN}, {"a": {"$bitsAllSet": [0, 2]}}),
    ({"a": 5}, {"a": {"$type": 16}}),
    ({"a": 5}, {"a": {"$type": "number"}}),
    ({"a": 5.5}, {"a": {"$type": "double"}}),
    ({"a": 2**40}, {"a": {"$type": "long"}}),
    ({"a": DEC}, {"a": {"$type": ["string", "decimal"]}}),
    # text
    ({"a": "Hello"}, {"a": {"$regex": "hell", "$options": "i"}}),
    ({"a": "a\nb"}, {"a": {"$regex": "^b", "$options": "m"}}),
    ({"a": "a\nb"}, {"a": {"$regex": "a.b", "$options": "s"}}),
    ({"a": "ab"}, {"a": {"$regex": "a b # text", "$options": "x"}}),
    ({"a": ["x", "abc"]}, {"a": {"$regex": "b"}}),
    ({"a": "äö"}, {"a": {"$regex": "^.{2}$"}}),
    # expressions
    ({"a": 3, "b": 2}, {"$expr": {"$gt": ["$a", "$b"]}}),
    ({"a": [1]}, {"$expr": {"$gt": ["$a", 5]}}),
    ({}, {"$expr": {"$lt": ["$a", None]}}),
    ({"a": 0}, {"$expr": {"$not": ["$a"]}}),
]

NO: list[tuple[Any, Any]] = [
    ({"a": []}, {"a": None}),
    ({"a": [1]}, {"a": None}),
    ({"a": []}, {"a": {"$in": [None]}}),
    ({"a": [1, None]}, {"a": {"$ne": None}}),
    ({"a": [{"b": 1}]}, {"a.b": None}),
    ({}, {"a": {"$exists": True}}),
    ({}, {"a": {"$gt": None}}),
    ({"a": 0}, {"a": None}),
    ({"a": False}, {"a": 0}),
    ({"a": 1}, {"a": True}),
    ({"a": True}, {"a": {"$in": [1]}}),
    ({"a": "5"}, {"a": {"$gt": 1}}),
    ({"a": 5}, {"a": {"$lt": "a"}}),
    ({"a": DAY}, {"a": {"$gt": 0}}),
    ({"a": OID}, {"a": OID["$oid"]}),
    ({"a": [1, 2]}, {"a": {"$ne": 1}}),
    ({"a": [1, 2]}, {"a": {"$nin": [2]}}),
    ({"a": [1, 2]}, {"a": [2, 1]}),
    ({"a": [1, 2, 3]}, {"a": [1, 2]}),
    ({"a": [1, 2]}, {"a": {"$not": {"$gt": 1}}}),
    ({"a": [[5]]}, {"a": 5}),
    ({"a": [[{"b": 1}]]}, {"a.b": 1}),
    ({"a": [5]}, {"a.00": 5}),
    ({"a": 5}, {"a.0": 5}),
    ({"a": [1, 2]}, {"a": {"$all": []}}),
    ({"a": [1]}, {"a": {"$all": [1, 2]}}),
    ({"a": 1}, {"a": {"$size": 1}}),
    ({}, {"a": {"$size": 0}}),
    ({"a": [1, 9]}, {"a": {"$elemMatch": {"$gt": 3, "$lt": 5}}}),
    ({"a": ROWS}, {"a": {"$elemMatch": {"p": 1, "q": 6}}}),
    ({"a": 4}, {"a": {"$elemMatch": {"$gt": 3}}}),
    ({"a": {"p": 1}}, {"a": {"$elemMatch": {"p": 1}}}),
    ({"a": [{}]}, {"a": {"$elemMatch": {"$exists": False}}}),
    ({"a": {"x": 1, "y": 2}}, {"a": {"y": 2, "x": 1}}),
    ({"a": {"x": 1, "y": 2}}, {"a": {"x": 1}}),
    ({"a": {"b.c": 1}}, {"a.b.c": 1}),
    ({"a": 1}, {"$nor": [{"a": 1}, {"b": 2}]}),
    ({"a": "x"}, {"a": {"$mod": [2, 0]}}),
    ({"a": 5.5}, {"a": {"$bitsAllSet": 1}}),
    ({"a": True}, {"a": {"$type": "number"}}),
    ({"a": [1, 2]}, {"a": {"$type": "object"}}),
    ({"a": 5}, {"a": {"$regex": "5"}}),
    ({"a": "a\nb"}, {"a": {"$regex": "a.b"}}),
    ({"a": [5]}, {"$expr": {"$eq": ["$a", 5]}}),
    ({}, {"$expr": {"$eq": ["$a", None]}}),
    ({"a": "5"}, {"$expr": {"$lt": ["$a", 10]}}),
    ({"a": 2**53}, {"a": 2**53 + 1}),
    ({"a": DAY}, {"a": "2024-02-29T00:00:00Z"}),
]


@pytest.mark.parametrize(("document", "filter"), YES)
def test_filter_matches(document: Any, filter: Any) -> None:
    assert parse_filter(filter).matches(document)


@pytest.mark.parametrize(("document", "filter"), NO)
def test_filter_does_not_match(document: Any, filter: Any) -> None:
    assert not parse_filter(filter).matches(document)


ORDERS: list[tuple[Any, list[Any]]] = [
    ({"a": 1}, [{"a": []}, {}, {"a": 1}, {"a": "x"}, {"a": {"z": 0}}, {"a": BIN}, {"a": OID}, {"a": True}, {"a": DAY}]),
    ({"a": -1}, [{"a": DAY}, {"a": True}, {"a": "x"}, {"a": 1}, {"a": None}, {"a": []}]),
    ({"a": 1}, [{"a": [9, 1]}, {"a": 2}, {"a": [3, 4]}]),
    ({"a": -1}, [{"a": [9, 1]}, {"a": 5}, {"a": [3, 4]}]),
    ({"a": 1}, [{"a": [None, 9]}, {"a": -5}]),
    ({"a": 1}, [{"a": 1}, {"a": DEC}, {"a": 2.6}, {"a": 3}]),
    ({"a": 1}, [{"a": -(2**63)}, {"a": -1.5}, {"a": 2**53}, {"a": 2**53 + 1}]),
    ({"a": 1}, [{"a": "A"}, {"a": "B"}, {"a": "a"}, {"a": "ä"}]),
    ({"a": 1}, [{"a": {"x": 1}}, {"a": {"x": 2}}, {"a": {"y": 0}}, {"a": {"x": "s"}}]),
    ({"a.b": 1}, [{"a": [{"b": 1}, {"b": 9}]}, {"a": {"b": 2}}, {"a": [{"b": 3}]}]),
    ({"a.b": -1}, [{"a": [{"b": 1}, {"b": 9}]}, {"a": [{"b": 3}]}, {"a": {"b": 2}}, {"a": 1}]),
    ({"a": 1, "b": -1}, [{"a": 1, "b": 2}, {"a": 1, "b": 1}, {"a": 2, "b": 9}]),
    ({"a": 1}, [{"a": ""}, {"a": "\x00"}, {"a": "a"}, {"a": "a\x00"}, {"a": "ab"}]),
    ({"a": 1}, [{"a": [[]]}, {"a": [[1]]}, {"a": [[2]]}]),
    ({"a": 1}, [{"a": False}, {"a": True}]),
]


@pytest.mark.parametrize(("order", "documents"), ORDERS)
def test_documents_come_in_order(order: Any, documents: list[Any]) -> None:
    sort = parse_sort(order, "/sort")
    keys = [sort.key(document) for document in documents]
    assert keys == sorted(keys)
    assert len(set(keys)) == len(keys)


SHOWN: list[tuple[Any, Any, Any]] = [
    ({"_id": 1, "a": 1, "b": 2}, {"a": 1}, {"_id": 1, "a": 1}),
    ({"_id": 1, "a": 1, "b": 2}, {"a": True, "_id": False}, {"a": 1}),
    ({"_id": 1, "a": 1, "b": 2}, {"a": 0}, {"_id": 1, "b": 2}),
    ({"_id": 1, "a": 1}, {"_id": 0}, {"a": 1}),
    ({"_id": 1, "a": 1}, {"_id": 1}, {"_id": 1}),
    ({"_id": 1, "a": {"x": 1, "y": 2}}, {"a.x": 1}, {"_id": 1, "a": {"x": 1}}),
    ({"_id": 1, "a": {"x": 1, "y": 2}}, {"a": {"y": 1}}, {"_id": 1, "a": {"y": 2}}),
    ({"_id": 1, "a": {"x": 1, "y": 2}}, {"a.x": 0}, {"_id": 1, "a": {"y": 2}}),
    ({"_id": 1, "a": [{"x": 1, "y": 2}, 5, {"y": 3}]}, {"a.x": 1}, {"_id": 1, "a": [{"x": 1}, {}]}),
    ({"_id": 1, "a": [{"x": 1, "y": 2}, 5]}, {"a.x": 0}, {"_id": 1, "a": [{"y": 2}, 5]}),
    ({"_id": 1, "a": [1, 2, 3, 4]}, {"a": {"$slice": 2}}, {"_id": 1, "a": [1, 2]}),
    ({"_id": 1, "a": [1, 2, 3, 4]}, {"a": {"$slice": -2}}, {"_id": 1, "a": [3, 4]}),
    ({"_id": 1, "a": [1, 2, 3, 4]}, {"a": {"$slice": [1, 2]}}, {"_id": 1, "a": [2, 3]}),
    ({"_id": 1, "a": [1, 2, 3, 4]}, {"a": {"$slice": [-3, 2]}}, {"_id": 1, "a": [2, 3]}),
    ({"_id": 1, "a": [1, 2], "b": 3}, {"a": {"$slice": [-9, 1]}}, {"_id": 1, "a": [1], "b": 3}),
    ({"_id": 1, "a": [1, 2], "b": 3}, {"a": {"$slice": 1}, "b": 1}, {"_id": 1, "a": [1], "b": 3}),
    ({"_id": 1, "a": 5}, {"a": {"$slice": 1}}, {"_id": 1, "a": 5}),
    ({"_id": 1, "a": ROWS}, {"a": {"$elemMatch": {"q": {"$gt": 5}}}}, {"_id": 1, "a": [{"p": 2, "q": 6}]}),
    ({"_id": 1, "a": ROWS, "b": 1}, {"a": {"$elemMatch": {"q": 99}}}, {"_id": 1}),
    ({"_id": 1, "a": [1, 5, 9], "b": 1}, {"a": {"$elemMatch": {"$gt": 3}}}, {"_id": 1, "a": [5]}),
    ({"_id": 1, "a": 2}, {"b": {"$add": ["$a", 1]}}, {"_id": 1, "b": 3}),
    ({"_id": 1, "a": 2}, {"a": "text"}, {"_id": 1, "a": "text"}),
    ({"_id": 1, "a": 2}, {"b": "$a"}, {"_id": 1, "b": 2}),
    ({"_id": 1, "a": 2}, {"b": "$x"}, {"_id": 1}),
    ({"_id": 1, "a": None}, {"a": 1}, {"_id": 1, "a": None}),
    ({"_id": 1, "a": 7}, {"a.b": 1}, {"_id": 1}),
    ({"_id": 1, "b": 1, "a": 2}, {"a": 1, "b": 1}, {"_id": 1, "b": 1, "a": 2}),
]


@pytest.mark.parametrize(("document", "projection", "expected"), SHOWN)
def test_projection_shows(document: Any, projection: Any, expected: Any) -> None:
    shown = parse_projection(projection, "/projection").apply(document, parse_filter({}), Context())
    assert list(shown.items()) == list(expected.items())


@pytest.mark.parametrize(
    ("filter", "expected"),
    [
        ({"a": 5}, [5]),
        ({"a": {"$gt": 3, "$lt": 8}}, [5]),
        ({"a": {"$elemMatch": {"$gt": 5}}}, [9]),
        ({"a": {"$in": [9, 1]}}, [1]),
    ],
)
def test_positional_projection_shows_the_element_that_matched(filter: Any, expected: Any) -> None:
    document = {"_id": 1, "a": [1, 5, 9]}
    parsed = parse_filter(filter)
    assert parsed.matches(document)
    assert parse_projection({"a.$": 1}, "").apply(document, parsed, Context())["a"] == expected


@pytest.mark.parametrize("values", [[1, 1.0], [None, None], [{"a": [1]}, {"a": [1.0]}]])
def test_enum_of_a_schema_names_no_value_twice(values: Any) -> None:
    with pytest.raises(InvalidQuery) as caught:
        parse_filter({"$jsonSchema": {"properties": {"a": {"enum": values}}}})
    assert (caught.value.pointer, caught.value.mongo_code) == ("/$jsonSchema/properties/a/enum", 9)
    assert parse_filter({"$jsonSchema": {"enum": [1, True, "1"]}}).matches({}) is False
