"""docs/rest.md is complete: endpoints, query parameters, headers, error codes."""

from __future__ import annotations

import pytest

from raftdoc.api.openapi import QUERY_PARAMETERS, REQUEST_HEADERS, RESPONSE_HEADERS
from raftdoc.api.operations import OPERATIONS, Operation
from raftdoc.errors import CATALOGUE, Fatal, RaftdocError

from .manual import manual

REST = "docs/rest.md"
MISSING_THINGS = ("database", "collection", "document", "index", "operation", "request", "path")


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.id)
def test_every_endpoint_is_documented_with_its_method(operation: Operation) -> None:
    lines = [line for line in manual(REST).splitlines() if operation.path in line]
    assert any(operation.method in line for line in lines), f"{operation.method} {operation.path}"


@pytest.mark.parametrize("name", [*QUERY_PARAMETERS, *REQUEST_HEADERS, *RESPONSE_HEADERS])
def test_every_parameter_and_header_is_documented(name: str) -> None:
    assert f"`{name}" in manual(REST)


def test_every_error_code_that_a_client_meets_is_documented() -> None:
    text = manual(REST)
    codes = {code for code, error in CATALOGUE.items() if _reaches_clients(error)}
    codes |= {f"{what}_not_found" for what in MISSING_THINGS}
    assert sorted(code for code in codes if f"`{code}`" not in text) == []


def _reaches_clients(error: type[RaftdocError]) -> bool:
    return not issubclass(error, Fatal)
