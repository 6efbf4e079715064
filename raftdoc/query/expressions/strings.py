"""Operators on strings. Case is that of ASCII; a place is counted in code points (CP) or in UTF-8 bytes."""

from __future__ import annotations

import string
from collections.abc import Callable, Mapping
from typing import Final

from raftdoc.document.tagged import binary_of, date_ms_of
from raftdoc.limits import INTEGER_MAX, INTEGER_MIN
from raftdoc.query.dates import is_date
from raftdoc.query.expressions.arrays import int32
from raftdoc.query.expressions.convert import date_text, number_text
from raftdoc.query.expressions.operands import binary, is_nullish, named, nary, ranged, unary
from raftdoc.query.expressions.scope import Builder, Value, fault
from raftdoc.query.numbers import as_float, is_number
from raftdoc.query.type_names import type_name

STRING_BYTES_MAX: Final = 16 << 20
FREE_CHARS: Final = 32
TRIM_CHARS_MAX: Final = 1000
"""Different characters that a trim takes away."""
TOO_MUCH: Final = 146
_TO_LOWER: Final = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
_TO_UPPER: Final = str.maketrans(string.ascii_lowercase, string.ascii_uppercase)
_WHITE_SPACE: Final = "\0\t\n\v\f\r \u00a0\u1680" + "".join(map(chr, range(0x2000, 0x200B)))


def text_of(value: Value, pointer: str) -> str:
    """Return a value as text where an operator takes strings, numbers and dates; null and missing are empty.

    Raises:
        InvalidQuery: it is of another type.
    """
    if isinstance(value, str):
        return value
    if is_nullish(value):
        return ""
    if is_number(value):
        # Unlike $toString, where a number only happens to be read as text, a double has six digits.
        return f"{value:g}" if type(value) is float else number_text(value)
    if is_date(value):
        return date_text(date_ms_of(value))
    raise fault(f"{type_name(value)} cannot be read as a string", pointer, 16007)


def _bounded(text: str, pointer: str) -> str:
    if len(text) > STRING_BYTES_MAX:
        raise fault(f"a string has at most {STRING_BYTES_MAX} characters", pointer, 146)
    return text


def _concat(values: list[Value], pointer: str) -> Value:
    for value in values:
        if is_nullish(value):
            return None
        if not isinstance(value, str):
            raise fault(f"only strings can be joined, not {type_name(value)}", pointer, 16702)
    return _bounded("".join(values), pointer)


def _split(text: Value, separator: Value, pointer: str) -> Value:
    if is_nullish(text) or is_nullish(separator):
        return None
    if not isinstance(text, str):
        raise fault(f"only a string can be split, not {type_name(text)}", pointer, 40085)
    if not isinstance(separator, str):
        raise fault(f"a separator is a string, not {type_name(separator)}", pointer, 10503900)
    if not separator:
        raise fault("a separator is not empty", pointer, 40087)
    return text.split(separator)


def _index_of(not_text: int, not_part: int, *, is_bytes: bool) -> Builder:
    def index_of(values: list[Value], pointer: str) -> Value:
        text, part = values[0], values[1]
        if is_nullish(text):
            return None
        if not isinstance(text, str):
            raise fault(f"a string is searched, not {type_name(text)}", pointer, not_text)
        if not isinstance(part, str):
            raise fault(f"a string is sought, not {type_name(part)}", pointer, not_part)
        start = _place(values[2], pointer) if len(values) > 2 else 0
        stop = _place(values[3], pointer) if len(values) > 3 else None
        return _find_bytes(text.encode(), part.encode(), start, stop) if is_bytes else _find(text, part, start, stop)

    return ranged(index_of, 2, 4)


def _find_bytes(text: bytes, part: bytes, start: int, stop: int | None) -> int:
    last = len(text) if stop is None else min(stop, len(text))
    # A search for nothing finds nothing behind the end.
    return -1 if start > last else text.find(part, start, last)


def _find(text: str, part: str, start: int, stop: int | None) -> int:
    """Return where a part begins in start to stop; unlike bytes, it may end behind stop."""
    place = text.find(part, start)
    last = len(text) if stop is None else min(stop, len(text))
    empty_at_start = not text and not part and not start
    return place if place < last or empty_at_start else -1


def _place(value: Value, pointer: str) -> int:
    whole = int32(value, pointer, not_number=40096, not_whole=40096)
    if whole < 0:
        raise fault("a place is not negative", pointer, 40097)
    return whole


def _substr_bytes(value: Value, start: Value, length: Value, pointer: str) -> Value:
    text = text_of(value, pointer)
    if not is_number(start):
        raise fault(f"the start is a number, not {type_name(start)}", pointer, 16034)
    if not is_number(length):
        raise fault(f"the length is a number, not {type_name(length)}", pointer, 16035)
    first, count = _int64(start, pointer), _int64(length, pointer)
    if first < 0:
        raise fault("the start is not negative", pointer, 50752)
    encoded = text.encode()
    if first >= len(encoded):
        return ""
    last = len(encoded) if count < 0 else min(first + count, len(encoded))
    if _is_inside(encoded, first):
        raise fault("the start lies inside of a character", pointer, 28656)
    if _is_inside(encoded, last):
        raise fault("the end lies inside of a character", pointer, 28657)
    return encoded[first:last].decode()


