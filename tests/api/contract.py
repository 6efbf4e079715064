"""Holds every exchange of the tests against the OpenAPI description that the server gives of itself."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl, unquote

from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from .wire import Answer

OF_HTTP_ITSELF = {"Date", "Content-Type", "Content-Length", "Transfer-Encoding", "Connection"}


class Contract:
    def __init__(self, description: dict[str, Any]) -> None:
        self.description = description
        resource = Resource(contents=description, specification=DRAFT202012)
        self._registry = Registry().with_resource("urn:api", resource)
        self._paths = sorted(description["paths"], key=lambda path: path.count("{"))

    def check(self, method: str, target: str, body: bytes | None, headers: dict[str, str], answer: Answer) -> None:
        """Check an exchange: the answer always, the request where it was answered with success."""
        path, operation = self._operation(method, target)
        if operation is None:
            assert method == "OPTIONS" or answer.code in ("path_not_found", "method_not_allowed", "invalid_request"), (
                answer
            )
            return
        if answer.status < 400:
            self._check_parameters(path, operation, target, headers)
            self._check_request_body(operation, body, headers)
        self._check_answer(operation, method, answer)

    def _operation(self, method: str, target: str) -> tuple[str, dict[str, Any] | None]:
        for path in self._paths:
            if _path_values(path, target) is not None:
                return path, self.description["paths"][path].get(method.lower())
        return "", None

    def _check_parameters(self, path: str, operation: dict[str, Any], target: str, headers: dict[str, str]) -> None:
        query = target.partition("?")[2]
        sent = {("query", name): value for name, value in parse_qsl(query, keep_blank_values=True)}
        sent |= {("header", name.lower()): value for name, value in headers.items()}
        sent |= {("path", name): value for name, value in (_path_values(path, target) or {}).items()}
        described = self.description["paths"][path]["parameters"] + operation["parameters"]
        known = {(p["in"], p["name"].lower() if p["in"] == "header" else p["name"]): p for p in described}
        for place, name in sent:
            if place != "header":
                assert (place, name) in known, f"{name} in the {place} of {path} is not described"
        for key, parameter in known.items():
            assert key in sent or not parameter.get("required"), f"{key} is required"
            if key in sent:
                self._validate(_as(parameter["schema"], sent[key]), parameter["schema"])

    def _check_request_body(self, operation: dict[str, Any], body: bytes | None, headers: dict[str, str]) -> None:
        described = operation.get("requestBody")
        if described is None:
            assert not body, "a body that is not described"
            return
        if not body:
            assert not described["required"]
            return
        media = headers["Content-Type"].partition(";")[0].strip().lower()
        self._check_body(described["content"][media], media, body)

    def _check_answer(self, operation: dict[str, Any], method: str, answer: Answer) -> None:
        described = operation["responses"].get(str(answer.status))
        assert described is not None, f"{answer.status} of {operation['operationId']} is not described"
        for name, value in answer.headers:
            if name not in OF_HTTP_ITSELF:
                assert name in described["headers"], f"{name} of {answer.status} is not described"
                schema = self._resolve(described["headers"][name])["schema"]
                self._validate(_as(schema, value), schema)
        content = described.get("content", {})
        if method == "HEAD" or not content:
            assert answer.body == b"", answer
            return
        media = answer["Content-Type"].partition(";")[0]
        assert media in content, f"{media} of {answer.status} is not described"
        self._check_body(content[media], media, answer.body)

    def _check_body(self, described: dict[str, Any], media: str, body: bytes) -> None:
        if media == "application/x-ndjson":
            for line in body.splitlines():
                if line.strip():
                    self._validate(json.loads(line), described["x-line"])
        else:
            self._validate(json.loads(body) if media.endswith("json") else body.decode(), described["schema"])

    def _resolve(self, value: dict[str, Any]) -> dict[str, Any]:
        found: Any = self.description
        if "$ref" in value:
            for step in value["$ref"].removeprefix("#/").split("/"):
                found = found[step]
            return dict(found)
        return value

    def _validate(self, value: Any, schema: dict[str, Any]) -> None:
        absolute = json.loads(json.dumps(schema).replace('"#/', '"urn:api#/'))
        Draft202012Validator(absolute, registry=self._registry).validate(value)


def _path_values(path: str, target: str) -> dict[str, str] | None:
    """Return the path parameters of a target by name; None: it is not of this path."""
    expected, segments = path.split("/"), [unquote(part) for part in target.partition("?")[0].split("/")]
    if len(expected) != len(segments) or "" in segments[1:]:
        return None
    pairs = list(zip(expected, segments, strict=True))
    if any(name != segment for name, segment in pairs if not name.startswith("{")):
        return None
    return {name.strip("{}"): segment for name, segment in pairs if name.startswith("{")}


def _as(schema: dict[str, Any], text: str) -> Any:
    """Return what a parameter's text is, as its schema has it."""
    return int(text) if schema.get("type") == "integer" else text
