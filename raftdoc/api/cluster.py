"""The cluster, as this node sees it, and the node itself: status, leadership, health, metrics, description."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from raftdoc.api.answers import json_response
from raftdoc.api.backend import ClusterBackend
from raftdoc.api.bodies import parse_object
from raftdoc.api.exchange import JSON, Call, Response
from raftdoc.database.requests import GroupStatus
from raftdoc.errors import InvalidRequest, NotReady, UnknownOption
from raftdoc.ids import GroupId, NodeId
from raftdoc.telemetry.metrics import CONTENT_TYPE


class Cluster:
    def __init__(self, backend: ClusterBackend) -> None:
        self._backend = backend

    def get_cluster(self, call: Call) -> Response:
        status = self._backend.cluster_status()
        members = [member._asdict() for member in status.members]
        groups = [_group(group) for group in status.groups]
        return json_response(
            {
                "cluster_id": status.cluster_id,
                "node": status.node,
                "members": members,
                "groups": groups,
                "limits": status.limits,
            }
        )

    def list_groups(self, call: Call) -> Response:
        return json_response({"groups": [_group(group) for group in self._backend.cluster_status().groups]})

    async def transfer_leader(self, call: Call) -> Response:
        """`{"group": 7, "to": "n2"}`; without `to` the group chooses."""
        body = members_of(call, ("group", "to"))
        group, target = body.get("group"), body.get("to")
        if type(group) is not int or not 0 <= group < 1 << 32:
            raise InvalidRequest("group is the id of a group, an integer", pointer="/group")
        if target is not None and not isinstance(target, str):
            raise InvalidRequest("to is the id of a node, a string", pointer="/to")
        await self._backend.transfer_leader(GroupId(group), None if target is None else NodeId(target))
        return json_response({"group": group, "to": target}, 202)

    def readyz(self, call: Call) -> Response:
        missing = self._backend.readiness()
        if missing:
            raise NotReady(tuple(missing))
        return json_response({"status": "ready"})


def livez(call: Call) -> Response:
    return json_response({"status": "alive"})


def show_metrics(exposition: Callable[[], str]) -> Callable[[Call], Response]:
    """Return the handler of /metrics."""
    fields = f"Content-Type: {CONTENT_TYPE}\r\n"

    def metrics(call: Call) -> Response:
        return Response(200, fields, exposition().encode())

    return metrics


def show_openapi(document: Mapping[str, Any]) -> Callable[[Call], Response]:
    """Return the handler of /openapi.json."""
    body = orjson.dumps(document)

    def openapi(call: Call) -> Response:
        return Response(200, JSON, body)

    return openapi


def _group(group: GroupStatus) -> dict[str, Any]:
    return group._asdict() | {"replicas": [replica._asdict() for replica in group.replicas]}


def members_of(call: Call, names: tuple[str, ...]) -> dict[str, object]:
    """Return the body, an object that has members of these names only."""
    body = parse_object(call.body)
    for name in body:
        if name not in names:
            raise UnknownOption(f"there is no member {name!r} here", pointer="/" + _escape(name))
    return body


def _escape(name: str) -> str:
    """Return a name as one step of a JSON Pointer."""
    return name.replace("~", "~0").replace("/", "~1")
