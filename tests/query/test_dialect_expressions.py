"""Cases of expressions in the dialect, written from knowledge of it rather than from this engine."""

from __future__ import annotations

from typing import Any

import pytest

from raftdoc.errors import InvalidQuery
from raftdoc.query.context import Context
from raftdoc.query.expression import MISSING, evaluate, parse_expression

D = {"$date": "2024-02-29T23:30:15.250Z"}
DOC: dict[str, Any] = {
    "i": 7,
    "f": 2.5,
    "s": "Hello",
    "u": "äöü",
    "z": None,
    "e": [],
    "a": [3, 1, 2],
    "o": {"p": 1, "q": 2},
    "r": [{"k": "x", "v": 1}, {"k": "y", "v": 2}],
    "t": True,
    "d": D,
}


def date(text: str) -> dict[str, str]:
    return {"$date": text}


VALUES: list[tuple[Any, Any]] = [
    # arithmetic
    ({"$add": ["$i", "$f"]}, 9.5),
    ({"$add": ["$i", "$z"]}, None),
    ({"$add": ["$i", "$missing"]}, None),
    ({"$add": []}, 0),
    ({"$subtract": [5, 7]}, -2),
    ({"$multiply": [2, 3.5]}, 7.0),
    ({"$divide": [7, 2]}, 3.5),
    ({"$divide": [6, 2]}, 3.0),
    ({"$mod": [-7, 3]}, -1),
    ({"$mod": [7.5, 2]}, 1.5),
    ({"$abs": -3}, 3),
    ({"$ceil": -1.5}, -1.0),
    ({"$floor": -1.5}, -2.0),
    ({"$round": [2.5]}, 2.0),
    ({"$round": [3.5, 0]}, 4.0),
    ({"$round": [1234.567, -2]}, 1200.0),
    ({"$round": [15, -1]}, 20),
    ({"$trunc": [-1.79, 1]}, -1.7),
    ({"$pow": [2, 10]}, 1024),
    ({"$pow": [2, -1]}, 0.5),
    ({"$sqrt": 16}, 4.0),
    ({"$log": [8, 2]}, 3.0),
    ({"$log10": 1000}, 3.0),
    ({"$exp": 0}, 1.0),
    # comparison and logic
    ({"$cmp": [1, "a"]}, -1),
    ({"$cmp": [2, 1.5]}, 1),
    ({"$eq": ["$missing", None]}, False),
    ({"$lt": ["$missing", None]}, True),
    ({"$gt": ["a", 100]}, True),
    ({"$and": []}, True),
    ({"$or": []}, False),
    ({"$and": [1, "x", {}]}, True),
    ({"$not": [0]}, True),
    ({"$not": [[]]}, False),
    ({"$or": [None, 0]}, False),
    ({"$cond": [{"$gt": ["$i", 5]}, "big", "small"]}, "big"),
    ({"$cond": {"if": "$z", "then": 1, "else": 2}}, 2),
    ({"$ifNull": ["$z", "$missing", 5]}, 5),
    ({"$ifNull": ["$i", 5]}, 7),
    ({"$switch": {"branches": [{"case": False, "then": 1}, {"case": True, "then": 2}], "default": 3}}, 2),
    ({"$switch": {"branches": [{"case": False, "then": 1}], "default": 3}}, 3),
    ({"$let": {"vars": {"x": "$i"}, "in": {"$add": ["$$x", "$$ROOT.f"]}}}, 9.5),
    ({"$literal": "$i"}, "$i"),
    ({"$literal": {"$add": [1, 2]}}, {"$add": [1, 2]}),
    # arrays
    ({"$arrayElemAt": ["$a", 0]}, 3),
    ({"$arrayElemAt": ["$a", -1]}, 2),
    ({"$arrayElemAt": ["$a", 9]}, MISSING),
    ({"$first": "$a"}, 3),
    ({"$last": "$e"}, MISSING),
    ({"$concatArrays": ["$a", [9]]}, [3, 1, 2, 9]),
    ({"$concatArrays": ["$a", "$z"]}, None),
    ({"$filter": {"input": "$a", "as": "x", "cond": {"$gt": ["$$x", 1]}}}, [3, 2]),
    ({"$filter": {"input": "$a", "cond": {"$gt": ["$$this", 1]}, "limit": 1}}, [3]),
    ({"$map": {"input": "$a", "in": {"$multiply": ["$$this", 2]}}}, [6, 2, 4]),
    ({"$map": {"input": "$z", "in": 1}}, None),
    ({"$reduce": {"input": "$a", "initialValue": 0, "in": {"$add": ["$$value", "$$this"]}}}, 6),
    ({"$in": [2, "$a"]}, True),
    ({"$indexOfArray": ["$a", 2]}, 2),
    ({"$indexOfArray": ["$a", 2, 0, 2]}, -1),
    ({"$indexOfArray": ["$z", 2]}, None),
    ({"$isArray": "$a"}, True),
    ({"$isArray": [["x"]]}, True),
    ({"$size": "$a"}, 3),
    ({"$slice": ["$a", 2]}, [3, 1]),
    ({"$slice": ["$a", -2]}, [1, 2]),
    ({"$slice": ["$a", 1, 5]}, [1, 2]),
    ({"$slice": ["$a", -2, 1]}, [1]),
    ({"$reverseArray": "$a"}, [2, 1, 3]),
    ({"$range": [0, 5, 2]}, [0, 2, 4]),
    ({"$range": [5, 0, -2]}, [5, 3, 1]),
    ({"$range": [3, 3]}, []),
    ({"$sortArray": {"input": "$a", "sortBy": 1}}, [1, 2, 3]),
    ({"$sortArray": {"input": "$r", "sortBy": {"v": -1}}}, [DOC["r"][1], DOC["r"][0]]),
    ({"$zip": {"inputs": [[1, 2], ["a"]]}}, [[1, "a"]]),
    ({"$zip": {"inputs": [[1, 2], ["a"]], "useLongestLength": True, "defaults": [0, "-"]}}, [[1, "a"], [2, "-"]]),
    ({"$arrayToObject": "$r"}, {"x": 1, "y": 2}),
    ({"$arrayToObject": [[["a", 1], ["b", 2]]]}, {"a": 1, "b": 2}),
    ({"$objectToArray": "$o"}, [{"k": "p", "v": 1}, {"k": "q", "v": 2}]),
    ({"$firstN": {"input": "$a", "n": 2}}, [3, 1]),
    ({"$maxN": {"input": "$a", "n": 2}}, [3, 2]),
    ("$r.v", [1, 2]),
    ("$o.x.y", MISSING),
    (["$i", "$missing"], [7, None]),
    # sets
    ({"$setUnion": [[1, 2], [2, 3]]}, [1, 2, 3]),
    ({"$setIntersection": [[1, 2], [2, 3]]}, [2]),
    ({"$setDifference": [[1, 2, 2, 3], [2]]}, [1, 3]),
    ({"$setEquals": [[1, 2, 1], [2, 1]]}, True),
    ({"$setIsSubset": [[1], [1, 2]]}, True),
    ({"$setUnion": ["$a", "$z"]}, None),
    ({"$anyElementTrue": [[0, None, 1]]}, True),
    ({"$allElementsTrue": [[]]}, True),
    ({"$setUnion": [[1], [True]]}, [1, True]),
    # strings
    ({"$concat": ["$s", "!"]}, "Hello!"),
    ({"$concat": ["$s", "$z"]}, None),
    ({"$split": ["a-b-c", "-"]}, ["a", "b", "c"]),
    ({"$split": ["-a", "-"]}, ["", "a"]),
    ({"$substrCP": ["$u", 1, 1]}, "ö"),
    ({"$substrBytes": ["$u", 2, 2]}, "ö"),
    ({"$substrCP": ["$s", 9, 1]}, ""),
    ({"$strLenCP": "$u"}, 3),
    ({"$strLenBytes": "$u"}, 6),
    ({"$toUpper": "$s"}, "HELLO"),
    ({"$toLower": "$z"}, ""),
    ({"$trim": {"input": "  x "}}, "x"),
    ({"$ltrim": {"input": "xxabx", "chars": "x"}}, "abx"),
    ({"$indexOfCP": ["$s", "l"]}, 2),
    ({"$indexOfCP": ["$s", "l", 3]}, 3),
    ({"$indexOfCP": ["$s", "x"]}, -1),
    ({"$replaceOne": {"input": "aa", "find": "a", "replacement": "b"}}, "ba"),
    ({"$replaceAll": {"input": "aa", "find": "a", "replacement": "b"}}, "bb"),
    ({"$strcasecmp": ["abc", "ABD"]}, -1),
    ({"$regexMatch": {"input": "$s", "regex": "^h", "options": "i"}}, True),
    ({"$regexFind": {"input": "$s", "regex": "(l+)o"}}, {"match": "llo", "idx": 2, "captures": ["ll"]}),
    ({"$regexFind": {"input": "$s", "regex": "x"}}, None),
    # types
    ({"$type": "$missing"}, "missing"),
    ({"$type": "$d"}, "date"),
    ({"$type": "$f"}, "double"),
    ({"$isNumber": "$s"}, False),
    ({"$toInt": "42"}, 42),
    ({"$toInt": 3.9}, 3),
    ({"$toInt": -3.9}, -3),
    ({"$toDouble": "2.5"}, 2.5),
    ({"$toBool": "false"}, True),
    ({"$toBool": 0}, False),
    ({"$toString": 2.5}, "2.5"),
    ({"$toString": True}, "true"),
    ({"$toString": "$d"}, "2024-02-29T23:30:15.250Z"),
    ({"$toInt": None}, None),
    ({"$convert": {"input": "x", "to": "int", "onError": "bad"}}, "bad"),
    ({"$convert": {"input": None, "to": "int", "onNull": 0}}, 0),
    ({"$convert": {"input": "10", "to": "int"}}, 10),
    ({"$convert": {"input": True, "to": "double"}}, 1.0),
    ({"$toLong": "$d"}, 1709249415250),
    # objects
    ({"$mergeObjects": ["$o", {"q": 9, "r": 3}]}, {"p": 1, "q": 9, "r": 3}),
    ({"$mergeObjects": ["$z", "$o"]}, {"p": 1, "q": 2}),
    ({"$getField": "i"}, 7),
    ({"$getField": {"field": "p", "input": "$o"}}, 1),
    ({"$setField": {"field": "n", "input": "$o", "value": 3}}, {"p": 1, "q": 2, "n": 3}),
    ({"$unsetField": {"field": "p", "input": "$o"}}, {"q": 2}),
    ({"x": "$i", "y": "$missing"}, {"x": 7}),
    # dates
    ({"$year": "$d"}, 2024),
    ({"$month": "$d"}, 2),
    ({"$dayOfMonth": "$d"}, 29),
    ({"$dayOfMonth": {"date": "$d", "timezone": "+01:00"}}, 1),
    ({"$hour": {"date": "$d", "timezone": "-0330"}}, 20),
    ({"$dayOfYear": "$d"}, 60),
    ({"$dayOfWeek": "$d"}, 5),
    ({"$isoDayOfWeek": "$d"}, 4),
    ({"$isoWeek": "$d"}, 9),
    ({"$week": date("2024-01-01T00:00:00Z")}, 0),
    ({"$isoWeekYear": date("2023-01-01T00:00:00Z")}, 2022),
    ({"$millisecond": "$d"}, 250),
    ({"$dateToString": {"date": "$d", "format": "%Y-%m-%d %H:%M:%S.%L %j %u %%"}}, "2024-02-29 23:30:15.250 060 4 %"),
    ({"$dateToString": {"date": "$d", "format": "%H:%M%z", "timezone": "+02:00"}}, "01:30+0200"),
    ({"$dateToString": {"date": "$z", "onNull": "-"}}, "-"),
    ({"$toString": {"$dateAdd": {"startDate": "$d", "unit": "month", "amount": 12}}}, "2025-02-28T23:30:15.250Z"),
    ({"$toString": {"$dateSubtract": {"startDate": "$d", "unit": "day", "amount": 1}}}, "2024-02-28T23:30:15.250Z"),
    (
        {
            "$dateDiff": {
                "startDate": date("2023-12-31T23:59:59Z"),
                "endDate": date("2024-01-01T00:00:00Z"),
                "unit": "year",
            }
        },
        1,
    ),
    ({"$dateDiff": {"startDate": "$d", "endDate": date("2024-03-01T00:00:00Z"), "unit": "hour"}}, 1),
    ({"$toString": {"$dateTrunc": {"date": "$d", "unit": "month"}}}, "2024-02-01T00:00:00.000Z"),
    ({"$toString": {"$dateTrunc": {"date": "$d", "unit": "minute", "binSize": 15}}}, "2024-02-29T23:30:00.000Z"),
    ({"$toString": {"$dateFromParts": {"year": 2024, "month": 14, "day": 0}}}, "2025-01-31T00:00:00.000Z"),
    ({"$toString": {"$dateFromString": {"dateString": "2024-02-29T12:00:00+02:00"}}}, "2024-02-29T10:00:00.000Z"),
    ({"$dateFromString": {"dateString": "nonsense", "onError": "bad"}}, "bad"),
    ({"$toString": {"$add": ["$d", 1000]}}, "2024-02-29T23:30:16.250Z"),
    ({"$subtract": ["$d", date("2024-02-29T23:30:15Z")]}, 250),
    # over several
    ({"$sum": "$a"}, 6),
    ({"$sum": ["$i", "$f", "$s"]}, 9.5),
    ({"$avg": "$a"}, 2.0),
    ({"$max": ["$i", "$z", 9]}, 9),
    ({"$min": "$a"}, 1),
    ({"$stdDevPop": [[2, 4]]}, 1.0),
    ({"$avg": "$e"}, None),
    ({"$bitAnd": [12, 10]}, 8),
    ({"$bitNot": 5}, -6),
]


