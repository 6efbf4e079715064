"""How large a program a pattern becomes, estimated from above before it is compiled.

Compiling takes time in proportion, some 0.3 us an instruction, and `\\pL{100}` has 120,000 of them. What multiplies are
repeats; what is large to begin with are the classes of Unicode, whose ranges become bytes of UTF-8.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

PROPERTY_SIZE: Final = 1400
"""Of `\\pL`, `\\PL` and their like, the largest of which has 1,200 instructions."""
ESCAPE_SIZE: Final = 96
"""Of an escape: `\\h` and `\\R` become classes."""
CLASS_SIZE: Final = 16
"""Of a class, beside what is in it, and of `.`."""
ASCII_SIZE: Final = 4
PLAIN_CLASS_SIZE: Final = 12
"""Of `[a-z]`: ASCII, with its other cases."""
CHARACTER_SIZE: Final = 24
"""Of any other character, in up to four cases of up to four bytes."""

_TOKEN: Final = re.compile(
    r"""
    \\Q(?P<quoted>.*?)(?:\\E|\Z)
    | (?P<property>\\[pP](?:\{[^{}]{0,64}\}|.?))
    | (?P<escape>\\(?:[xo]\{[^{}]{0,64}\}|.?))
    | (?P<class>\[\^?\]?(?:\[:\^?\w+:\]|\\.|[^\]\\])*\]?)
    | (?P<repeat>\{(?P<least>\d+)(?P<comma>,(?P<most>\d*))?\})
    | (?P<any>.)
    """,
    re.DOTALL | re.VERBOSE,
)
_PLAIN_CLASS: Final = re.compile(r"\[[^\[\]\\^\x80-\U0010ffff]+\]")
_PROPERTY: Final = re.compile(r"\\[pP]")
_SHORT_CLASS: Final = re.compile(r"\\[dDwWsS]")


def pattern_size(source: str) -> int:
    """Return at least as many instructions as the program of a pattern has; what is no pattern has some size, too."""
    is_unicode = "(*UCP)" in source
    return _total(source, lambda token: _size(token, token[0], is_unicode=is_unicode), 2) + 8


def position_count(source: str) -> int:
    """Return in how many places of a pattern a match may be at once, about: each may cost time at every character."""
    return _total(source, lambda token: len(token["quoted"] or " "), 0) + 1


def _total(source: str, size_of: Callable[[re.Match[str]], int], overhead: int) -> int:
    """Return the sum over the tokens of a pattern, what is repeated as often; `overhead` is of a group, or a repeat."""
    groups = [0]
    last = 0
    for token in _TOKEN.finditer(source):
        text = token[0]
        if token["repeat"]:
            times = _times(token)
            groups[-1] += last * (times - 1) + overhead * times
            last *= times
            continue
        if text == "(":
            groups.append(0)
        elif text == ")" and len(groups) > 1:
            last = groups.pop() + overhead
            groups[-1] += last
        else:
            last = size_of(token)
            groups[-1] += last
    return sum(groups)


def _times(repeat: re.Match[str]) -> int:
    least = int(repeat["least"])
    return max(1, least + 1 if repeat["comma"] and not repeat["most"] else int(repeat["most"] or least))


def _size(token: re.Match[str], text: str, *, is_unicode: bool) -> int:
    if token["property"]:
        return PROPERTY_SIZE
    if token["class"]:
        if _PLAIN_CLASS.fullmatch(text):
            return PLAIN_CLASS_SIZE
        return CLASS_SIZE + _characters(text) + _properties(text, is_unicode=is_unicode)
    if token["escape"]:
        return ESCAPE_SIZE + _properties(text, is_unicode=is_unicode)
    if token["quoted"]:
        return _characters(token["quoted"])
    return CLASS_SIZE if text == "." else _characters(text)


def _properties(text: str, *, is_unicode: bool) -> int:
    count = len(_PROPERTY.findall(text))
    if is_unicode:
        count += 2 * len(_SHORT_CLASS.findall(text))
    return count * PROPERTY_SIZE


def _characters(text: str) -> int:
    return len(text) * (ASCII_SIZE if text.isascii() else CHARACTER_SIZE)
