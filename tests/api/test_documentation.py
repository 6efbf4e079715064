"""docs/rest.md says what the server does."""

from __future__ import annotations

import re
from pathlib import Path

from raftdoc.api.errors import status_of_code
from raftdoc.api.openapi import QUERY_PARAMETERS, REQUEST_HEADERS, RESPONSE_HEADERS
from raftdoc.api.operations import OPERATIONS
from raftdoc.api.schemas import codes

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "rest.md").read_text(encoding="utf-8")


def test_every_route_is_documented_with_its_method() -> None:
    rows = [line for line in TEXT.splitlines() if line.startswith("| `")]
    for operation in OPERATIONS:
        row = next((row for row in rows if f"`{operation.path}`" in row and f"`{operation.method}`" in row), None)
        assert row is not None, f"{operation.method} {operation.path}"


def test_no_route_is_documented_that_does_not_exist() -> None:
    section = TEXT.partition("## Operations")[2].partition("\n## ")[0]
    documented = {path for path in re.findall(r"`(/[^`]*)`", section) if path != "/"}
    paths = {operation.path for operation in OPERATIONS}
    assert documented - {"/v1/dbs/{db}/collections/{collection}"} <= paths


def test_every_header_and_parameter_is_documented() -> None:
    for name in (*QUERY_PARAMETERS, *REQUEST_HEADERS, *RESPONSE_HEADERS):
        assert f"`{name}`" in TEXT, name


def test_every_error_code_is_documented_with_its_status() -> None:
    table = dict(re.findall(r"^\| `(\w+)` \| (\d{3}) \|", TEXT, re.MULTILINE))
    assert {code: int(status) for code, status in table.items()} == {code: status_of_code(code) for code in codes()}
