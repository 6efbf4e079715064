"""Documents: what is accepted, its normal bytes, ids and names."""

from __future__ import annotations

import json

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raftdoc.document import check_id, compare, id_key, parse_document, parse_id, parse_json, parse_name, with_id
from raftdoc.errors import InvalidDocument, InvalidId, InvalidName, MalformedJson, TooLarge
from raftdoc.limits import DOCUMENT_BYTES_MAX

from .values import id_scalars, names, plain_values

documents = st.dictionaries(names, plain_values, max_size=5).filter(lambda fields: "_id" not in fields)
valid_ids = id_scalars.filter(lambda value: value not in ("", ".", ".."))


def _same(left, right):
    """Equal in value and type, where Python's == mixes 1, 1.0 and True."""
    return orjson.dumps(left) == orjson.dumps(right)


def _has_reserved_name(value):
    if isinstance(value, dict):
        return any(name.startswith("$") or _has_reserved_name(member) for name, member in value.items())
    return isinstance(value, list) and any(_has_reserved_name(element) for element in value)


@given(documents, st.sampled_from([None, 2]), st.booleans())
def test_value_survives_whatever_the_writing(fields, indent, ascii_only) -> None:
    if _has_reserved_name(fields):
        return
    body = json.dumps(fields, indent=indent, ensure_ascii=ascii_only).encode()
    normal = parse_document(body).normal
    assert normal == orjson.dumps(fields)
    assert _same(parse_json(body), fields)


@given(documents)
def test_normal_bytes_are_normal(fields) -> None:
    if _has_reserved_name(fields):
        return
    normal = orjson.dumps(fields)
    assert parse_document(normal) == (normal, None)


@given(documents, valid_ids)
def test_id_stands_first_whatever_was_there(fields, id_) -> None:
    normal = orjson.dumps(fields)
    expected = orjson.dumps({"_id": id_, **fields})
    assert with_id(normal, id_) == expected
    assert with_id(expected, id_) == expected
    assert with_id(orjson.dumps({**fields, "_id": "other"}), id_) == expected
    assert with_id(orjson.dumps({"_id": 17.5, **fields}), id_) == expected


@given(documents, valid_ids)
def test_id_in_the_body_is_found(fields, id_) -> None:
    if _has_reserved_name(fields):
        return
    parsed = parse_document(orjson.dumps({**fields, "_id": id_}))
    assert compare(parsed.id, id_) == 0
    assert type(parsed.id) is type(id_)


def test_nested_id_is_no_id() -> None:
    body = b'{"a":{"_id":1}}'
    assert parse_document(body).id is None
    assert with_id(body, "x") == b'{"_id":"x","a":{"_id":1}}'


def test_one_and_one_point_zero_stay_what_they_are() -> None:
    body = b'{"a":1,"b":1.0,"c":-0.0,"d":1e+16}'
    assert parse_document(body).normal == body


@pytest.mark.parametrize("limit", [-(1 << 63), (1 << 63) - 1])
def test_integers_reach_to_the_ends_of_int64(limit) -> None:
    body = b'{"a":%d}' % limit
    assert parse_document(body).normal == body


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (b'{"a": 1, "a": 2}', 'line 1, column 10: the name "a" stands twice'),
        (b'{"a":1,"\\u0061":2}', r'line 1, column 8: the name "\\u0061" stands twice'),
        (b'{"x": {"a": 1}, "y": [{"b": 1,\n "b": 2}]}', 'line 2, column 2: the name "b" stands twice'),
        (b'{"a":9223372036854775808}', "line 1, column 6: the integer 9223372036854775808 is outside"),
        (b'{"a":-9223372036854775809}', "line 1, column 6: the integer -9223372036854775809 is outside"),
        (b'{"a":18446744073709551615}', "line 1, column 6: the integer 18446744073709551615"),
        (b'{"a":18446744073709551616}', "line 1, column 6: the integer 18446744073709551616"),
        (b'{"a":%s}' % (b"1" * 5000), "line 1, column 6: the integer 111111"),
        (b'{"a":1e400}', "line 1, column 6: the number 1e400 is outside"),
        (b'{"a":-1e400}', "line 1, column 6: the number -1e400 is outside"),
        (b'{"a":NaN}', "line 1, column 6: NaN is no JSON number"),
        (b'{"a": -Infinity}', "line 1, column 7: -Infinity is no JSON number"),
        (b'{"a":"\\ud800"}', "line 1, column 6: a lone surrogate"),
        (b'{"a":"\\\\\\uDC00"}', "line 1, column 6: a lone surrogate"),
        (b'{"\\ud83d":1}', "line 1, column 2: a lone surrogate"),
        ('{\n "ä":"'.encode() + b'\xff"}', "line 2, column 7: not UTF-8: ff"),
        (b'{"a":"\xed\xa0\x80"}', "line 1, column 7: not UTF-8"),
        (b'\xef\xbb\xbf{"a":1}', "line 1, column 1"),
        (b"", "line 1, column 1"),
        (b"{", "line 1, column 2"),
        (b'{"a":1} x', "line 1, column 9: Extra data"),
        (b'{"a":1,}', "line 1, column 8"),
        (b'{"a":"\n"}', "line 1, column 7: Invalid control character"),
        (b"{'a':1}", "line 1, column 2"),
        (b'{"a":01}', "line 1, column 7"),
    ],
)
def test_refused_json_names_its_place(body, place) -> None:
    with pytest.raises(MalformedJson, match=place):
        parse_document(body)
    with pytest.raises(MalformedJson, match=place):
        parse_json(body)