def _int64(value: Value, pointer: str) -> int:
    if type(value) is int:
        return value
    number = as_float(value)
    if not INTEGER_MIN <= number < INTEGER_MAX:
        raise fault("the number is outside the range of 64 bits", pointer, 31109)
    return int(number)


def _is_inside(encoded: bytes, place: int) -> bool:
    return place < len(encoded) and encoded[place] & 0xC0 == 0x80


def _substr_cp(value: Value, start: Value, length: Value, pointer: str) -> Value:
    text = text_of(value, pointer)
    if not is_number(start):
        raise fault(f"the start is a number, not {type_name(start)}", pointer, 34450)
    first = int32(start, pointer, not_number=34450, not_whole=34451)
    if not is_number(length):
        raise fault(f"the length is a number, not {type_name(length)}", pointer, 34452)
    count = int32(length, pointer, not_number=34452, not_whole=34453)
    if count < 0:
        raise fault("the length is not negative", pointer, 34454)
    if first < 0:
        raise fault("the start is not negative", pointer, 34455)
    return text[first : first + count]


def _ternary(function: Callable[[Value, Value, Value, str], Value]) -> Builder:
    return ranged_exactly(lambda values, pointer: function(values[0], values[1], values[2], pointer), 3)


def ranged_exactly(function: Callable[[list[Value], str], Value], count: int) -> Builder:
    """Return the builder of an operator of exactly `count` operands."""
    return ranged(function, count, count)


def _length_cp(value: Value, pointer: str) -> Value:
    if not isinstance(value, str):
        raise fault(f"$strLenCP takes a string, not {type_name(value)}", pointer, 34471)
    return len(value)


def _length_bytes(value: Value, pointer: str) -> Value:
    if not isinstance(value, str):
        raise fault(f"$strLenBytes takes a string, not {type_name(value)}", pointer, 34473)
    return len(value.encode())


def _case_compare(left: Value, right: Value, pointer: str) -> Value:
    first, second = text_of(left, pointer).translate(_TO_UPPER), text_of(right, pointer).translate(_TO_UPPER)
    return (first > second) - (first < second)


def _trimmer(strip: Callable[[str, str], str]) -> Builder:
    def trim(members: dict[str, Value], pointer: str) -> Value:
        text, chars = members["input"], members.get("chars", _WHITE_SPACE)
        if is_nullish(text):
            return None
        if not isinstance(text, str):
            raise fault(f"the input is a string, not {type_name(text)}", pointer, 50699)
        if is_nullish(chars):
            return None
        if not isinstance(chars, str):
            raise fault(f"chars is a string, not {type_name(chars)}", pointer, 50700)
        # Python strips white space for an empty set of characters, the dialect nothing.
        if len(chars) > FREE_CHARS:
            chars = _different(chars, pointer)
        return strip(text, chars) if chars else text

    return named(trim, names={"input": 50695, "chars": None}, not_object=50696, unknown=50694)


def _different(chars: str, pointer: str) -> str:
    """Return each character once: every character of the text is looked for among them."""
    different = "".join(dict.fromkeys(chars))
    if len(different) > TRIM_CHARS_MAX:
        raise fault(f"chars are at most {TRIM_CHARS_MAX} different characters", f"{pointer}/chars", TOO_MUCH)
    return different


def _replacer(count: int) -> Builder:
    def replace(members: dict[str, Value], pointer: str) -> Value:
        for name, mongo_code in (("input", 10503904), ("find", 10503901), ("replacement", 10503902)):
            if not isinstance(members[name], str) and not is_nullish(members[name]):
                raise fault(f"{name} is a string, not {type_name(members[name])}", f"{pointer}/{name}", mongo_code)
        if any(map(is_nullish, members.values())):
            return None
        text: str = members["input"]
        return _bounded(text.replace(members["find"], members["replacement"], count), pointer)

    absent = {"input": 51749, "find": 51748, "replacement": 51747}
    return named(replace, names=absent, not_object=51751, unknown=51750)


def _binary_size(value: Value, pointer: str) -> Value:
    if is_nullish(value):
        return None
    if isinstance(value, str):
        return len(value.encode())
    if type_name(value) != "binData":
        raise fault(f"$binarySize takes a string or a binary value, not {type_name(value)}", pointer, 51276)
    return len(binary_of(value)[1])


OPERATORS: Final[Mapping[str, Builder]] = {
    "$concat": nary(_concat),
    "$split": binary(_split),
    "$indexOfBytes": _index_of(40091, 40092, is_bytes=True),
    "$indexOfCP": _index_of(40093, 40094, is_bytes=False),
    "$substr": _ternary(_substr_bytes),
    "$substrBytes": _ternary(_substr_bytes),
    "$substrCP": _ternary(_substr_cp),
    "$strLenCP": unary(_length_cp),
    "$strLenBytes": unary(_length_bytes),
    "$binarySize": unary(_binary_size),
    "$toLower": unary(lambda value, pointer: text_of(value, pointer).translate(_TO_LOWER)),
    "$toUpper": unary(lambda value, pointer: text_of(value, pointer).translate(_TO_UPPER)),
    "$strcasecmp": binary(_case_compare),
    "$trim": _trimmer(str.strip),
    "$ltrim": _trimmer(str.lstrip),
    "$rtrim": _trimmer(str.rstrip),
    "$replaceOne": _replacer(1),
    "$replaceAll": _replacer(-1),
}
