"""What is wrong with JSON that the grammar allows, and where the first such fault of a text stands."""

from __future__ import annotations

import json
import re
from typing import Final

from raftdoc.limits import DOCUMENT_DEPTH_MAX, INTEGER_MAX, INTEGER_MIN

_TOKEN = re.compile(r"""[ \t\n\r]*+(?:("(?:[^"\\]++|\\.)*+")|([{\[])|([}\]])|([,:])|([-0-9a-zA-Z.+]++))""", re.DOTALL)
_INTEGER = re.compile(r"-?[0-9]+")
_INTEGER_LENGTH_MAX: Final = 20
_INFINITIES: Final = (float("inf"), float("-inf"))
_REFUSED_WORDS: Final = {"NaN", "Infinity", "-Infinity"}
_SHOWN_MAX: Final = 60


def integer_problem(text: str) -> str | None:
    """Return what is wrong with an integer token, None if nothing is."""
    # The length first: int() of a million digits takes minutes.
    if len(text) > _INTEGER_LENGTH_MAX or not INTEGER_MIN <= int(text) <= INTEGER_MAX:
        return f"the integer {_shown(text)} is outside the range of 64 bits"
    return None


def number_problem(text: str) -> str | None:
    """Return what is wrong with a number token that is no integer, None if nothing is."""
    return f"the number {_shown(text)} is outside the range of a double" if float(text) in _INFINITIES else None


def name_problem(token: str) -> str:
    """Return what is wrong with a name that an object has already."""
    return f"the name {_shown(token)} stands twice in one object"


def find_fault(text: str, search_max: int) -> str | None:
    """Return the first fault with its line and column, None if the first search_max characters have none.

    The grammar has to be right up to the fault.
    """
    # One set of names per open object, None per open array; and whether a name is expected next, if in an object.
    open_names: list[set[str] | None] = []
    is_name_next = False
    match = _TOKEN.match(text, 0, search_max)
    while match is not None:
        string, opening, closing, separator, word = match.groups()
        problem = None
        if string is not None:
            problem = _string_problem(string, open_names[-1] if is_name_next else None)
            is_name_next = False
        elif opening is not None:
            open_names.append(set() if opening == "{" else None)
            is_name_next = opening == "{"
            if len(open_names) > DOCUMENT_DEPTH_MAX:
                problem = f"more than {DOCUMENT_DEPTH_MAX} levels"
        elif closing is not None:
            open_names.pop()
            is_name_next = False
        elif separator is not None:
            is_name_next = separator == ","
        else:
            problem = _word_problem(word)
        if problem is not None:
            return _at(text, match.start(match.lastindex or 0), problem)
        match = _TOKEN.match(text, match.end(), search_max)
    return None


def _string_problem(token: str, names: set[str] | None) -> str | None:
    """Check a string, and that it is new among names if it is a name."""
    value = token[1:-1]
    if "\\" in value:
        value = json.loads(token)
        try:
            value.encode()
        except UnicodeEncodeError:
            return f"a lone surrogate in {_shown(token)}"
    if names is None:
        return None
    if value in names:
        return name_problem(token)
    names.add(value)
    return None


def _word_problem(word: str) -> str | None:
    if word in _REFUSED_WORDS:
        return f"{word} is no JSON number"
    if _INTEGER.fullmatch(word):
        return integer_problem(word)
    return number_problem(word) if word[0] in "-0123456789" else None


def _shown(token: str) -> str:
    return token if len(token) <= _SHOWN_MAX else f"{token[:_SHOWN_MAX]}..."


def _at(text: str, position: int, problem: str) -> str:
    line = text.count("\n", 0, position) + 1
    column = position - text.rfind("\n", 0, position)
    return f"line {line}, column {column}: {problem}"
