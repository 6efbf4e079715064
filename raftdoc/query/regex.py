"""Regular expressions in time linear in the text: the dialect's patterns (PCRE) on RE2.

What RE2 writes otherwise is translated; what it cannot do in linear time, or would do with another result, is
refused with the construct named: look-around, back references, atomic groups and possessive quantifiers,
conditions, recursion, `\\G`, `\\X`, `\\C`, `\\b` with `(*UCP)`, `\\K` where spans count, repeats above 1,000.

Classes like `\\d` and `\\w` mean ASCII, `\\p{...}` means Unicode, `i` folds case by Unicode, as PCRE does in UTF mode.

Source: pcre2pattern(3); https://github.com/google/re2/wiki/Syntax.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import re2

from raftdoc.errors import InvalidQuery
from raftdoc.query.pattern_size import position_count

PATTERN_BYTES_MAX: Final = 32_764
PATTERN_MEMORY_BYTES_MAX: Final = 8 << 20
"""Of the automata of one pattern: over it RE2 refuses the pattern, or matches more slowly, still linearly."""

READING: Final = 3
"""What a character costs whatever the pattern, in places of a pattern, about."""
FEW_POSITIONS: Final = 16
"""Of a pattern whose automaton has so few states that all of them are kept."""
MATCHING: Final = 3
"""What each place more costs besides."""
CAPTURING: Final = 12
"""What a place costs where it has to be known what was captured."""
_UNBOUNDED: Final = re.compile(r"[*+]|\{\d*,\}")
_CHOICE: Final = re.compile(r"[|?*{]")

OPTIONS: Final = frozenset("imsxu")

_HORIZONTAL: Final = r"\t \x{a0}\x{1680}\x{180e}\x{2000}-\x{200a}\x{202f}\x{205f}\x{3000}"
_VERTICAL: Final = r"\n\x0b\f\r\x{85}\x{2028}\x{2029}"
_ESCAPES: Final = {
    "h": f"[{_HORIZONTAL}]",
    "H": f"[^{_HORIZONTAL}]",
    "v": f"[{_VERTICAL}]",
    "V": f"[^{_VERTICAL}]",
    "R": r"(?:\r\n|[" + _VERTICAL + "])",
    "N": r"[^\n]",
    "s": r"[\s\x0b]",
    "S": r"[^\s\x0b]",
    "e": r"\x1b",
}
_CLASS_ESCAPES: Final = {"h": _HORIZONTAL, "v": _VERTICAL, "s": r"\s\x0b", "e": r"\x1b", "b": r"\x08"}
_REFUSED_ESCAPES: Final = frozenset("123456789kgGXC")
_FLAGS: Final = re.compile(r"\(\?([a-zA-Z]*)(?:-([a-zA-Z]+))?([:)])")
_NAMED: Final = re.compile(r"\(\?(?:P?<([A-Za-z_]\w*)>|'([A-Za-z_]\w*)')")
_REPEAT: Final = re.compile(r"\{\d+(?:,\d*)?\}")
_VERB: Final = re.compile(r"\(\*(UTF8?|UTF16|UTF32|UCP)\)")
_UNICODE_CLASSES: Final = {"d": r"\p{Nd}", "w": r"\p{L}\p{N}_", "s": r"\s\x0b\p{Z}"}
_BRACED: Final = re.compile(r"\\[pPx]\{[^{}]{0,64}\}")
_POSIX: Final = re.compile(r"\[:\^?\w{1,16}:\]")
_CODE_POINT: Final = re.compile(r"o\{([0-7]+)\}")


class _Refused(Exception):
    """The pattern cannot be translated; the message says why."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A compiled pattern. Equal when written alike."""

    source: str
    options: str
    _matcher: Any = field(compare=False, repr=False)
    _finder: Any = field(compare=False, repr=False)
    """None where the pattern was compiled for the fact of a match alone."""
    position_count: int = field(default=1, compare=False)
    """How much a character of a text may cost; see `pattern_size`."""
    matching_cost: int = field(default=1, compare=False)
    """What a character may cost where only the fact of a match is wanted, in places."""
    finding_cost: int = field(default=1, compare=False)
    """The same where spans and captures are wanted."""
    reads_far: bool = field(default=False, compare=False)
    """Whether a search may read much further than what it finds."""

    def reach(self, length: int) -> int:
        """Return how many of the last characters a search for one more match may read, about."""
        return length if self.reads_far else min(length, self.position_count)

    def matches(self, text: str) -> bool:
        """Return whether the pattern is found anywhere in the text."""
        return self._matcher.search(text.encode()) is not None

    def find(self, text: str, start: int = 0) -> tuple[tuple[int, int], tuple[str | None, ...]] | None:
        """Return the span of the first match from `start` on, in code points, and its captures."""
        assert self._finder is not None, self.source
        found = self._finder.search(text, start)
        return None if found is None else (found.span(), found.groups())

    def find_all(self, text: str) -> Iterator[tuple[tuple[int, int], tuple[str | None, ...]]]:
        """Yield the spans, in code points, and the captures of all matches; the text is encoded once."""
        for found in self._finder.finditer(text):
            yield found.span(), found.groups()


