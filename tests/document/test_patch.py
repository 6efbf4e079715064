"""JSON Patch by the cases of json-patch-tests, JSON Merge Patch by the examples of RFC 7396, and their bounds."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from raftdoc.document.patch import apply_json_patch, apply_merge_patch, json_equal, parse_json_patch
from raftdoc.errors import InvalidPatch, PatchConflict, TooLarge
from raftdoc.limits import MIB, PATCH_OPERATIONS_MAX

CASES = Path(__file__).resolve().parents[3] / "shared/conformance/json-patch"
DISABLED_COUNT_MAX = 6


def cases() -> list[Any]:
    if not CASES.is_dir():
        return [pytest.param({}, marks=pytest.mark.skip(reason="shared/conformance/json-patch is not beside the repo"))]
    found = [case for name in ("spec_tests.json", "tests.json") for case in json.loads((CASES / name).read_text())]
    kept = [case for case in found if not case.get("disabled")]
    assert len(found) - len(kept) <= DISABLED_COUNT_MAX
    return [pytest.param(case, id=f"{at}-{case.get('comment', '')[:40]}") for at, case in enumerate(kept)]


def patched(document: Any, patch: Any, *, bytes_max: int = MIB) -> Any:
    return apply_json_patch(document, parse_json_patch(patch), bytes_max=bytes_max)


@pytest.mark.parametrize("case", cases())
def test_json_patch_does_what_the_case_says(case: dict[str, Any]) -> None:
    document, patch = copy.deepcopy(case["doc"]), copy.deepcopy(case["patch"])
    if "error" in case:
        with pytest.raises((InvalidPatch, PatchConflict)):
            patched(document, patch)
    else:
        result = patched(document, patch)
        if "expected" in case:
            assert result == case["expected"]
    assert (document, patch) == (case["doc"], case["patch"]), "the arguments were changed"


MERGES = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    (["a", "b"], ["c", "d"], ["c", "d"]),
    ({"a": "b"}, ["c"], ["c"]),
    ({"a": "foo"}, None, None),
    ({"a": "foo"}, "bar", "bar"),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]
"""Source: RFC 7396, appendix A."""


@pytest.mark.parametrize(("target", "patch", "result"), MERGES)
def test_merge_patch_does_what_the_example_says(target: Any, patch: Any, result: Any) -> None:
    before = copy.deepcopy((target, patch))
    assert apply_merge_patch(target, patch) == result
    assert (target, patch) == before


@pytest.mark.parametrize(
    ("patch", "pointer"),
    [
        ({}, ""),
        ([1], "/0"),
        ([{"op": "test", "path": "", "value": 1}, {"op": "spam", "path": ""}], "/1/op"),
        ([{"op": "add", "path": "a", "value": 1}], "/0/path"),
        ([{"op": "add", "path": "/~2", "value": 1}], "/0/path"),
        ([{"op": "copy", "path": "/a", "from": "b"}], "/0/from"),
        ([{"op": "add", "path": "/a"}], "/0"),
        ([{"op": "move", "from": "/a", "path": "/a/b"}], "/0/path"),
    ],
)
def test_what_is_no_patch_is_refused_with_its_place(patch: Any, pointer: str) -> None:
    with pytest.raises(InvalidPatch) as refused:
        parse_json_patch(patch)
    assert refused.value.pointer == pointer


@pytest.mark.parametrize(
    ("operation", "pointer"),
    [
        ({"op": "test", "path": "/a", "value": True}, "/0"),
        ({"op": "remove", "path": "/b"}, "/0/path"),
        ({"op": "remove", "path": ""}, "/0/path"),
        ({"op": "move", "from": "/b", "path": "/c"}, "/0/from"),
        ({"op": "add", "path": "/a/b", "value": 1}, "/0/path"),
    ],
)
def test_patch_that_does_not_fit_says_where(operation: Any, pointer: str) -> None:
    with pytest.raises(PatchConflict) as conflict:
        patched({"a": 1}, [operation])
    assert conflict.value.pointer == pointer


def test_one_is_equal_to_one_point_zero_and_not_to_true() -> None:
    assert json_equal([1, {"a": 2.0}], [1.0, {"a": 2}])
    assert not json_equal(1, True)
    assert not json_equal({"a": 0}, {"a": False})


def test_value_that_is_added_twice_is_two_values() -> None:
    patch = [{"op": "add", "path": "/a", "value": {}}, {"op": "copy", "from": "/a", "path": "/b"}]
    assert patched({}, [*patch, {"op": "add", "path": "/a/x", "value": 1}]) == {"a": {"x": 1}, "b": {}}


def test_copies_that_double_are_stopped_at_the_limit() -> None:
    doubling = [{"op": "copy", "from": "", "path": f"/{step}"} for step in range(60)]
    with pytest.raises(TooLarge) as refused:
        patched({"a": 1}, doubling)
    assert refused.value.limit == MIB


def test_number_of_operations_is_bounded() -> None:
    with pytest.raises(TooLarge) as refused:
        parse_json_patch([{"op": "test", "path": "", "value": 1}] * (PATCH_OPERATIONS_MAX + 1))
    assert refused.value.limit == PATCH_OPERATIONS_MAX
