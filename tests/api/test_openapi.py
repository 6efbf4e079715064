"""The description is valid, complete, and what the server gives."""

from __future__ import annotations

import re
from typing import Any

from openapi_core import OpenAPI
from openapi_spec_validator import OpenAPIV31SpecValidator

from raftdoc.api.openapi import QUERY_PARAMETERS, describe_api
from raftdoc.api.operations import OPERATIONS, Body
from raftdoc.api.schemas import PARAMETERS, SCHEMAS

from .conftest import Api


def test_the_description_is_valid_openapi_3_1() -> None:
    OpenAPIV31SpecValidator(describe_api()).validate()
    assert OpenAPI.from_dict(describe_api()).spec["openapi"] == "3.1.0"


async def test_the_server_gives_its_description(api: Api) -> None:
    assert (await api("GET", "/openapi.json")).json() == describe_api()


def test_every_operation_is_described_once() -> None:
    described = [
        operation["operationId"]
        for path in describe_api()["paths"].values()
        for method, operation in path.items()
        if method != "parameters"
    ]
    expected = [o.id for o in OPERATIONS] + [f"{o.id}_head" for o in OPERATIONS if o.method == "GET"]
    assert sorted(described) == sorted(expected)


def test_what_is_not_built_is_not_described() -> None:
    paths = describe_api()["paths"]
    assert not any(word in path for path in paths for word in ("txn", "changes", "users"))


def test_every_schema_and_parameter_is_used_and_every_reference_leads_somewhere() -> None:
    description = describe_api()
    used = set(re.findall(r"#/components/schemas/(\w+)", str(description)))
    assert used == set(SCHEMAS)
    assert set(QUERY_PARAMETERS) == set(PARAMETERS) == {name for o in OPERATIONS for name in o.query}
    headers = set(re.findall(r"#/components/headers/([\w-]+)", str(description)))
    assert headers == set(description["components"]["headers"])


def test_every_answer_names_its_node_and_its_request() -> None:
    for path in describe_api()["paths"].values():
        for method, operation in path.items():
            if method != "parameters":
                responses: dict[str, Any] = operation["responses"]
                assert all({"Raftdoc-Node", "X-Request-Id"} <= set(r["headers"]) for r in responses.values())


def test_every_operation_with_a_body_describes_it() -> None:
    for operation in OPERATIONS:
        described = describe_api()["paths"][operation.path][operation.method.lower()]
        assert ("requestBody" in described) == (operation.body is not Body.NONE)
        assert ("413" in described["responses"]) == (operation.body is not Body.NONE)
