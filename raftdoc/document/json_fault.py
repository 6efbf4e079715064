"""Finds where a JSON text is refused for more than its grammar, token by token.

It is run on texts that the decoder stopped at, or that hold escaped surrogates; it builds no values.
"""

from __future__ import annotations

import json
import re
from typing import Final

from raftdoc.errors import MalformedJson
from raftdoc.limits import DOCUMENT_DEPTH_MAX, INTEGER_MAX, INTEGER_MIN

_TOKEN = re.compile(r"""[ \t\n\r]*+(?:("(?:[^"\\]++|\\.)*+")|([{\[])|([}\]])|([,:])|([-0-9a-zA-Z.+]++))""", re.DOTALL)
_INTEGER = re.compile(r"-?[0-9]+")
_REFUSED_WORDS: Final = {"NaN", "Infinity", "-Infinity"}
_SHOWN_MAX: Final = 60
_TOO_DEEP: Final = f"more than {DOCUMENT_DEPTH_MAX} levels"


class TooDeep(MalformedJson):
    """JSON, but with more levels than are accepted."""


def find_fault(text: str) -> MalformedJson | None:
    """Return the first fault of a text whose grammar is right up to that fault; None if there is none."""
    # One set of names per open object, None per open array; the name that is expected next or not.
    open_names: list[set[str] | None] = []
    is_name_next = False
    for match in _TOKEN.finditer(text):
        string, opening, closing, separator, word = match.groups()
        problem = None
        if string is not None:
            names = open_names[-1] if open_names else None
            problem = _string_problem(string, names if is_name_next else None)
            is_name_next = False
        elif opening is not None:
            open_names.append(set() if opening == "{" else None)
            is_name_next = opening == "{"
            if len(open_names) > DOCUMENT_DEPTH_MAX:
                problem = _TOO_DEEP
        elif closing is not None:
            open_names.pop()
            is_name_next = False
        elif separator is not None:
            is_name_next = separator == "," and open_names[-1] is not None
        else:
            problem = _word_problem(word)
        if problem is not None:
            return _at(text, match.start(match.lastindex or 0), problem)
    return None


def _string_problem(string: str, names: set[str] | None) -> str | None:
    """Check a string token, and that it is new among names if it is a name."""
    value = string[1:-1]
    if "\\" in value:
        value = json.loads(string)
        try:
            value.encode()
        except UnicodeEncodeError:
            return f"a lone surrogate in {_shown(string)}"
    if names is None:
        return None
    if value in names:
        return f"the name {_shown(string)} stands twice in one object"
    names.add(value)
    return None


def _word_problem(word: str) -> str | None:
    if word in _REFUSED_WORDS:
        return f"{word} is no JSON number"
    if _INTEGER.fullmatch(word):
        if len(word) > 20 or not INTEGER_MIN <= int(word) <= INTEGER_MAX:
            return f"the integer {_shown(word)} is outside the range of 64 bits"
        return None
    if word[0] in "-0123456789" and float(word) in (float("inf"), float("-inf")):
        return f"the number {_shown(word)} is outside the range of a double"
    return None


def _shown(token: str) -> str:
    return token if len(token) <= _SHOWN_MAX else f"{token[:_SHOWN_MAX]}..."


def _at(text: str, position: int, problem: str) -> MalformedJson:
    line = text.count("\n", 0, position) + 1
    column = position - text.rfind("\n", 0, position)
    cls = TooDeep if problem is _TOO_DEEP else MalformedJson
    return cls(f"line {line}, column {column}: {problem}")
