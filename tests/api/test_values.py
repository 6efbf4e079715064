"""The small parts by themselves: cursors, ids, entity tags, targets."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raftdoc.api.cursors import open_cursor, sign_cursor
from raftdoc.api.generated_ids import IdSource, derived_id
from raftdoc.api.preconditions import is_unchanged, parse_tags, revision_to_match, tag_of
from raftdoc.api.targets import decode, read_query, split_target
from raftdoc.errors import InvalidCursor, InvalidRequest, PreconditionFailed, UnknownOption

KEY, SCOPE = b"secret", ("shop", "orders", "by id")


@given(st.binary(max_size=1100))
def test_a_cursor_opens_to_what_was_signed(after: bytes) -> None:
    assert open_cursor(KEY, SCOPE, sign_cursor(KEY, SCOPE, after)) == after


@given(st.text(max_size=60))
def test_a_text_that_was_not_given_is_no_cursor(text: str) -> None:
    with pytest.raises(InvalidCursor):
        open_cursor(KEY, SCOPE, text)


@pytest.mark.parametrize(
    "scope", [("shop", "order", "sby id"), ("shop", "orders"), ("shop", "orders", "by n"), ("x", "orders", "by id")]
)
def test_a_cursor_belongs_to_its_list(scope: tuple[str, ...]) -> None:
    with pytest.raises(InvalidCursor):
        open_cursor(KEY, scope, sign_cursor(KEY, SCOPE, b"42"))
    with pytest.raises(InvalidCursor):
        open_cursor(b"other cluster", SCOPE, sign_cursor(KEY, SCOPE, b"42"))


def test_ids_rise_though_the_clock_stands_still_or_steps_back() -> None:
    times = iter([1000] * 5000 + [900] * 10 + [1003] * 10)
    source = IdSource(lambda: next(times))
    ids = [source.next_id() for _ in range(5020)]
    assert ids == sorted(set(ids))
    assert {(UUID(id).version, UUID(id).variant) for id in ids} == {(7, "specified in RFC 4122")}
    assert UUID(ids[0]).int >> 80 == 1000
    assert UUID(ids[-1]).int >> 80 == 1003


@given(st.text(max_size=20), st.text(max_size=20), st.integers(0, 1000), st.binary(max_size=20))
def test_derived_ids_depend_on_everything(key: str, path: str, position: int, document: bytes) -> None:
    id = derived_id(key, path, position, document)
    assert id == derived_id(key, path, position, document)
    others = {
        derived_id(key + "x", path, position, document),
        derived_id(key, path + "x", position, document),
        derived_id(key, path, position + 1, document),
        derived_id(key, path, position, document + b"x"),
    }
    assert id not in others
    assert str(UUID(id)) == id


@given(st.integers(1, (1 << 64) - 1))
def test_a_tag_names_its_revision_and_no_other(revision: int) -> None:
    tag = tag_of(revision)
    assert revision_to_match({b"if-match": tag}) == revision
    assert is_unchanged({b"if-none-match": tag}, revision)
    assert not is_unchanged({b"if-none-match": tag}, revision + 1)
    with pytest.raises(PreconditionFailed):
        is_unchanged({b"if-match": tag}, revision + 1)


@given(st.binary(max_size=30))
def test_any_bytes_are_tags_or_refused(value: bytes) -> None:
    try:
        tags = parse_tags("If-Match", value)
    except InvalidRequest:
        return
    assert tags is None or tags


@given(st.text(alphabet=st.characters(codec="ascii"), max_size=30))
def test_any_target_is_split_or_refused(target: str) -> None:
    try:
        path, query = split_target("/" + target)
    except InvalidRequest:
        assert "#" in target
    else:
        assert path + ("?" + query if "?" in target else "") == "/" + target


@given(st.text(max_size=30))
def test_what_is_encoded_decodes_to_itself(text: str) -> None:
    from urllib.parse import quote

    try:
        encoded = quote(text, safe="")
    except UnicodeEncodeError:
        return
    assert decode(encoded) == text


@given(st.text(alphabet="a%0123cf&=é", max_size=12))
def test_any_query_is_read_or_refused(query: str) -> None:
    try:
        read = read_query(query, frozenset({"a", ""}))
    except (InvalidRequest, UnknownOption):
        return
    assert set(read) <= {"a", ""}