def compile_pattern(
    source: str, options: str, pointer: str, *, mongo_code: int = 51091, finds_spans: bool = True
) -> Pattern:
    """Return the pattern; `options` are letters of `imsxu`. Without finds_spans it has no `find`, and may hold `\\K`.

    Raises:
        InvalidQuery: an unknown option (51108), or a pattern that is wrong or not of linear time (mongo_code).
    """
    unknown = [letter for letter in options if letter not in OPTIONS]
    if unknown:
        raise InvalidQuery(f"{unknown[0]!r} is no option of regular expressions", pointer=pointer, mongo_code=51108)
    if len(source) > PATTERN_BYTES_MAX:
        raise InvalidQuery(
            f"a pattern has at most {PATTERN_BYTES_MAX} characters", pointer=pointer, mongo_code=mongo_code
        )
    if "\0" in source:
        raise InvalidQuery("a pattern cannot hold a NUL", pointer=pointer, mongo_code=2)
    flags = "".join(sorted(set(options) & set("ims")))
    prefix = f"(?{flags})" if flags else ""
    settings = re2.Options()
    settings.log_errors = False
    settings.max_mem = PATTERN_MEMORY_BYTES_MAX
    try:
        matcher = re2.compile(prefix + _Translation(source, options, for_spans=False).run(), settings)
        finder = None
        if finds_spans:
            finder = re2.compile(prefix + _Translation(source, options, for_spans=True).run(), settings)
    except (_Refused, re2.error, UnicodeEncodeError) as error:
        reason = error.args[0].decode() if error.args and isinstance(error.args[0], bytes) else str(error)
        raise InvalidQuery(
            f"the pattern is not one that runs in linear time: {reason}", pointer=pointer, mongo_code=mongo_code
        ) from None
    reads_far = _UNBOUNDED.search(source) is not None and _CHOICE.search(source) is not None
    positions = position_count(source)
    many = max(0, positions - FEW_POSITIONS)
    costs = positions, positions + MATCHING * many, READING + CAPTURING * many
    return Pattern(source, options, matcher, finder, *costs, reads_far)


