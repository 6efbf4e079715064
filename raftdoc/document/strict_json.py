"""JSON, strictly: what RFC 8259 leaves open is closed here, and every refusal names its place.

Refused beside what is no JSON: duplicate names, NaN and infinities (also by overflow), integers outside
int64, bytes that are not UTF-8, lone surrogates, more than DOCUMENT_DEPTH_MAX levels.

The standard decoder does the work with hooks that stop at what it would let pass; where it was, a hook does
not know, so the place of the fault is then looked for (`json_fault`).
"""

from __future__ import annotations

import json
from typing import Any, Final

from raftdoc.document.json_fault import find_fault
from raftdoc.document.value import JsonValue
from raftdoc.errors import MalformedJson
from raftdoc.limits import DOCUMENT_DEPTH_MAX, INTEGER_MAX, INTEGER_MIN

_INFINITIES: Final = (float("inf"), float("-inf"))
_INTEGER_LENGTH_MAX: Final = 20


class _Refused(Exception):
    """A hook met something that is JSON but not accepted."""


def parse_json(body: bytes) -> JsonValue:
    """Return the value of a JSON text.

    Raises:
        TooDeep: it is JSON, but has more than DOCUMENT_DEPTH_MAX levels.
        MalformedJson: with line and column, counted from 1 in characters. TooDeep is one.
    """
    text = _decode(body)
    try:
        value: JsonValue = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise MalformedJson(f"line {error.lineno}, column {error.colno}: {error.msg}") from None
    except (_Refused, RecursionError):
        raise _fault(text) from None
    # A surrogate can only come from an escape; whether it stands alone is seen token by token.
    if "\\ud" in text or "\\uD" in text or is_too_deep(value, body):
        _refuse_faults(text)
    return value


def is_too_deep(value: JsonValue, body: bytes) -> bool:
    """Return whether value has more than DOCUMENT_DEPTH_MAX levels of arrays and objects."""
    if body.count(b"{") + body.count(b"[") <= DOCUMENT_DEPTH_MAX:
        return False
    level = [value]
    for _ in range(DOCUMENT_DEPTH_MAX):
        level = [
            member
            for container in level
            if isinstance(container, dict | list)
            for member in (container.values() if isinstance(container, dict) else container)
        ]
        if not level:
            return False
    return any(isinstance(member, dict | list) for member in level)


def _decode(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        before = body[: error.start].decode()
        line = before.count("\n") + 1
        column = len(before) - before.rfind("\n")
        shown = body[error.start : error.end].hex()
        raise MalformedJson(f"line {line}, column {column}: not UTF-8: {shown}") from None


def _fault(text: str) -> MalformedJson:
    fault = find_fault(text)
    assert fault is not None, text[:200]
    # Whether it is JSON at all is not known: what follows the fault was not looked at.
    return MalformedJson(fault.detail)


def _refuse_faults(text: str) -> None:
    fault = find_fault(text)
    if fault is not None:
        raise fault


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise _Refused
    return value


def _integer(text: str) -> int:
    # The length first: int() of a million digits takes minutes.
    if len(text) > _INTEGER_LENGTH_MAX or not INTEGER_MIN <= (value := int(text)) <= INTEGER_MAX:
        raise _Refused
    return value


def _float(text: str) -> float:
    value = float(text)
    if value in _INFINITIES:
        raise _Refused
    return value


def _constant(text: str) -> float:
    raise _Refused


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_float=_float, parse_constant=_constant
)
