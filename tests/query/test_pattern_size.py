"""The estimated size of a pattern's program bounds the real one, and is not far from it where that is large."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from raftdoc.errors import InvalidQuery
from raftdoc.query.pattern_size import pattern_size
from raftdoc.query.regex import compile_pattern

ATOMS = (
    *("a", "k", "é", "ß", "𝄞", ".", "^", "$", r"\.", r"\b", r"\x{e9}", r"\x{1d11e}", r"\Qa.b\E"),
    *(
        r"\d",
        r"\w",
        r"\s",
        r"\S",
        r"\h",
        r"\H",
        r"\v",
        r"\R",
        r"\N",
        r"\pL",
        r"\PL",
        r"\p{Greek}",
        r"\P{Greek}",
        r"\p{L&}",
    ),
    *(
        "[a-z]",
        "[ks_]",
        "[^a]",
        "[^]k]",
        r"[\w-]",
        r"[\pL\pN_]",
        r"[^\pL]",
        r"[\h\s]",
        "[[:alpha:]é]",
        r"[\x{100}-\x{10ffff}]",
    ),
)
REPEATS = ("", "*", "+", "?", "+?", "{3}", "{2,}", "{0,4}", "{7}?")


def patterns() -> st.SearchStrategy[str]:
    repeated = st.builds(lambda atom, repeat: atom + repeat, st.sampled_from(ATOMS), st.sampled_from(REPEATS))
    simple = st.lists(repeated, min_size=1, max_size=4).map("".join)
    inner = st.recursive(
        simple,
        lambda below: st.builds(
            lambda opening, parts, repeat, after: f"{opening}{'|'.join(parts)}){repeat}{after}",
            st.sampled_from(("(", "(?:", "(?i:", "(?P<n>")),
            st.lists(below, min_size=1, max_size=3),
            st.sampled_from(REPEATS),
            simple,
        ),
        max_leaves=4,
    )
    return st.builds(lambda start, rest: start + rest, st.sampled_from(("", "(?i)", "(?s)", "(*UCP)")), inner)


def size_of(source: str) -> int | None:
    """Return how many instructions the program has; None: it is refused."""
    try:
        pattern = compile_pattern(source, "", "", finds_spans=False)
    except InvalidQuery:
        return None
    size: int = pattern._matcher.programsize
    return size


@settings(max_examples=300)
@given(patterns())
@example(r"\pL{100}")
@example(r"(*UCP)\w{20}")
@example(r"((?:[\pL\pN]{3}){3}){3}")
@example(r"(?i)[k-é]{50}")
def test_no_program_is_larger_than_its_estimate(source: str) -> None:
    size = size_of(source)
    assert size is None or size <= pattern_size(source), source


@pytest.mark.parametrize(
    "source", ["", "(", ")", "[", "{3}", "a{", r"\p{", "\\", r"\Q", "(?", "a{1000}{1000}{1000}{1000}"]
)
def test_what_is_no_pattern_has_a_size(source: str) -> None:
    assert pattern_size(source) > 0


@pytest.mark.parametrize(
    ("source", "size_max"),
    [
        (r"^[a-z]{1,64}@[a-z]{1,255}$", 4_500),
        (r"^\d{4}-\d{2}-\d{2}T", 2_000),
        ("a" * 1000, 4_100),
        (r"^[\p{L}\p{N}]{1,20}$", 70_000),
    ],
)
def test_usual_patterns_are_not_taken_for_large(source: str, size_max: int) -> None:
    assert pattern_size(source) <= size_max
