"""From a raw path to a resource. A path is split once and decoded once, and never normalised."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from raftdoc.api.exchange import Handler, Route
from raftdoc.api.operation import DATABASE, Access, Body, Operation
from raftdoc.api.targets import decode
from raftdoc.errors import NotFound

PARENTS_KEPT: Final = 1024


class Resource:
    """What stands behind one path template: its operations by method."""

    __slots__ = ("methods", "routes")

    def __init__(self) -> None:
        self.routes: dict[str, Route] = {}
        self.methods: tuple[str, ...] = ()

    def add(self, route: Route) -> None:
        assert route.method not in self.routes, route
        self.routes[route.method] = route
        if route.method == "GET":
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
        operations = tuple(operations)
        assert {operation.id for operation in operations} == set(handlers), sorted(handlers)
        self.methods = (*sorted({operation.method for operation in operations} | {"HEAD"}), "OPTIONS")
        """Those that any resource has."""
        self._root = _Node()
        self._parents: dict[str, tuple[Resource, tuple[str, ...]]] = {}
        """Raw paths whose children are all of one resource, with the parameters in them: collections of documents."""
        for operation in operations:
            node = self._root
            for segment in operation.path.split("/")[1:]:
                node = _child(node, segment)
            if node.resource is None:
                node.resource = Resource()
            node.resource.add(_route(operation, handlers[operation.id]))

    def find(self, path: str) -> tuple[Resource, Sequence[str]]:
        """Return the resource of a raw path, and the parameters in it, decoded.

        Raises:
            InvalidRequest: it does not decode.
            NotFound: there is nothing under this path; an empty segment never is.
        """
        parent, _, last = path.rpartition("/")
        known = self._parents.get(parent)
        if known is not None and last and "%" not in last:
            return known[0], (*known[1], last)
        return self._search(path, parent)

    def _search(self, path: str, parent: str) -> tuple[Resource, Sequence[str]]:
        segments = [decode(segment) for segment in path.split("/")]
        if segments.pop(0):
            raise NotFound("path", path)
        node = above = self._root
        parameters: list[str] = []
        for segment in segments:
            above = node
            literal = node.literals.get(segment)
            if literal is not None:
                node = literal
            elif segment and node.parameter is not None:
                parameters.append(segment)
                node = node.parameter
            else:
                raise NotFound("path", path)
        if node.resource is None:
            raise NotFound("path", path)
        if not above.literals:
            self._remember(parent, node.resource, parameters[:-1])
        return node.resource, parameters

    def _remember(self, parent: str, resource: Resource, parameters: list[str]) -> None:
        if len(self._parents) >= PARENTS_KEPT:
            self._parents.clear()
        self._parents[parent] = resource, tuple(parameters)


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
        operation.path.startswith(DATABASE + "/"),
    )


def _child(node: _Node, segment: str) -> _Node:
    if segment.startswith("{"):
        if node.parameter is None:
            node.parameter = _Node()
        return node.parameter
    return node.literals.setdefault(segment, _Node())
