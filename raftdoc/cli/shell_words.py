"""Cuts a line of the shell into words and JSON values.

    put orders 42 {"item": "ink", "qty": 3}       ->  ["put", "orders", "42", {"item": "ink", "qty": 3}]

What begins with `{`, `[` or `"` is JSON and may have spaces; everything else is a word, ended by a space. A line that
begins with `#` is a comment.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

JSON_STARTS = '{["'


class BadLine(ValueError):
    """The message says what is wrong with the line, and where."""


class Json(NamedTuple):
    """A JSON value, told from a word."""

    value: Any


def cut(line: str) -> list[str | Json]:
    """Return the words and values of a line.

    Raises:
        BadLine: a value is no JSON.
    """
    parts: list[str | Json] = []
    position = len(line) if line.lstrip().startswith("#") else 0
    while (position := _skip_space(line, position)) < len(line):
        if line[position] in JSON_STARTS:
            value, position = _json(line, position)
            parts.append(Json(value))
        else:
            stop = next((at for at in range(position, len(line)) if line[at].isspace()), len(line))
            parts.append(line[position:stop])
            position = stop
    return parts


def is_open(line: str) -> bool:
    """Return whether a JSON value of the line is not closed yet, so that another line follows."""
    depth, in_text, is_escaped = 0, False, False
    for character in line:
        if in_text:
            in_text = is_escaped or character != '"'
            is_escaped = character == "\\" and not is_escaped
        elif character == '"':
            in_text = True
        elif character in "{[":
            depth += 1
        elif character in "}]":
            depth -= 1
    return depth > 0


def _skip_space(line: str, position: int) -> int:
    while position < len(line) and line[position].isspace():
        position += 1
    return position


def _json(line: str, position: int) -> tuple[Any, int]:
    try:
        value, stop = json.JSONDecoder(parse_constant=_no_number).raw_decode(line, position)
    except ValueError as error:
        detail = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
        at = error.pos if isinstance(error, json.JSONDecodeError) else position
        raise BadLine(f"no JSON at column {at + 1}: {detail}") from None
    if stop < len(line) and not line[stop].isspace():
        raise BadLine(f"a space is missing at column {stop + 1}")
    return value, stop


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")
