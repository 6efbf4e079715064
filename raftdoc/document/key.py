"""Order-preserving keys: bytes whose memcmp order is the order of the values.

Each key delimits itself, so keys can be put one after the other, ascending and descending ones mixed:

    null       0x10
    number     0x20  8 bytes: the largest double that is not above it, made sortable
                     0x00 it is that double | 0x01 exponent and digits of the exact value
    string     0x30  UTF-8, 0x00 written as 0x01 0x01 and 0x01 as 0x01 0x02, then 0x00
    object     0x40  per field: tag of the value, name like a string, rest of the value; then 0x00
    array      0x50  the elements; then 0x00
    binary     0x60  length 4 bytes, subtype 1 byte, the bytes
    object id  0x68  12 bytes
    boolean    0x70  0x00 | 0x01
    date       0x78  milliseconds since 1970, 8 bytes, made sortable

A descending key is the same with every bit inverted: tags are below 0x80, so a key tells its direction.
Values that compare equal have one key: 1, 1.0 and `{"$numberDecimal": "1.00"}` are the same id.

This is an on-disk format: what stands here never changes, it can only be added to.
"""

from __future__ import annotations

import base64
import math
import struct
from decimal import Decimal
from typing import Final

from raftdoc.document.tagged import binary_of, date_ms_of, decimal_of, object_id_of, tag_of
from raftdoc.document.value import JsonValue
from raftdoc.errors import StateCorrupt
from raftdoc.limits import INTEGER_MAX, INTEGER_MIN

END: Final = 0x00
NULL: Final = 0x10
NUMBER: Final = 0x20
STRING: Final = 0x30
OBJECT: Final = 0x40
ARRAY: Final = 0x50
BINARY: Final = 0x60
OBJECT_ID: Final = 0x68
BOOLEAN: Final = 0x70
DATE: Final = 0x78

_IS_DOUBLE: Final = b"\x00"
_IS_ABOVE: Final = b"\x01"
_INVERTED: Final = bytes(255 - byte for byte in range(256))
_DOUBLE = struct.Struct(">d")
_UNSIGNED = struct.Struct(">Q")
_SIGN_BIT: Final = 1 << 63
_ALL_BITS: Final = (1 << 64) - 1
_EXPONENT_BIAS: Final = 1 << 15
_DOUBLE_EXACT_MAX: Final = 1 << 53
"""Up to here every integer is a double."""


def encode_key(value: JsonValue, *, descending: bool = False) -> bytes:
    """Return the key of a value.

    Raises:
        InvalidDocument: a tagged scalar whose content is not what its tag says.
    """
    if type(value) is str and "\0" not in value and "\1" not in value and not descending:
        return b"\x30%b\x00" % value.encode()
    if type(value) is int and -_DOUBLE_EXACT_MAX <= value <= _DOUBLE_EXACT_MAX:
        key = _encode_whole(value)
        return key.translate(_INVERTED) if descending else key
    key = b"".join(_encode(value))
    return key.translate(_INVERTED) if descending else key


def decode_key(data: bytes, offset: int = 0) -> tuple[JsonValue, int]:
    """Return the value whose key begins at offset, and the offset behind it.

    A number comes back in its plainest type: int, else float, else decimal.

    Raises:
        StateCorrupt: there is no key at offset.
    """
    try:
        if data[offset] < 0x80:
            return _decode(data[offset], data, offset + 1)
        # Only the rest of the data is inverted, so that offsets stay what they are.
        ascending = data[:offset] + data[offset:].translate(_INVERTED)
        return _decode(ascending[offset], ascending, offset + 1)
    except (IndexError, ValueError, struct.error) as error:
        raise StateCorrupt(f"not a key at offset {offset}: {data[:64].hex()}: {error}") from error


def _encode_whole(value: int) -> bytes:
    """Return the key of an integer that is a double exactly."""
    double = _DOUBLE.pack(value)
    if value < 0:
        return b"\x20%b\x00" % double.translate(_INVERTED)
    return b"\x20%c%b\x00" % (double[0] | 0x80, double[1:])


def _encode(value: JsonValue) -> tuple[bytes, bytes]:
    """Return tag and rest."""
    if isinstance(value, str):
        return b"\x30", _encode_text(value)
    if isinstance(value, bool):
        return b"\x70", b"\x01" if value else b"\x00"
    if isinstance(value, int | float):
        return b"\x20", _encode_number(value)
    if value is None:
        return b"\x10", b""
    if isinstance(value, list):
        return b"\x50", b"".join([part for element in value for part in _encode(element)]) + b"\x00"
    tag = tag_of(value)
    return (b"\x40", _encode_object(value)) if tag is None else _encode_tagged(tag, value)


def _encode_text(text: str) -> bytes:
    return text.encode().replace(b"\x01", b"\x01\x02").replace(b"\x00", b"\x01\x01") + b"\x00"


def _encode_object(value: dict[str, JsonValue]) -> bytes:
    parts: list[bytes] = []
    for name, member in value.items():
        tag, rest = _encode(member)
        parts += (tag, _encode_text(name), rest)
    return b"".join(parts) + b"\x00"


