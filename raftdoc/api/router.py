"""From the raw request target to an operation. A path is split once and decoded once, and never normalised."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote_to_bytes

from raftdoc.api.exchange import NOTHING, Handler
from raftdoc.api.operations import Access, Body, Operation
from raftdoc.errors import InvalidRequest, NotFound, UnknownOption

_BAD_PERCENT: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_AUTHORITY: Final = re.compile(r"https?://[^/?#]*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Route:
    """An operation with what is asked of it for every request, ready to be looked at."""

    id: str
    method: str
    handler: Handler
    is_write: bool
    is_bodiless: bool
    body: Body
    fields: frozenset[bytes]
    query: frozenset[str]
    media: tuple[str, ...]


class Resource:
    """What stands behind one path template: its operations by method."""

    __slots__ = ("methods", "routes")

    def __init__(self) -> None:
        self.routes: dict[str, Route] = {}
        self.methods: tuple[str, ...] = ()

    def add(self, route: Route) -> None:
        method = route.method
        assert method not in self.routes, route
        self.routes[method] = route
        if method == "GET":
            # HEAD is GET without its body: for every resource, not only for documents.
            self.routes["HEAD"] = route
        self.methods = (*sorted(self.routes), "OPTIONS")


@dataclass(slots=True)
class _Node:
    """One segment of the paths. A literal is preferred to the parameter."""

    literals: dict[str, _Node] = field(default_factory=dict)
    parameter: _Node | None = None
    resource: Resource | None = None


class Router:
    def __init__(self, operations: Iterable[Operation], handlers: Mapping[str, Handler]) -> None:
        self._root = _Node()
        operations = tuple(operations)
        self.methods = (*sorted({operation.method for operation in operations} | {"HEAD"}), "OPTIONS")
        """Those that any resource has."""
        assert {operation.id for operation in operations} == set(handlers), sorted(handlers)
        for operation in operations:
            node = self._root
            for segment in operation.path.split("/")[1:]:
                node = _child(node, segment)
            if node.resource is None:
                node.resource = Resource()
            node.resource.add(_route(operation, handlers[operation.id]))

    def find(self, path: str) -> tuple[Resource, list[str]]:
        """Return the resource of a raw path, and the parameters in it, decoded.

        Raises:
            InvalidRequest: it does not decode.
            NotFound: there is nothing under this path; an empty segment never is.
        """
        segments = path.split("/")
        if "%" in path:
            segments = [decode(segment) for segment in segments]
        node: _Node | None = self._root
        parameters: list[str] = []
        for segment in segments[1:]:
            assert node is not None, path
            literal = node.literals.get(segment)
            if literal is not None:
                node = literal
            elif segment and node.parameter is not None:
                parameters.append(segment)
                node = node.parameter
            else:
                raise NotFound("path", path)
        if node is None or node.resource is None or segments[0]:
            raise NotFound("path", path)
        return node.resource, parameters


def _route(operation: Operation, handler: Handler) -> Route:
    return Route(
        operation.id,
        operation.method,
        handler,
        operation.access is Access.WRITE,
        operation.body is Body.NONE,
        operation.body,
        operation.fields,
        frozenset(operation.query),
        operation.media,
    )


def _child(node: _Node, segment: str) -> _Node:
    if segment.startswith("{"):
        if node.parameter is None:
            node.parameter = _Node()
        return node.parameter
    return node.literals.setdefault(segment, _Node())


def split_target(target: str) -> tuple[str, str]:
    """Return (path, query) of a request target in origin or absolute form, both as sent.

    Raises:
        InvalidRequest: it has a fragment, or bytes that a target may not have.
    """
    if not target.startswith("/"):
        target = _AUTHORITY.sub("", target, count=1) or "/"
    if "#" in target or not target.isascii():
        raise InvalidRequest("a request target has neither a fragment nor bytes outside ASCII")
    path, _, query = target.partition("?")
    return path, query


def decode(text: str) -> str:
    """Return text with its percent-encoding undone, once; `+` is itself.

    Raises:
        InvalidRequest: a percent sign without two hexadecimal digits, or bytes that are no UTF-8.
    """
    if "%" not in text:
        return text
    if _BAD_PERCENT.search(text):
        raise InvalidRequest(f"{text[:200]!r} has a percent sign without two hexadecimal digits")
    try:
        return unquote_to_bytes(text).decode()
    except UnicodeDecodeError:
        raise InvalidRequest(f"{text[:200]!r} is not percent-encoded UTF-8") from None


def read_query(query: str, allowed: frozenset[str]) -> Mapping[str, str]:
    """Return the query parameters, decoded.

    Raises:
        UnknownOption: one that the operation does not have.
        InvalidRequest: one stands there twice.
    """
    if not query:
        return NOTHING
    parameters: dict[str, str] = {}
    for part in query.split("&"):
        name, _, value = part.partition("=")
        name = decode(name)
        if name not in allowed:
            known = ", ".join(sorted(allowed)) or "none"
            raise UnknownOption(f"there is no query parameter {name[:100]!r} here; there is: {known}")
        if name in parameters:
            raise InvalidRequest(f"the query parameter {name} is sent twice")
        parameters[name] = decode(value)
    return parameters
