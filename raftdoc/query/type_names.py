"""The dialect's names and numbers of types, and which of them a JSON value has.

JSON keeps one integer: a value within 32 bits is an `int`, any other a `long`. `long` as an alias in `$type` and
in a schema matches what does not fit in an `int`, and `number` matches all of int, long, double and decimal.
"""

from __future__ import annotations

from typing import Final

from raftdoc.document.path import Missing
from raftdoc.document.tagged import tag_of
from raftdoc.document.value import JsonValue

INT32_MIN: Final = -(1 << 31)
INT32_MAX: Final = (1 << 31) - 1

TYPE_NUMBERS: Final[dict[int, str]] = {
    1: "double",
    2: "string",
    3: "object",
    4: "array",
    5: "binData",
    6: "undefined",
    7: "objectId",
    8: "bool",
    9: "date",
    10: "null",
    11: "regex",
    12: "dbPointer",
    13: "javascript",
    14: "symbol",
    15: "javascriptWithScope",
    16: "int",
    17: "timestamp",
    18: "long",
    19: "decimal",
    -1: "minKey",
    127: "maxKey",
}
NUMBER_TYPES: Final = frozenset({"double", "int", "long", "decimal"})
TYPE_NAMES: Final = frozenset(TYPE_NUMBERS.values()) | {"number"}

_TAG_NAMES: Final = {"$date": "date", "$oid": "objectId", "$binary": "binData", "$numberDecimal": "decimal"}


def type_name(value: JsonValue | Missing) -> str:
    """Return the dialect's name of a value's type; `missing` for MISSING."""
    if isinstance(value, str):
        return "string"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "int" if INT32_MIN <= value <= INT32_MAX else "long"
    if isinstance(value, float):
        return "double"
    if value is None:
        return "null"
    if isinstance(value, list):
        return "array"
    if isinstance(value, Missing):
        return "missing"
    tag = tag_of(value)
    return "object" if tag is None else _TAG_NAMES[tag]
