"""`$regexMatch`, `$regexFind` and `$regexFindAll`, in time linear in the text."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from itertools import islice
from typing import Any, Final

from raftdoc.query.context import Context
from raftdoc.query.expressions.operands import compile_members, is_nullish
from raftdoc.query.expressions.scope import CONTEXT_SLOT, Builder, Code, Frame, Scope, Value, fault, fold
from raftdoc.query.parts import PROGRAM_MAX
from raftdoc.query.pattern_size import pattern_size
from raftdoc.query.regex import PATTERN_BYTES_MAX, Pattern, compile_pattern
from raftdoc.query.type_names import type_name

_NAMES: Final = {"input": 31022, "regex": 31023, "options": None}

MATCHES_MAX: Final = 100_000
"""Of one `$regexFindAll`."""
TOO_MANY_MATCHES: Final = 51151
COMPILING_STEPS: Final = 200
"""What a pattern that is not fixed is charged with, in turns of a loop."""

FREE_PROGRAM: Final = 256
"""Instructions of a pattern that are compiled for nothing more."""
SHORT_PATTERN: Final = 12
"""Characters that make no more, whatever they are but a class of Unicode."""
WORK_PER_STEP: Final = 320
"""Places of a pattern times characters of a text that cost as much as one turn of a loop, at worst."""
FREE_WORK: Final = 8 * WORK_PER_STEP
FREE_SEARCHES: Final = 64 * WORK_PER_STEP
"""The same of all searches of one `$regexFindAll`."""

Search = Callable[[str, Pattern, Context, str], Value]


def _builder(search: Search, nothing: Callable[[], Value], *, finds_spans: bool = True) -> Builder:
    def build(spec: Value, scope: Scope, pointer: str) -> Code:
        codes = compile_members(spec, scope, pointer, names=_NAMES, not_object=51103, unknown=31024)
        run_input, regex, options = codes["input"].run, codes["regex"], codes.get("options")
        is_fixed = regex.is_constant and (options is None or options.is_constant)
        fixed = _pattern(regex.constant, options and options.constant, pointer) if is_fixed else None

        def run(frame: Frame) -> Value:
            pattern = fixed
            if not is_fixed:
                source = regex.run(frame)
                if scope.size.charges:
                    frame[CONTEXT_SLOT].charge(COMPILING_STEPS, pointer)
                if isinstance(source, str) and len(source) <= PATTERN_BYTES_MAX and (steps := _compiling(source)):
                    frame[CONTEXT_SLOT].charge(steps, pointer)
                pattern = _pattern(source, options and options.run(frame), pointer)
            text = run_input(frame)
            if not isinstance(text, str) and not is_nullish(text):
                raise fault(f"the input is a string, not {type_name(text)}", f"{pointer}/input", 51104)
            if pattern is None or not isinstance(text, str):
                return nothing()
            work = len(text) * (pattern.finding_cost if finds_spans else pattern.matching_cost)
            if work > FREE_WORK:
                frame[CONTEXT_SLOT].charge(work // WORK_PER_STEP, pointer)
            return search(text, pattern, frame[CONTEXT_SLOT], pointer)

        return fold(run, list(codes.values()), scope)

    return build


@lru_cache(maxsize=64)
def _compiling(source: str) -> int:
    """Return what a pattern that is not fixed is charged with beside COMPILING_STEPS: an instruction as one turn."""
    if len(source) <= SHORT_PATTERN and "\\p" not in source.lower() and "{" not in source and "(*" not in source:
        return 0
    size = min(pattern_size(source), PROGRAM_MAX)
    return size if size > FREE_PROGRAM else 0


def _pattern(source: Value, options: Value, pointer: str) -> Pattern | None:
    if not isinstance(options, str) and not is_nullish(options):
        raise fault(f"options are a string, not {type_name(options)}", f"{pointer}/options", 51106)
    if not isinstance(source, str) and not is_nullish(source):
        raise fault(f"a pattern is a string, not {type_name(source)}", f"{pointer}/regex", 51105)
    if is_nullish(source):
        return None
    letters = options or "" if isinstance(options, str) else ""
    if "\0" in source:
        raise fault("a pattern cannot hold a NUL", f"{pointer}/regex", 51109)
    if "\0" in letters:
        raise fault("options cannot hold a NUL", f"{pointer}/options", 51110)
    return compile_pattern(source, letters, f"{pointer}/regex", mongo_code=51111)


def _match(text: str, pattern: Pattern, context: Context, pointer: str) -> bool:
    return pattern.matches(text)


def _find(text: str, pattern: Pattern, context: Context, pointer: str) -> Value:
    return next(_found(text, pattern), None)


def _find_all(text: str, pattern: Pattern, context: Context, pointer: str) -> Value:
    found = islice(_found(text, pattern), MATCHES_MAX + 1)
    is_short = len(text) * len(text) * pattern.finding_cost <= FREE_SEARCHES
    matches = list(found if is_short else _charged(found, text, pattern, context, pointer))
    if len(matches) > MATCHES_MAX:
        raise fault(f"$regexFindAll finds at most {MATCHES_MAX} matches", pointer, TOO_MANY_MATCHES)
    return matches


def _charged(
    found: Iterator[dict[str, Any]], text: str, pattern: Pattern, context: Context, pointer: str
) -> Iterator[dict[str, Any]]:
    """Yield matches, each of which counts as what the search for the next one may read."""
    finding_cost = pattern.finding_cost
    for match in found:
        yield match
        context.charge(pattern.reach(len(text) - match["idx"]) * finding_cost // WORK_PER_STEP, pointer)


def _found(text: str, pattern: Pattern) -> Iterator[dict[str, Any]]:
    for (start, stop), captures in pattern.find_all(text):
        # Nothing is looked for behind the last character, but in an empty text.
        if start < len(text) or not text:
            yield {"match": text[start:stop], "idx": start, "captures": list(captures)}


OPERATORS: Final[Mapping[str, Builder]] = {
    "$regexMatch": _builder(_match, lambda: False, finds_spans=False),
    "$regexFind": _builder(_find, lambda: None),
    "$regexFindAll": _builder(_find_all, list),
}