def _encode_tagged(tag: str, value: dict[str, JsonValue]) -> tuple[bytes, bytes]:
    if tag == "$numberDecimal":
        return b"\x20", _encode_number(decimal_of(value))
    if tag == "$date":
        return b"\x78", _UNSIGNED.pack(date_ms_of(value) + _SIGN_BIT)
    if tag == "$oid":
        return b"\x68", object_id_of(value)
    subtype, data = binary_of(value)
    return b"\x60", len(data).to_bytes(4, "big") + bytes((subtype,)) + data


def _encode_number(value: float | Decimal) -> bytes:
    # -0.0 + 0.0 is 0.0: there is one zero.
    floor = float(value) + 0.0
    if floor > value:
        floor = math.nextafter(floor, -math.inf)
    (bits,) = _UNSIGNED.unpack(_DOUBLE.pack(floor))
    head = _UNSIGNED.pack(bits ^ _ALL_BITS if bits & _SIGN_BIT else bits | _SIGN_BIT)
    if floor == value:
        return head + _IS_DOUBLE
    return head + _IS_ABOVE + _encode_digits(Decimal(value))


def _encode_digits(value: Decimal) -> bytes:
    """Return exponent and digits of a number that is no double: two digits a byte, plus one, then 0."""
    sign, digits, _ = value.as_tuple()
    text = "".join(map(str, digits)).lstrip("0").rstrip("0")
    text += "0" * (len(text) % 2)
    pairs = bytes(int(text[at : at + 2]) + 1 for at in range(0, len(text), 2))
    data = (value.adjusted() + _EXPONENT_BIAS).to_bytes(2, "big") + pairs + b"\x00"
    return data.translate(_INVERTED) if sign else data


def _decode(tag: int, data: bytes, offset: int) -> tuple[JsonValue, int]:
    match tag:
        case 0x30:
            return _decode_text(data, offset)
        case 0x20:
            return _decode_number(data, offset)
        case 0x70:
            return data[offset] == 1, offset + 1
        case 0x10:
            return None, offset
        case 0x50:
            return _decode_array(data, offset)
        case 0x40:
            return _decode_object(data, offset)
        case _:
            return _decode_tagged(tag, data, offset)


def _decode_text(data: bytes, offset: int) -> tuple[str, int]:
    stop = data.index(END, offset)
    return data[offset:stop].replace(b"\x01\x01", b"\x00").replace(b"\x01\x02", b"\x01").decode(), stop + 1


def _decode_array(data: bytes, offset: int) -> tuple[JsonValue, int]:
    elements: list[JsonValue] = []
    while data[offset] != END:
        element, offset = _decode(data[offset], data, offset + 1)
        elements.append(element)
    return elements, offset + 1


def _decode_object(data: bytes, offset: int) -> tuple[JsonValue, int]:
    fields: dict[str, JsonValue] = {}
    while data[offset] != END:
        tag = data[offset]
        name, offset = _decode_text(data, offset + 1)
        fields[name], offset = _decode(tag, data, offset)
    return fields, offset + 1


def _decode_tagged(tag: int, data: bytes, offset: int) -> tuple[JsonValue, int]:
    if tag == DATE:
        (biased,) = _UNSIGNED.unpack_from(data, offset)
        return {"$date": {"$numberLong": str(biased - _SIGN_BIT)}}, offset + 8
    if tag == OBJECT_ID:
        return {"$oid": _exactly(data, offset, 12).hex()}, offset + 12
    if tag != BINARY:
        raise ValueError(f"no tag {tag:#04x}")
    size = int.from_bytes(_exactly(data, offset, 4), "big")
    content = base64.b64encode(_exactly(data, offset + 5, size)).decode()
    return {"$binary": {"base64": content, "subType": f"{data[offset + 4]:02x}"}}, offset + 5 + size


def _exactly(data: bytes, offset: int, size: int) -> bytes:
    part = data[offset : offset + size]
    if len(part) != size:
        raise ValueError("cut short")
    return part


def _decode_number(data: bytes, offset: int) -> tuple[JsonValue, int]:
    (bits,) = _UNSIGNED.unpack_from(data, offset)
    (floor,) = _DOUBLE.unpack(_UNSIGNED.pack(bits ^ (_SIGN_BIT if bits & _SIGN_BIT else _ALL_BITS)))
    if data[offset + 8] != _IS_DOUBLE[0]:
        return _decode_digits(data, offset + 9, is_negative=floor < 0)
    if not math.isfinite(floor):
        return {"$numberDecimal": "Infinity" if floor > 0 else "-Infinity"}, offset + 9
    if floor.is_integer() and INTEGER_MIN <= floor <= INTEGER_MAX:
        return int(floor), offset + 9
    return floor, offset + 9


def _decode_digits(data: bytes, offset: int, *, is_negative: bool) -> tuple[JsonValue, int]:
    end = 0xFF if is_negative else 0x00
    stop = data.index(end, offset + 2)
    content = data[offset:stop].translate(_INVERTED) if is_negative else data[offset:stop]
    exponent = int.from_bytes(content[:2], "big") - _EXPONENT_BIAS
    digits = "".join(f"{pair - 1:02d}" for pair in content[2:])
    number = Decimal((int(is_negative), tuple(map(int, digits.rstrip("0"))), exponent + 1 - len(digits.rstrip("0"))))
    if exponent < 20 and number == int(number) and INTEGER_MIN <= number <= INTEGER_MAX:
        return int(number), stop + 1
    return {"$numberDecimal": str(number)}, stop + 1