@pytest.mark.parametrize(("spec", "expected"), VALUES)
def test_expression_has_its_value(spec: Any, expected: Any) -> None:
    value = evaluate(parse_expression(spec, "/e"), DOC, Context())
    assert value == expected
    assert type(value) is type(expected)


FAULTS: list[tuple[Any, int]] = [
    ({"$add": ["$s", 1]}, 14),
    ({"$divide": ["$i", 0]}, 2),
    ({"$mod": ["$i", 0]}, 16610),
    ({"$subtract": [1]}, 16020),
    ({"$sqrt": -1}, 28714),
    ({"$switch": {"branches": [{"case": False, "then": 1}]}}, 40069),
    ({"$switch": {"branches": [{"case": {"$gt": ["$i", 100]}, "then": 1}]}}, 40066),
    ({"$switch": {"branches": []}}, 40068),
    ({"$cond": [1, 2]}, 16020),
    ({"$size": "$i"}, 17124),
    ({"$arrayElemAt": ["$i", 0]}, 28689),
    ({"$in": [1, "$i"]}, 40081),
    ({"$concatArrays": ["$i"]}, 28664),
    ({"$filter": {"input": "$i", "cond": True}}, 28651),
    ({"$map": {"input": "$i", "in": 1}}, 16883),
    ({"$reduce": {"input": "$i", "initialValue": 0, "in": 1}}, 40080),
    ({"$concat": ["$i"]}, 16702),
    ({"$split": ["$s", ""]}, 40087),
    ({"$toInt": "x"}, 241),
    ({"$toInt": 1e30}, 241),
    ({"$convert": {"input": 1, "to": "nothing"}}, 2),
    ({"$setUnion": ["$i"]}, 17043),
    ({"$nothing": 1}, 168),
    ({"$add": [1], "$subtract": [2, 1]}, 15983),
    ("$$nothing", 17276),
    ({"$mergeObjects": "$i"}, 40400),
    ({"$range": [0, 5, 0]}, 34449),
    ({"$year": "$s"}, 16006),
    ({"$regexMatch": {"input": "$i", "regex": "a"}}, 51104),
]


@pytest.mark.parametrize(("spec", "mongo_code"), FAULTS)
def test_expression_is_refused_with_its_number(spec: Any, mongo_code: int) -> None:
    with pytest.raises(InvalidQuery) as caught:
        evaluate(parse_expression(spec, "/e"), DOC, Context())
    assert caught.value.mongo_code == mongo_code