raw_numbers = st.sampled_from(
    [
        *("1", "-0", "1.0", "0.10", "1e5", "1e16", "1e400", "9223372036854775807", "9223372036854775808"),
        *("18446744073709551615", "18446744073709551616", "1.8446744073709552e19", "1.8446744073709552e+19"),
    ]
)
raw_names = st.sampled_from(['"a"', '"b"', '"\\u0061"', '"\\ud800"', '"\\ud83d\\ude00"', '"é"'])
raw_values = st.recursive(
    raw_numbers | raw_names,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda parts: f"[{','.join(parts)}]"),
        st.lists(st.tuples(raw_names, inner), max_size=3).map(
            lambda pairs: "{" + ",".join(f"{name}:{value}" for name, value in pairs) + "}"
        ),
    ),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("fault", "problem"),
    [
        (b'"k":{"b":1,"b":2}', 'the name "b" stands twice in one object'),
        (b'"k":18446744073709551616', "the integer 18446744073709551616 is outside the range of 64 bits"),
        (b'"k":-1e999', "the number -1e999 is outside the range of a double"),
        (b'"k":NaN', "NaN is no JSON number"),
        (b'"k":"\\ud800"', "a lone surrogate in a string"),
    ],
)
def test_fault_far_behind_in_a_large_text_is_named_by_its_value(fault, problem) -> None:
    body = b'{"a":[' + b'"NaN",' * 50_000 + b"1]," + fault + b"}"
    with pytest.raises(MalformedJson) as caught:
        parse_json(body)
    assert caught.value.detail == problem


def test_large_text_that_is_too_deep_far_behind_is_no_document() -> None:
    body = b'{"a":[' + b'"x",' * 50_000 + _nested(100) + b"]}"
    with pytest.raises(InvalidDocument, match=r"^more than 100 levels"):
        parse_document(body)


def _attempt(parse):
    """Return what parse returns, or the text of its refusal."""
    try:
        return parse()
    except MalformedJson as refusal:
        return refusal.detail


@settings(max_examples=500)
@given(raw_values, st.sampled_from(["", " "]))
def test_fast_path_accepts_what_the_strict_parser_accepts(value, space) -> None:
    body = f'{{"x":{space}{value}}}'.encode()
    assert _attempt(lambda: parse_document(body).normal) == _attempt(lambda: orjson.dumps(parse_json(body)))


def test_escaped_pairs_are_no_lone_surrogates() -> None:
    assert parse_document(b'{"a":"\\ud83d\\ude00 \\\\ud800"}').normal == '{"a":"😀 \\\\ud800"}'.encode()


def test_long_runs_of_digits_in_strings_and_names_are_fine() -> None:
    body = b'{"12345678901234567890123":"99999999999999999999"}'
    assert parse_document(body).normal == body


@pytest.mark.parametrize("body", [b"[]", b'"a"', b"1", b"null", b" [1]"])
def test_root_that_is_no_object_is_no_document(body) -> None:
    with pytest.raises(InvalidDocument, match="a document is a JSON object"):
        parse_document(body)


def _nested(levels, opening=b'{"a":', closing=b"}", core=b"{}"):
    return opening * (levels - 1) + core + closing * (levels - 1)


def test_a_hundred_levels_are_allowed_and_no_more() -> None:
    assert parse_document(_nested(100)).normal == _nested(100)
    with pytest.raises(InvalidDocument, match="100 levels"):
        parse_document(_nested(101))
    mixed = b'{"a":' + _nested(100, b"[", b"]", b"[]") + b"}"
    with pytest.raises(InvalidDocument, match="100 levels"):
        parse_document(mixed)
    with pytest.raises(MalformedJson, match=r"line 1, column 101: more than 100 levels"):
        parse_json(b"[" * 101 + b"]" * 101)


def test_very_deep_nesting_is_refused_with_its_place() -> None:
    for levels in (300, 900, 2_000, 100_000):
        with pytest.raises((InvalidDocument, MalformedJson), match="line 1, column 501: more than 100 levels"):
            parse_document(_nested(levels))
        with pytest.raises(MalformedJson, match="line 1, column 501: more than 100 levels"):
            parse_json(_nested(levels))


def test_many_brackets_side_by_side_are_not_depth() -> None:
    body = b'{"a":[' + b",".join([b"[]"] * 500) + b'],"b":"[[["}'
    assert parse_document(body).normal == body


