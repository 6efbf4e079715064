"""Files of documents come back as they were written, whatever their format and compression."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raftdoc.cli.data_files import BadFile, format_of, open_input, open_output, read_documents, write_documents
from raftdoc.cli.progress import line

SCALARS = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
)
VALUES = st.recursive(
    SCALARS | st.text(st.characters(exclude_categories=["Cs"]), max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=3), inner, max_size=3),
    max_leaves=6,
)
DOCUMENTS = st.lists(st.dictionaries(st.text("abc.", max_size=4), VALUES, max_size=4), max_size=6)


def read(path: Path, kind: str, *, infer: bool = False) -> list[object]:
    with open_input(str(path)) as source:
        return [json.loads(text) for text in read_documents(source.file, kind, infer=infer)]


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
@pytest.mark.parametrize("kind", ["ndjson", "json"])
@given(documents=DOCUMENTS)
def test_documents_come_back(
    tmp_path_factory: pytest.TempPathFactory, kind: str, suffix: str, documents: list[dict[str, object]]
) -> None:
    path = tmp_path_factory.mktemp("files") / f"a.{kind}{suffix}"
    with open_output(str(path)) as file:
        assert write_documents(file, kind, documents, None) == len(documents)
    assert format_of(str(path)) == kind
    assert read(path, kind) == documents


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
def test_csv_has_the_columns_that_are_asked_for(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.csv{suffix}"
    documents = [{"_id": "a,b", "n": 7, "x": None}, {"_id": 'q"\n', "n": 1.5, "x": [1, {"y": "ü"}], "more": 1}]
    with open_output(str(path)) as file:
        write_documents(file, "csv", documents, ["_id", "n", "x"])
    assert read(path, "csv") == [
        {"_id": "a,b", "n": "7", "x": ""},
        {"_id": 'q"\n', "n": "1.5", "x": '[1, {"y": "ü"}]'},
    ]
    assert read(path, "csv", infer=True)[0] == {"_id": "a,b", "n": 7, "x": None}


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("json", b'{"a": 1}x'),
        ("json", b"[1]"),
        ("json", b'[{"a": 1}'),
        ("csv", b"a,b\n1\n"),
        ("csv", b"a,b\n1,2,3\n"),
        ("csv", b"a\n\xff\n"),
    ],
)
def test_a_file_that_is_not_what_it_should_be_is_said(tmp_path: Path, kind: str, data: bytes) -> None:
    path = tmp_path / "a"
    path.write_bytes(data)
    with pytest.raises(BadFile):
        read(path, kind)


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_a_compressed_file_that_is_cut_is_said(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.ndjson{suffix}"
    with open_output(str(path)) as file:
        write_documents(file, "ndjson", [{"n": n, "text": f"{n * n}"} for n in range(5000)], None)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(BadFile):
        read(path, "ndjson")


def test_a_file_that_is_not_finished_has_another_name(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"

    def documents() -> Iterator[dict[str, object]]:
        yield {}
        raise RuntimeError("the cluster is lost")

    with pytest.raises(RuntimeError), open_output(str(path)) as file:
        write_documents(file, "ndjson", documents(), None)
    assert not path.exists()


@pytest.mark.parametrize(("kind", "text"), [("ndjson", '{"a":"1"}\n{"a":"2"}\n'), ("csv", "a\n1\n2\n")])
def test_a_byte_order_mark_is_no_part_of_the_first_name(tmp_path: Path, kind: str, text: str) -> None:
    path = tmp_path / "marked"
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert read(path, kind) == [{"a": "1"}, {"a": "2"}]


def test_a_line_that_is_no_json_is_named_by_its_number_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "bad"
    path.write_text('{"a":1}\n\n{"a":\n')
    with pytest.raises(BadFile, match="line 3 is no JSON"):
        read(path, "ndjson")


def test_objects_and_arrays_come_back_from_csv(tmp_path: Path) -> None:
    documents: list[dict[str, object]] = [{"_id": "a", "tags": ["x", {"y": 1}], "text": "{no json"}]
    path = tmp_path / "nested.csv"
    with open_output(str(path)) as file:
        write_documents(file, "csv", documents, ["_id", "tags", "text"])
    assert read(path, "csv", infer=True) == documents


@pytest.mark.parametrize("name", ["a.ndjson", "a.ndjson.gz", "a.ndjson.zst"])
def test_the_share_of_a_file_that_was_read_ends_at_one(tmp_path: Path, name: str) -> None:
    path = str(tmp_path / name)
    with open_output(path) as file:
        write_documents(file, "ndjson", ({"n": n} for n in range(10)), None)
    with open_input(path) as source:
        before = source.share()
        assert len(list(read_documents(source.file, "ndjson", infer=False))) == 10
        assert (before, source.share()) == (0, 1)


def test_progress_shows_a_bar_where_the_whole_is_known() -> None:
    assert line("documents", 1000, 0.25, 2.0) == "[######..................]  25%  1,000 documents, 500/s, 6 s left"
    assert line("documents", 1000, None, 2.0) == "1,000 documents, 500/s"
    assert line("documents", 0, 0.0, 0.0).endswith("0 documents, 0/s")


def test_a_file_that_cannot_be_written_to_its_end_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), open_output(str(tmp_path / "a.ndjson.zst")) as file:
        write_documents(file, "ndjson", ({"n": 1 // n} for n in (1, 0)), None)
    assert list(tmp_path.iterdir()) == []
