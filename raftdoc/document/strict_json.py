"""JSON, strictly: what RFC 8259 leaves open is closed here, and a refusal names its place.

Refused beside what is no JSON: duplicate names, NaN and infinities (also by overflow), integers outside
int64, bytes that are not UTF-8, lone surrogates, more than DOCUMENT_DEPTH_MAX levels.

The standard decoder does the work with hooks that stop at what it would let pass; where it was, a hook does
not know, so the place is then looked for token by token (`json_fault`). That is slow, hence only in the first
PLACE_SEARCH_MAX characters: a fault further on is named by its value alone.
"""

from __future__ import annotations

import json
from itertools import chain
from typing import Any, Final

import orjson

from raftdoc.document.json_fault import find_fault, integer_problem, name_problem, number_problem
from raftdoc.document.value import JsonValue
from raftdoc.errors import MalformedJson
from raftdoc.limits import DOCUMENT_DEPTH_MAX

PLACE_SEARCH_MAX: Final = 64 * 1024
_INTEGER_LENGTH_FREE: Final = 18
"""Of an integer that is within int64 whatever its digits."""


class TooDeep(MalformedJson):
    """JSON, but with more levels than are accepted."""


class _Refused(Exception):
    """A hook met something that is JSON but not accepted; the argument says what."""


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
    except _Refused as refused:
        raise MalformedJson(_with_place(text, str(refused))) from None
    except RecursionError:
        raise MalformedJson(_with_place(text, f"more than {DOCUMENT_DEPTH_MAX} levels")) from None
    if is_too_deep(value, body):
        raise TooDeep(_with_place(text, f"more than {DOCUMENT_DEPTH_MAX} levels"))
    # Only an escape can bring a surrogate.
    if ("\\ud" in text or "\\uD" in text) and _has_lone_surrogate(value):
        raise MalformedJson(_with_place(text, "a lone surrogate in a string"))
    return value


def is_too_deep(value: JsonValue, body: bytes) -> bool:
    """Return whether value has more than DOCUMENT_DEPTH_MAX levels of arrays and objects."""
    if body.count(b"{") + body.count(b"[") <= DOCUMENT_DEPTH_MAX or not isinstance(value, dict | list):
        return False
    containers: list[Any] = [value]
    for _ in range(DOCUMENT_DEPTH_MAX):
        members = chain.from_iterable([one.values() if type(one) is dict else one for one in containers])
        containers = [member for member in members if type(member) is list or type(member) is dict]
        if not containers:
            return False
    return True


def _decode(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        before = body[: error.start].decode()
        line = before.count("\n") + 1
        column = len(before) - before.rfind("\n")
        shown = body[error.start : error.end].hex()
        raise MalformedJson(f"line {line}, column {column}: not UTF-8: {shown}") from None


def _with_place(text: str, problem: str) -> str:
    return find_fault(text, PLACE_SEARCH_MAX) or problem


def _has_lone_surrogate(value: JsonValue) -> bool:
    try:
        orjson.dumps(value)
    except orjson.JSONEncodeError:
        return True
    return False


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        names: set[str] = set()
        for name, _ in pairs:
            if name in names:
                raise _Refused(name_problem(json.dumps(name, ensure_ascii=False)))
            names.add(name)
    return value


def _integer(text: str) -> int:
    if len(text) <= _INTEGER_LENGTH_FREE:
        return int(text)
    problem = integer_problem(text)
    if problem is not None:
        raise _Refused(problem)
    return int(text)


def _float(text: str) -> float:
    problem = number_problem(text)
    if problem is not None:
        raise _Refused(problem)
    return float(text)


def _constant(text: str) -> float:
    raise _Refused(f"{text} is no JSON number")


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_float=_float, parse_constant=_constant
)