def test_size_is_bounded_as_sent_and_as_stored() -> None:
    with pytest.raises(TooLarge) as caught:
        parse_document(b'{"a":"%s"}' % (b"x" * DOCUMENT_BYTES_MAX))
    assert caught.value.limit == DOCUMENT_BYTES_MAX
    with pytest.raises(TooLarge, match="normal form"):
        parse_document(b'{"a":[1e15,1e15,1e15]}', bytes_max=30)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (b'{"$a":1}', "/$a"),
        (b'{"a":[1,{"$set":{}}]}', "/a/1/$set"),
        (b'{"a/b":{"~":{"$x":1}}}', "/a~1b/~0/$x"),
        (b'{"a":{"$date":"2024-01-01T00:00:00Z","b":1}}', "/a/$date"),
        (b'{"\\u0024a":1}', "/$a"),
        (b'{"$date":"2024-01-01T00:00:00Z"}', "/$date"),
    ],
)
def test_names_with_a_dollar_are_reserved(body, pointer) -> None:
    with pytest.raises(InvalidName) as caught:
        parse_document(body)
    assert caught.value.pointer == pointer


def test_tagged_scalars_are_kept_as_written() -> None:
    body = b'{"a":{"$date":"2024-05-01T12:00:00+02:00"},"b":[{"$numberDecimal":"1.50"}],"c":"$"}'
    assert parse_document(body).normal == body


def test_tagged_scalar_with_wrong_content_is_refused_with_its_place() -> None:
    with pytest.raises(InvalidDocument, match=r"\$date") as caught:
        parse_document(b'{"a":[{"$date":"yesterday"}]}')
    assert caught.value.pointer == "/a/0"


@pytest.mark.parametrize("id_", [None, [], [1], {}, {"a": 1}, "", ".", "..", "é" * 257, {"$date": "x"}, {"$oid": 1}])
def test_what_cannot_be_an_id_is_refused(id_) -> None:
    with pytest.raises(InvalidId):
        check_id(id_)
    with pytest.raises((InvalidId, InvalidDocument)):
        parse_document(orjson.dumps({"_id": id_}))


@pytest.mark.parametrize(
    "id_", ["a", "é" * 256, "...", "a/b", "\0", 0, -1.5, True, {"$oid": "65f0c0ffee65f0c0ffee65f0"}]
)
def test_every_scalar_but_null_can_be_an_id(id_) -> None:
    assert check_id(id_) is id_


def test_binary_id_is_bounded_like_a_string() -> None:
    with pytest.raises(InvalidId, match="512"):
        check_id({"$binary": {"base64": "AAAA" * 200, "subType": "00"}})


def test_ids_of_equal_value_are_one_document() -> None:
    assert id_key(1) == id_key(1.0)
    assert id_key(1) != id_key(True)
    assert id_key(1) != id_key("1")


def test_path_form_is_a_string_and_json_form_is_what_it_says() -> None:
    assert parse_id("42") == "42"
    assert parse_id("42", is_json=True) == 42
    assert parse_id('{"$oid":"65f0c0ffee65f0c0ffee65f0"}', is_json=True) == {"$oid": "65f0c0ffee65f0c0ffee65f0"}
    with pytest.raises(InvalidId):
        parse_id("null", is_json=True)
    with pytest.raises(MalformedJson):
        parse_id("nul", is_json=True)
    with pytest.raises(MalformedJson):
        parse_id('"\ud800"', is_json=True)
    with pytest.raises(InvalidId):
        parse_id("\ud800")


@pytest.mark.parametrize("name", ["a", "_x", "9", "A-b.c_d", "x" * 120])
def test_names(name) -> None:
    assert parse_name(name) == name


@pytest.mark.parametrize("name", ["", "-a", ".a", "$a", "a b", "a/b", "ä", "x" * 121, "a\n"])
def test_names_of_other_forms_are_refused(name) -> None:
    with pytest.raises(InvalidName):
        parse_name(name)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (b'{"$a":1}', "/$a"),
        (b'{"a":1,"$b":1}', "/$b"),
        (b'{"a":[0,{"b/c~":[[{"$d":1}]]}]}', "/a/1/b~1c~0/0/0/$d"),
        (b'{"a":[0,{"b":0,"$date":1}]}', "/a/1/$date"),
        (b'{"a":[0,{"$date":"never"}]}', "/a/1"),
    ],
)
def test_a_fault_in_a_name_has_its_place(body: bytes, pointer: str) -> None:
    with pytest.raises((InvalidName, InvalidDocument)) as caught:
        parse_document(body)
    assert caught.value.pointer == pointer


def test_dollars_that_begin_no_name_are_let_pass() -> None:
    for value in ({"a": "$b"}, {"a": ["$b", "$c"]}, {"a": ',"$b":{"$c'}, {'"$': 1}, {"a$": {"b": '{"$'}}):
        assert parse_document(orjson.dumps(value)).normal == orjson.dumps(value)


def test_a_long_name_above_many_values_costs_no_product() -> None:
    """Each value once, each byte once: a pointer for every value would be gigabytes."""
    name = "k" * 400_000
    body = orjson.dumps({"s": {"$date": "2020-01-01T00:00:00Z"}, name: [1] * 100_000})
    assert parse_document(body).normal == body
