"""What a node says of its cluster, read with suspicion: `GET /v1/cluster`. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from raftdoc.client.errors import InvalidUse
from raftdoc.client.nodes import NodeState, parse_node


class ClusterView(NamedTuple):
    cluster_id: str
    members: list[NodeState]
    """Those with an address that the client can use."""
    leaders: Mapping[str, str]
    """The id of the node that leads it, for each database."""


def view_of(body: Mapping[str, Any]) -> ClusterView | None:
    """Return what the answer says; None: it is none. Members and groups that make no sense are left out."""
    cluster_id = body.get("cluster_id")
    if not isinstance(cluster_id, str):
        return None
    members = [node for member in _dicts(body, "members") if (node := _node_of(member)) is not None]
    leaders = {
        group["database"]: group["leader"]
        for group in _dicts(body, "groups")
        if isinstance(group.get("database"), str) and isinstance(group.get("leader"), str)
    }
    return ClusterView(cluster_id, members, leaders)


def _node_of(member: Mapping[str, Any]) -> NodeState | None:
    url, id = member.get("http"), member.get("id")
    if not isinstance(url, str) or not isinstance(id, str):
        return None
    try:
        node = parse_node(url)
    except InvalidUse:
        return None  # a node that advertises an address of another kind is reached through the others
    node.id = id
    return node


def _dicts(body: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    elements = body.get(name)
    return [element for element in elements if isinstance(element, dict)] if isinstance(elements, list) else []
