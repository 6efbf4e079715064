"""What single operators do at their edges; the recorded cases hold the rest."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raftdoc.errors import InvalidQuery
from raftdoc.limits import INTEGER_MAX, INTEGER_MIN
from raftdoc.query.context import Context
from raftdoc.query.expression import evaluate, parse_expression

integers = st.integers(INTEGER_MIN, INTEGER_MAX)
doubles = st.floats(allow_nan=False, allow_infinity=False, width=32)


def value_of(spec, **fields):
    return evaluate(parse_expression(spec, "/e"), fields, Context())


def number_of(spec, **fields) -> int:
    with pytest.raises(InvalidQuery) as caught:
        value_of(spec, **fields)
    return caught.value.mongo_code


@given(integers, integers)
def test_integers_stay_integers_until_64_bits_overflow(left: int, right: int) -> None:
    for name, exact in (("$add", left + right), ("$subtract", left - right), ("$multiply", left * right)):
        result = value_of({name: ["$a", "$b"]}, a=left, b=right)
        assert type(result) is (int if INTEGER_MIN <= exact <= INTEGER_MAX else float)
        assert result == (exact if type(result) is int else float(exact))


@given(st.lists(doubles, min_size=1, max_size=20))
def test_a_sum_of_doubles_is_rounded_once(numbers: list[float]) -> None:
    assert value_of({"$add": [*numbers, "$zero"]}, zero=0.0) == math.fsum(numbers)
    assert math.isclose(value_of({"$sum": "$a"}, a=numbers), math.fsum(numbers), rel_tol=1e-15, abs_tol=1e-300)


@given(integers, integers.filter(bool))
def test_remainder_has_the_sign_of_the_dividend(left: int, right: int) -> None:
    rest = value_of({"$mod": ["$a", "$b"]}, a=left, b=right)
    assert abs(rest) < abs(right)
    assert rest == 0 or (rest < 0) == (left < 0)
    assert (left - rest) % right == 0


@given(integers, st.integers(-20, 20))
def test_rounding_of_integers_is_that_of_python(value: int, place: int) -> None:
    rounded = value_of({"$round": ["$a", "$p"]}, a=value, p=place)
    assert rounded == (round(value, place) if type(rounded) is int else float(round(value, place)))


@given(doubles, st.integers(0, 10))
def test_rounding_of_doubles_is_that_of_python(value: float, place: int) -> None:
    assert value_of({"$round": ["$a", "$p"]}, a=value, p=place) == round(value, place)


def test_decimals_are_exact_and_win_over_doubles() -> None:
    tenth = {"$numberDecimal": "0.1"}
    assert value_of({"$add": [tenth, {"$numberDecimal": "0.2"}]}) == {"$numberDecimal": "0.3"}
    assert value_of({"$multiply": [tenth, 3]}) == {"$numberDecimal": "0.3"}
    assert value_of({"$toDecimal": 2.5}) == {"$numberDecimal": "2.50000000000000"}


@pytest.mark.parametrize(
    "spec", [{"$exp": 1000}, {"$pow": [10, 400]}, {"$multiply": [1e308, 10.0]}, {"$add": [1.7e308, 1.7e308]}]
)
def test_a_result_that_json_has_no_number_for_is_refused(spec) -> None:
    assert number_of(spec) == 2


def test_a_date_and_a_number_make_a_date() -> None:
    date = {"$date": "2024-02-28T23:59:59.500Z"}
    assert value_of({"$add": ["$d", 500]}, d=date) == {"$date": "2024-02-29T00:00:00Z"}
    assert value_of({"$subtract": ["$d", "$d"]}, d=date) == 0
    assert number_of({"$add": ["$d", "$d"]}, d=date) == 16612


@pytest.mark.parametrize(
    ("spec", "result"),
    [
        ({"$slice": [[1, 2, 3], -2]}, [2, 3]),
        ({"$slice": [[1, 2, 3], -9, 2]}, [1, 2]),
        ({"$zip": {"inputs": [[1], [2, 3]], "useLongestLength": True, "defaults": ["x", "y"]}}, [[1, 2], ["x", 3]]),
        ({"$reduce": {"input": ["a", "b"], "initialValue": "", "in": {"$concat": ["$$this", "$$value"]}}}, "ba"),
        ({"$sortArray": {"input": [{"a": 2}, {"a": None}, {}], "sortBy": {"a": -1}}}, [{"a": 2}, {"a": None}, {}]),
        ({"$substrCP": ["häß", 1, 2]}, "äß"),
        ({"$strLenBytes": "ä"}, 2),
        ({"$indexOfBytes": ["äa", "a"]}, 2),
        ({"$trim": {"input": " \tx\u00a0"}}, "x"),
        ({"$split": ["a--b", "-"]}, ["a", "", "b"]),
        ({"$regexFindAll": {"input": "ab1c22", "regex": "[0-9]+"}},
         [{"match": "1", "idx": 2, "captures": []}, {"match": "22", "idx": 4, "captures": []}]),
        ({"$regexMatch": {"input": "ABC", "regex": "b", "options": "i"}}, True),
        ({"$setField": {"field": {"$literal": "a.b"}, "input": {"x": 1}, "value": 2}}, {"x": 1, "a.b": 2}),
        ({"$unsetField": {"field": "x", "input": {"x": 1, "y": 2}}}, {"y": 2}),
        ({"$mergeObjects": [{"a": 1}, None, {"a": 2, "b": 3}]}, {"a": 2, "b": 3}),
        ({"$bitXor": [6, 3]}, 5),
        ({"$firstN": {"n": 2, "input": [1, 2, 3]}}, [1, 2]),
        ({"$maxN": {"n": 2, "input": [1, None, 5, 3]}}, [5, 3]),
        ({"$median": {"input": [1, 2, 9], "method": "approximate"}}, 2.0),
    ],
)  # fmt: skip
def test_operators_of_arrays_strings_and_objects(spec, result) -> None:
    assert value_of(spec) == result


@pytest.mark.parametrize(
    ("text", "target", "result"),
    [
        ("42", "int", 42),
        ("-1.5e3", "double", -1500.0),
        ("1E+3", "decimal", {"$numberDecimal": "1E+3"}),
        ("65F0C0FFEE65F0C0FFEE65F0", "objectId", {"$oid": "65f0c0ffee65f0c0ffee65f0"}),
        ("2024-05-01", "date", {"$date": "2024-05-01T00:00:00Z"}),
        ("2024-05-01T02:00:00+02:00", "date", {"$date": "2024-05-01T00:00:00Z"}),
        ("", "bool", True),
    ],
)
def test_text_is_converted(text: str, target: str, result) -> None:
    assert value_of({"$convert": {"input": "$a", "to": target}}, a=text) == result


@pytest.mark.parametrize("text", ["", " 1", "1_000", "0x10", "1.0", "٣", "9" * 400])
def test_text_that_is_no_integer_is_refused(text: str) -> None:
    assert number_of({"$toLong": "$a"}, a=text) == 241
    assert value_of({"$convert": {"input": "$a", "to": "long", "onError": "no"}}, a=text) == "no"


@given(st.binary(max_size=40), st.sampled_from(["base64", "base64url", "hex"]))
def test_binary_values_survive_their_text(data: bytes, form: str) -> None:
    to_text = {
        "$convert": {
            "input": {"$convert": {"input": "$a", "to": "binData", "format": "hex"}},
            "to": "string",
            "format": form,
        }
    }
    back = {"$convert": {"input": to_text, "to": "binData", "format": form}}
    assert value_of(back, a=data.hex()) == value_of(
        {"$convert": {"input": "$a", "to": "binData", "format": "hex"}}, a=data.hex()
    )


@given(doubles)
def test_doubles_survive_their_text(number: float) -> None:
    assert value_of({"$toDouble": {"$toString": "$a"}}, a=number) == number


@pytest.mark.parametrize("name", ["$stdDevPop", "$stdDevSamp"])
def test_a_deviation_of_what_is_infinite_is_refused(name: str) -> None:
    assert number_of({name: ["$a", 1]}, a={"$numberDecimal": "Infinity"}) == 2
    assert number_of({"$median": {"input": ["$a"], "method": "discrete"}}, a={"$numberDecimal": "Infinity"}) == 2
    assert number_of({"$add": ["$d", "$a"]}, a={"$numberDecimal": "Infinity"}, d={"$date": "2024-05-01T12:00:00Z"}) == 2
