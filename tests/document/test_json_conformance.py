"""The parser against the JSON texts of JSONTestSuite, which nobody here wrote."""

from __future__ import annotations

import base64
import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from raftdoc.document import parse_document, parse_json
from raftdoc.errors import InvalidDocument, MalformedJson

PLACE = Path("shared", "conformance", "json_parsing.jsonl.gz")

# The one kind of text that is JSON and that raftdoc refuses: of two equal names nobody can say which is meant.
DUPLICATE_NAMES = {"y_object_duplicated_key", "y_object_duplicated_key_and_value"}

# What a parser may do as it likes. Not in this list: lone surrogates, integers and floats out of range, bytes
# that are not UTF-8, a byte order mark, 500 levels of arrays. All of those are refused.
ACCEPTED_AT_WILL = {"i_number_double_huge_neg_exp", "i_number_real_underflow"}


def _load() -> list[dict[str, Any]]:
    for folder in Path(__file__).resolve().parents:
        if (folder / PLACE).is_file():
            with gzip.open(folder / PLACE, "rt", encoding="utf-8") as lines:
                return [json.loads(line) for line in lines]
    return []


CASES = _load()
pytestmark = pytest.mark.skipif(not CASES, reason=f"there is no {PLACE} beside this repository or above it")


def _text(case: dict[str, Any]) -> bytes:
    repeat = case.get("repeat")
    return base64.b64decode(repeat["base64"]) * repeat["times"] if repeat else base64.b64decode(case["base64"])


def _cases(expect: str) -> list[Any]:
    return [pytest.param(_text(case), id=case["name"]) for case in CASES if case["expect"] == expect]


def _accepts(text: bytes) -> bool:
    try:
        parse_json(text)
    except MalformedJson:
        return False
    return True


def test_all_texts_that_are_json_are_accepted_but_duplicate_names() -> None:
    refused = {case["name"] for case in CASES if case["expect"] == "accept" and not _accepts(_text(case))}
    assert refused == DUPLICATE_NAMES


def test_of_what_is_left_open_only_tiny_numbers_are_accepted() -> None:
    accepted = {case["name"] for case in CASES if case["expect"] == "either" and _accepts(_text(case))}
    assert accepted == ACCEPTED_AT_WILL


@pytest.mark.parametrize("text", _cases("reject"))
def test_text_that_is_no_json_is_refused_with_its_place(text) -> None:
    with pytest.raises(MalformedJson, match=r"^line \d+, column \d+: "):
        parse_json(text)
    with pytest.raises(MalformedJson, match=r"^line \d+, column \d+: "):
        parse_document(text)


@pytest.mark.parametrize("text", _cases("accept"))
def test_document_is_every_accepted_object_and_keeps_its_value(text) -> None:
    if not _accepts(text):
        return
    value = parse_json(text)
    if not isinstance(value, dict):
        with pytest.raises(InvalidDocument):
            parse_document(text)
        return
    normal = parse_document(text).normal
    assert json.loads(normal) == json.loads(text) == value
    assert parse_document(normal).normal == normal