class _Translation:
    """One pass over a pattern; `run` may be called once.

    `$` of PCRE also stands before a last newline, for which RE2 has no assertion: where only the fact of a
    match counts the newline is taken into it; where spans count `$` is the very end.
    """

    def __init__(self, source: str, options: str, *, for_spans: bool) -> None:
        self._source = source
        self._is_extended = "x" in options
        self._is_multiline = "m" in options
        self._end = "$" if for_spans else r"(?:\n?\z)"
        self._is_unicode = False
        self._for_spans = for_spans
        self._place = 0
        self._parts: list[str] = []

    def run(self) -> str:
        source = self._source
        while verb := _VERB.match(source, self._place):
            self._place = verb.end()
            self._is_unicode = self._is_unicode or verb[1] == "UCP"
        while self._place < len(source):
            self._step(source[self._place])
        return "".join(self._parts)

    def _step(self, char: str) -> None:
        if char == "\\":
            self._escape()
        elif char == "[":
            self._class()
        elif char == "(":
            self._group()
        elif char == "$":
            self._emit("$" if self._is_multiline else self._end, 1)
        elif char in "*+?":
            self._quantifier(1)
        elif char == "{":
            repeat = _REPEAT.match(self._source, self._place)
            if repeat is None:
                self._emit(r"\{", 1)
            else:
                self._quantifier(repeat.end() - self._place)
        elif self._is_extended and char in " \t\n\r\f\v":
            self._place += 1
        elif self._is_extended and char == "#":
            self._skip_comment("\n")
        else:
            self._emit(char, 1)

    def _emit(self, text: str, length: int) -> None:
        self._parts.append(text)
        self._place += length

    def _skip_comment(self, end: str) -> None:
        stop = self._source.find(end, self._place)
        if stop < 0 and end == ")":
            raise _Refused("a comment without end")
        self._place = len(self._source) if stop < 0 else stop + 1

    def _quantifier(self, length: int) -> None:
        self._emit(self._source[self._place : self._place + length], length)
        following = self._source[self._place : self._place + 1]
        if following == "+":
            raise _Refused("a possessive quantifier")
        if following == "?":
            self._emit("?", 1)

    def _escape(self) -> None:
        char = self._source[self._place + 1 : self._place + 2]
        if char in _REFUSED_ESCAPES and char:
            raise _Refused(f"\\{char}")
        if char == "Z":
            self._emit(self._end, 2)
        elif char == "K":
            # It moves the start of what was found; where only the fact counts it is nothing.
            if self._for_spans:
                raise _Refused("\\K")
            self._place += 2
        elif self._is_unicode and char in ("b", "B"):
            raise _Refused("\\b with (*UCP)")
        elif self._is_unicode and char.lower() in _UNICODE_CLASSES and char:
            self._emit(("[^" if char.isupper() else "[") + _UNICODE_CLASSES[char.lower()] + "]", 2)
        elif char in _ESCAPES and char:
            self._emit(_ESCAPES[char], 2)
        elif char == "Q":
            self._quoted()
        elif char == "E":
            self._place += 2
        else:
            self._common_escape(char)

    def _common_escape(self, char: str) -> None:
        """Escapes that mean the same inside and outside of a class."""
        if char == "c":
            control = self._source[self._place + 2 : self._place + 3]
            if not control.isascii() or not control:
                raise _Refused("\\c without an ASCII character")
            self._emit(f"\\x{ord(control.upper()) ^ 64:02x}", 3)
            return
        octal = _CODE_POINT.match(self._source, self._place + 1)
        if octal is not None:
            self._emit(f"\\x{{{int(octal[1], 8):x}}}", octal.end() - self._place)
            return
        if self._source.startswith("p{L&}", self._place + 1):
            self._emit(r"\p{Ll}\p{Lu}\p{Lt}" if self._parts[-1:] == ["["] else r"[\p{Ll}\p{Lu}\p{Lt}]", 6)
            return
        braced = _BRACED.match(self._source, self._place)
        if braced is not None:
            self._emit(braced[0], len(braced[0]))
        else:
            self._emit("\\" + char, 2)

    def _quoted(self) -> None:
        stop = self._source.find("\\E", self._place)
        text = self._source[self._place + 2 : stop if stop >= 0 else len(self._source)]
        self._parts.append(re2.escape(text))
        self._place = len(self._source) if stop < 0 else stop + 2

    def _class(self) -> None:
        source = self._source
        self._emit("[", 1)
        if source.startswith("^", self._place):
            self._emit("^", 1)
        if source.startswith("]", self._place):
            self._emit(r"\]", 1)
        while self._place < len(source) and source[self._place] != "]":
            if source[self._place] == "\\":
                char = source[self._place + 1 : self._place + 2]
                if self._is_unicode and char in _UNICODE_CLASSES and char:
                    self._emit(_UNICODE_CLASSES[char], 2)
                elif char in _CLASS_ESCAPES and char:
                    self._emit(_CLASS_ESCAPES[char], 2)
                else:
                    self._common_escape(char)
            elif posix := _POSIX.match(source, self._place):
                self._emit(posix[0], len(posix[0]))
            elif source[self._place] == "[":
                self._emit(r"\[", 1)
            else:
                self._emit(source[self._place], 1)
        if self._place >= len(source):
            raise _Refused("a character class without end")
        self._emit("]", 1)

    def _group(self) -> None:
        source, place = self._source, self._place
        if source.startswith("(*", place):
            raise _Refused("a verb (*...)")
        if not source.startswith("(?", place):
            self._emit("(", 1)
        elif source.startswith("(?#", place):
            self._skip_comment(")")
        elif named := _NAMED.match(source, place):
            self._emit(f"(?P<{named[1] or named[2]}>", named.end() - place)
        elif flags := _FLAGS.match(source, place):
            self._flags(flags)
        else:
            raise _Refused(f"the group {source[place : place + 4]!r}")

    def _flags(self, flags: re.Match[str]) -> None:
        on, off, end = flags[1], flags[2] or "", flags[3]
        if not set(on + off) <= set("imsx") or (end == ":" and "x" in on + off):
            raise _Refused(f"the flags {flags[0]!r}")
        # A flag inside a group ends with the group, in both engines; `x` and `m` are followed to the end only.
        self._is_extended = ("x" in on or self._is_extended) and "x" not in off
        if end == ")":
            self._is_multiline = ("m" in on or self._is_multiline) and "m" not in off
        on, off = on.replace("x", ""), off.replace("x", "")
        text = f"(?{on}-{off}{end}" if off else f"(?{on}{end}"
        self._emit("" if text in ("(?)", "(?-)") else text, flags.end() - self._place)
