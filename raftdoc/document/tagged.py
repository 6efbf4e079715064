"""Tagged scalars: what JSON has no type for, in the names of Extended JSON v2.

    {"$date": "2024-05-01T12:00:00Z"}   or {"$date": {"$numberLong": "1714564800000"}}   milliseconds since 1970
    {"$oid": "65f0c0ffee65f0c0ffee65f0"}                                                  12 bytes in hex
    {"$binary": {"base64": "aGk=", "subType": "00"}}
    {"$numberDecimal": "19.99"}                                                           decimal128, never NaN

They are stored as they were written and compared as what they are: a date by its millisecond whatever its
zone, a decimal by its value among all numbers. A finer fraction of a second than that is cut off.
"""

from __future__ import annotations

import binascii
import re
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from raftdoc.errors import InvalidDocument
from raftdoc.limits import INTEGER_MAX, INTEGER_MIN

if TYPE_CHECKING:
    from raftdoc.document.value import JsonValue

TAGS: Final = frozenset({"$date", "$oid", "$binary", "$numberDecimal"})

DECIMAL_TEXT_MAX: Final = 128
DECIMAL_DIGITS_MAX: Final = 34
DECIMAL_EXPONENT_MIN: Final = -6176
"""Of the last digit."""
DECIMAL_EXPONENT_MAX: Final = 6144
"""Of the first digit."""

_DECIMAL = re.compile(r"[+-]?(?:(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,6})?|Infinity)")
_OBJECT_ID = re.compile(r"[0-9a-fA-F]{24}")
_SUBTYPE = re.compile(r"[0-9a-fA-F]{1,2}")
_LONG = re.compile(r"-?[0-9]{1,19}")
_DATE = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?(?:Z|([+-])(\d\d):?(\d\d)?)", re.ASCII
)
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()


def tag_of(value: dict[str, JsonValue]) -> str | None:
    """Return the tag of a tagged scalar, None for an object."""
    if len(value) != 1:
        return None
    (name,) = value
    return name if name in TAGS else None


def check_tagged(value: dict[str, JsonValue]) -> None:
    """Check that a value with a tag is what the tag says.

    Raises:
        InvalidDocument: it is not.
    """
    tag = tag_of(value)
    assert tag is not None, value
    _READERS[tag](value)


def decimal_of(value: dict[str, JsonValue]) -> Decimal:
    """Return the number, exactly as written."""
    text = value["$numberDecimal"]
    if not isinstance(text, str) or len(text) > DECIMAL_TEXT_MAX or _DECIMAL.fullmatch(text) is None:
        raise _invalid("$numberDecimal", f"a string of at most {DECIMAL_TEXT_MAX} characters that holds a number")
    number = Decimal(text)
    if number and number.is_finite() and not _fits_decimal128(number):
        raise _invalid("$numberDecimal", f"within decimal128: {DECIMAL_DIGITS_MAX} digits, exponents -6176 to 6144")
    return number


def _fits_decimal128(number: Decimal) -> bool:
    _, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int), exponent
    significant = "".join(map(str, digits)).lstrip("0")
    stripped = significant.rstrip("0")
    last = exponent + len(significant) - len(stripped)
    return (
        len(stripped) <= DECIMAL_DIGITS_MAX
        and last >= DECIMAL_EXPONENT_MIN
        and last + len(stripped) - 1 <= DECIMAL_EXPONENT_MAX
    )


def object_id_of(value: dict[str, JsonValue]) -> bytes:
    """Return the 12 bytes."""
    text = value["$oid"]
    if not isinstance(text, str) or _OBJECT_ID.fullmatch(text) is None:
        raise _invalid("$oid", "a string of 24 hexadecimal digits")
    return bytes.fromhex(text)


def binary_of(value: dict[str, JsonValue]) -> tuple[int, bytes]:
    """Return subtype and bytes."""
    content = value["$binary"]
    if not isinstance(content, dict) or content.keys() != {"base64", "subType"}:
        raise _invalid("$binary", 'an object of "base64" and "subType"')
    encoded, subtype = content["base64"], content["subType"]
    if not isinstance(subtype, str) or _SUBTYPE.fullmatch(subtype) is None:
        raise _invalid("$binary", "given a subType of one or two hexadecimal digits")
    if not isinstance(encoded, str) or not encoded.isascii():
        raise _invalid("$binary", "given standard base64")
    try:
        return int(subtype, 16), binascii.a2b_base64(encoded, strict_mode=True)
    except binascii.Error:
        raise _invalid("$binary", "given standard base64") from None


def date_ms_of(value: dict[str, JsonValue]) -> int:
    """Return milliseconds since 1970, an int64."""
    content = value["$date"]
    milliseconds = _date_ms(content) if isinstance(content, str) else _long(content)
    if milliseconds is None or not INTEGER_MIN <= milliseconds <= INTEGER_MAX:
        raise _invalid("$date", 'an ISO 8601 time with a zone, or {"$numberLong": "milliseconds since 1970"}')
    return milliseconds


def _long(content: JsonValue) -> int | None:
    if not isinstance(content, dict) or content.keys() != {"$numberLong"}:
        return None
    text = content["$numberLong"]
    return int(text) if isinstance(text, str) and _LONG.fullmatch(text) else None


def _date_ms(text: str) -> int | None:
    match = _DATE.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
    fraction_ms = int((match[7] or "").ljust(3, "0")[:3])
    zone_minutes = int(match[9] or 0) * 60 + int(match[10] or 0)
    if hour > 23 or minute > 59 or second > 59 or int(match[10] or 0) > 59 or zone_minutes >= 24 * 60:
        return None
    try:
        days = date(year, month, day).toordinal() - _EPOCH_DAY
    except ValueError:
        return None
    minutes = (days * 24 + hour) * 60 + minute - (zone_minutes if match[8] != "-" else -zone_minutes)
    return (minutes * 60 + second) * 1000 + fraction_ms


def _invalid(tag: str, expected: str) -> InvalidDocument:
    return InvalidDocument(f"the value of {tag} must be {expected}")


_READERS: Final = {
    "$date": date_ms_of,
    "$oid": object_id_of,
    "$binary": binary_of,
    "$numberDecimal": decimal_of,
}
