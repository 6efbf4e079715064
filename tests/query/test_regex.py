"""Patterns of PCRE on RE2: what is translated, and what is refused because it would not be linear."""

from __future__ import annotations

import pytest

from raftdoc.errors import InvalidQuery
from raftdoc.query.regex import compile_pattern


@pytest.mark.parametrize(
    ("pattern", "options", "text"),
    [
        ("hel lo # comment", "x", "hello"),
        (r"a\ b[ ]c", "x", "a b c"),
        ("c$", "", "abc\n"),
        ("^b$", "m", "a\nb\nc"),
        ("a.c", "s", "a\nc"),
        (r"^\p{Han}+$", "", "你好"),
        ("É", "i", "é"),
        (r"[\s\d]+x", "", "1\vx"),
        (r"\h\R\N", "", "\t\r\nx"),
        (r"\Qa.b\E+", "", "a.bbb"),
        ("a{,2}", "", "a{,2}"),
        ("[]a]+", "", "]a"),
        ("[[:alpha:]_]+", "", "_a"),
        ("(?<name>a)(?P<other>b)(?'third'c)", "", "abc"),
        ("(?#nothing)a(?i:B)", "", "ab"),
        (r"\x{61}\o{142}\cA", "", "ab\x01"),
        ("(*UTF8)(*UCP)^\\w+\\d$", "", "é٣"),
        (r"foo\Kbar", "", "foobar"),
        (r"ab\Z", "", "ab\n"),
    ],
)
def test_pattern_means_what_it_means_in_pcre(pattern: str, options: str, text: str) -> None:
    assert compile_pattern(pattern, options, "", finds_spans=False).matches(text)


@pytest.mark.parametrize(
    "pattern",
    [
        "a(?=b)",
        "a(?!b)",
        "(?<=a)b",
        "(?<!a)b",
        r"(a)\1",
        r"(?<n>a)\k<n>",
        "a++",
        "a*+",
        "(?>a)",
        "(?(1)a)",
        "(?R)",
        r"\G",
        r"\X",
        r"\C",
        "a{1001}",
        "(",
        "[a",
        "a)",
        "*",
        "(?z)",
        "(*FAIL)",
        r"(*UCP)\b",
        "(a{1000}){1000}",
    ],
)
def test_pattern_that_is_wrong_or_not_linear_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidQuery) as caught:
        compile_pattern(pattern, "", "/filter/a/$regex")
    assert (caught.value.mongo_code, caught.value.pointer) == (51091, "/filter/a/$regex")


def test_find_tells_spans_in_code_points_and_captures() -> None:
    pattern = compile_pattern("(é)(x)?", "", "")
    assert pattern.find("日é") == ((1, 2), ("é", None))
    assert pattern.find("éé", 1) == ((1, 2), ("é", None))
    assert pattern.find("e") is None


def test_pattern_that_an_engine_could_backtrack_over_is_fast_enough_to_finish() -> None:
    assert not compile_pattern("^(a+)+$", "", "").matches("a" * 100_000 + "b")
