"""Files of documents come back as they were written, whatever their format and compression."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raftdoc.cli.data_files import BadFile, format_of, open_input, open_output, read_documents, write_documents

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
    with open_input(str(path)) as file:
        return [json.loads(text) for text in read_documents(file, kind, infer=infer)]


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
